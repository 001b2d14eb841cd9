// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirTestKit

@testable import WeirCatalog

/// The rows of an application in pieces, against a dictionary.
@Suite struct LeaseRowsTests {
    private static func row(_ counter: UInt64) -> LeaseRow { LeaseRow(checkpoint: .trimHorizon, counter: counter) }

    private static func rows(_ count: Int) -> LeaseRows {
        var rows = LeaseRows()
        for number in 0..<UInt32(count) { rows[ShardNumber(number)] = Self.row(UInt64(number)) }
        return rows
    }

    private static let piece = ShardPages<LeaseRow>.pieceMax

    /// Sizes around that of a piece.
    private static let sizes = [0, 1, 2] + [1, 2, 3, 40].flatMap { [$0 * piece - 1, $0 * piece, $0 * piece + 1] }

    @Test(arguments: sizes) func rowsAreWhatWasPutIn(count: Int) {
        let rows = Self.rows(count)
        #expect(rows.count == count && Array(rows.keys) == (0..<UInt32(count)).map { ShardNumber($0) })
        #expect(rows.reversed().map(\.value.counter) == (0..<UInt64(count)).reversed())
        #expect(rows.pieceCount == (count + Self.piece - 1) / Self.piece, "what comes in order fills whole pieces")
        for from in [0, 1, Self.piece - 1, Self.piece, Self.piece + 1, count, count + 1] {
            let behind = rows.suffix(from: ShardNumber(UInt32(from))).map(\.key.rawValue)
            #expect(behind == Array((0..<UInt32(count)).dropFirst(from)))
        }
    }

    @Test(arguments: 0..<40) func changesLeaveWhatTheyLeaveInADictionary(seed: UInt64) throws {
        var random = WeirTestKit.SplitMix64(seed: seed)
        var rows = LeaseRows()
        var model: [ShardNumber: LeaseRow] = [:]
        let numbers = random.pick([20, 200, 2_000])
        for step in 0..<30 {
            let before = (rows, model)
            let removes = random.chance(1, of: 3)
            for _ in 0..<random.pick([1, 3, Self.piece - 1, Self.piece, Self.piece + 1, 300]) {
                let shard = ShardNumber(UInt32(random.below(numbers)))
                let row = removes ? nil : Self.row(random.next())
                rows[shard] = row
                model[shard] = row
            }
            let wanted = model.sorted { $0.key < $1.key }
            try #require(
                rows.map(\.key) == wanted.map(\.key) && rows.map(\.value) == wanted.map(\.value), "seed \(seed)")
            #expect(rows.count == model.count)
            let drawn = (0..<20).map { _ in ShardNumber(UInt32(random.below(numbers))) }
            #expect(drawn.allSatisfy { rows[$0] == model[$0] }, "seed \(seed)")
            #expect(before.0.map(\.value) == before.1.sorted { $0.key < $1.key }.map(\.value), "a copy stays as it was")
            #expect(rows.pieceCount <= 2 + 8 * rows.count / Self.piece, "seed \(seed), step \(step): few pieces")
            // Whatever is different is found, and what is found is no more than what the pieces of the changes hold.
            let apart = Set(rows.apart(from: before.0).map(\.key))
            #expect(rows.allSatisfy { before.0[$0.key] == $0.value || apart.contains($0.key) }, "seed \(seed)")
        }
    }

    /// However many rows there are: a change after a snapshot copies the piece that it touches.
    @Test(arguments: [1, 300, 3_000, 107_660]) func aChangeAfterASnapshotCopiesOnePiece(count: Int) throws {
        let stream = StreamID(1)
        let ref = ApplicationRef(stream: stream, name: try ApplicationName("billing"))
        var table = LeaseTable()
        let rows = (0..<UInt32(count)).map {
            ApplicationCreated.Row(shard: ShardNumber($0), checkpoint: .trimHorizon)
        }
        try table.apply(.applicationCreated(ApplicationCreated(application: ref, atMillis: 1, rows: rows)))
        let owner = try LeaseNode.owner("a")
        for number in Set([0, count / 2, count - 1]) {
            let snapshot = table
            let change = LeasesAssigned.Change(shard: ShardNumber(UInt32(number)), owner: owner)
            try table.apply(.leasesAssigned(LeasesAssigned(application: ref, changes: [change])))
            let (after, before) = (try #require(table.application(ref)), try #require(snapshot.application(ref)))
            let copied = after.rows.apart(from: before.rows).count
            #expect((1...64).contains(copied), "\(copied) rows copied of \(count)")
            #expect(before.rows[change.shard]?.owner == nil && after.rows[change.shard]?.owner == owner)
        }
    }
}
