// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Joins and resets of many leases: what one stay under the log's lock does, and what a crash leaves of it.
@Suite struct LeaseSlicesTests {
    private static let slice = 8
    /// Around the slice, and far above it.
    private static let sizes = [1, slice - 1, slice, slice + 1, 2 * slice - 1, 2 * slice, 2 * slice + 1, 40 * slice]

    private struct Node {
        let rig: LogRig
        let app: ApplicationRef
        var groups = NodeGroups<Int>(slice: LeaseSlicesTests.slice)
        let owner: LeaseOwner
        /// Rows that the stay did most with.
        var most = 0

        init(shards: Int) throws {
            self.rig = try LogRig()
            self.owner = LeaseOwner(worker: try WorkerID("a"), incarnation: 1)
            let ref = try self.rig.create(shards: shards)
            self.app = ApplicationRef(stream: ref.stream, name: try ApplicationName("billing"))
        }

        var rows: LeaseRows { self.rig.core.leases.application(self.app)?.rows ?? [:] }

        mutating func stay<R>(_ body: (inout NodeGroups<Int>, LogCore, GroupMoment) throws -> R) rethrows -> R {
            let moment = GroupMoment(wallMillis: self.rig.now, nanos: self.rig.clock.monotonicNanos)
            let before = self.groups.rowsTouched
            self.groups.begin(self.rig.core, moment)
            defer { self.most = max(self.most, self.groups.rowsTouched - before) }
            return try body(&self.groups, self.rig.core, moment)
        }

        mutating func carryOn() -> Int {
            var stays = 0
            while self.stay({ $0.carryOn($1, $2) }) { stays += 1 }
            return stays
        }

        mutating func drawUp(_ begun: LogDraft) -> LogDraft {
            var draft = begun
            while true {
                let asked = draft.asks(atMost: LeaseSlicesTests.slice)
                if asked.isEmpty { break }
                let (stream, before) = (self.app.stream, self.rows)
                draft.learn(self.stay { _, log, _ in log.nextIndexes(of: asked, in: stream) })
                #expect(self.rows == before, "nobody sees a part of it")
            }
            draft.finish()
            return draft
        }

        mutating func join(from start: StreamStart) throws -> Assignment {
            let (app, owner) = (self.app, self.owner)
            if let begun = try self.stay({ try $0.draftToJoin(app, from: start, $1, $2) }) {
                let draft = self.drawUp(begun)
                #expect(self.rows.isEmpty)
                #expect(try self.stay { try $0.commit(draft, $1, $2) } != nil)
            }
            let first = try self.stay { try $0.join(app, owner, timeoutMillis: 5_000, from: start, $1, $2) }
            guard self.carryOn() > 0 else { return first }
            let beat = NodeGroups<Int>.Beat(owner: owner, seenVersion: 0, measured: [], isNew: false)
            return try #require(try self.stay { try $0.heartbeat(app, beat, waiter: nil, $1, $2) })
        }
    }

    private static func order(_ target: ResetTarget, isDryRun: Bool = false) -> ResetOrder {
        ResetOrder(shard: nil, target: target, isForced: true, isDryRun: isDryRun, reason: "again")
    }

    @Test(arguments: sizes, [StreamStart.latest, .trimHorizon])
    func aJoinTouchesASliceInEachStay(shards: Int, start: StreamStart) throws {
        var node = try Node(shards: shards)
        let assignment = try node.join(from: start)
        #expect(assignment.leases?.map(\.shard) == (0..<UInt32(shards)).map { ShardNumber($0) })
        #expect(node.rows.count == shards && node.rows.values.allSatisfy { $0.owner == node.owner && $0.counter == 1 })
        // What it learns of, what it gives out, and what it learns of that.
        #expect(node.most <= 3 * Self.slice, "\(node.most) rows in one stay")
        try node.rig.write()
        let before = node.rows
        try node.rig.restart()
        #expect(node.rows == before, "replay leaves the same")
    }

    @Test(arguments: sizes, [ResetTarget.start(.latest), .start(.trimHorizon)])
    func aResetTouchesASliceInEachStay(shards: Int, target: ResetTarget) throws {
        var node = try Node(shards: shards)
        _ = try node.join(from: .trimHorizon)
        try node.rig.append(["one", "two"], to: ShardRef(stream: node.app.stream, shard: ShardNumber(0)))
        try node.rig.write()
        node.most = 0
        let (app, before) = (node.app, node.rows)
        let begun = try node.stay { try $0.draftToReset(app, by: Self.order(target), $1, $2) }
        guard let begun else {
            #expect(shards * 2 <= Self.slice, "only what fits into a slice is done in one go")
            return
        }
        let draft = node.drawUp(begun)
        #expect(node.rows == before, "nothing is reset before all is")
        // A dry run says the same.
        let dry = try #require(try node.stay { try $0.commit(draft, isDryRun: true, $1, $2) })
        #expect(node.rows == before && draft.resets(changed: dry).count == shards)
        let changed = try #require(try node.stay { try $0.commit(draft, $1, $2) })
        #expect(node.rows.values.allSatisfy { $0.reset != nil }, "all is reset at once")
        #expect(draft.resets(changed: changed).map(\.owner) == Array(repeating: node.owner.worker, count: shards))
        _ = node.carryOn()
        #expect(node.rows.values.allSatisfy { $0.owner == node.owner && $0.counter == 3 })
        #expect(node.most <= 3 * Self.slice, "\(node.most) rows in one stay")
        let after = node.rows
        try node.rig.write()
        try node.rig.restart()
        #expect(node.rows == after, "replay leaves the same")
    }

    /// A crash between two stays leaves the application as it was, or wholly reset, and leases that are given out when
    /// the worker is there again.
    @Test(arguments: 0..<24) func aCrashLeavesAllOfAResetOrNothing(step: Int) throws {
        var node = try Node(shards: 5 * Self.slice)
        _ = try node.join(from: .trimHorizon)
        try node.rig.write()
        let (app, before, owner) = (node.app, node.rows, node.owner)
        var steps = 0
        func crashes() -> Bool {
            steps += 1
            return steps > step
        }
        func play() throws {
            var draft = try #require(
                try node.stay { try $0.draftToReset(app, by: Self.order(.start(.latest)), $1, $2) })
            while !draft.asks(atMost: 1).isEmpty {
                if crashes() { return }
                let asked = draft.asks(atMost: Self.slice)
                draft.learn(node.stay { _, log, _ in log.nextIndexes(of: asked, in: app.stream) })
            }
            draft.finish()
            if crashes() { return }
            #expect(try node.stay { try $0.commit(draft, $1, $2) } != nil)
            repeat {
                if steps % 2 == 0 { try node.rig.write() }
                if crashes() { return }
            } while node.stay { $0.carryOn($1, $2) }
            try node.rig.write()
        }
        try play()
        try node.rig.restart()
        let isReset = node.rows.values.contains { $0.reset != nil }
        #expect(node.rows.values.allSatisfy { ($0.reset != nil) == isReset }, "all or nothing, after \(step) steps")
        if !isReset { #expect(node.rows == before) }
        node.groups = NodeGroups(slice: Self.slice)
        _ = try node.stay { try $0.join(app, owner, timeoutMillis: 5_000, from: .latest, $1, $2) }
        _ = node.carryOn()
        node.rig.clock.advance(millis: 1_100)
        node.stay { $0.tick($1, $2) }
        _ = node.carryOn()
        #expect(node.rows.values.allSatisfy { $0.owner == owner }, "after \(step) steps")
    }

    /// What is drawn up in one term of the log is nothing in the next.
    @Test func aDraftIsVoidAfterARecovery() throws {
        var node = try Node(shards: 3 * Self.slice)
        _ = try node.join(from: .trimHorizon)
        try node.rig.write()
        let app = node.app
        let begun = try #require(try node.stay { try $0.draftToReset(app, by: Self.order(.start(.latest)), $1, $2) })
        let draft = node.drawUp(begun)
        try node.rig.recoverInProcess()
        let before = node.rows
        #expect(try node.stay { try $0.commit(draft, $1, $2) } == nil)
        #expect(node.rows == before)
    }
}
