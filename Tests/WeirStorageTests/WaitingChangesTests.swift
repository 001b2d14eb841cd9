// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

@testable import WeirStorage

/// Changes of streams that wait for the disk: each keeps what it has changed of a list of shards, and together they
/// have a bound.
@Suite struct WaitingChangesTests {
    @Test(arguments: [1000, 8000]) func changesWaitUpToABoundOfListedShardsAndGoOnBehindIt(shards: Int) throws {
        var configuration = LogRig.small
        configuration.segmentBytesMax = 16 << 20
        let rig = try LogRig(configuration: configuration)
        let ref = try rig.create("wide", shards: shards)
        let most = LogCore.waitingShardsMax
        var taken = 0
        var refusal: WeirError?
        for number in 0..<shards where refusal == nil {
            refusal = Self.refusal { () throws(WeirError) in
                _ = try rig.core.submit(
                    .splitShard(ref.stream, ShardNumber(UInt32(number)), at: nil), nowMillis: rig.now)
            }
            guard refusal == nil else { break }
            // A put behind each change, so that each has a commit of its own.
            try rig.append(["x"], to: ShardRef(stream: ref.stream, shard: ShardNumber(UInt32(shards - 1))))
            taken += 1
        }
        let error = try #require(refusal)
        #expect(error.code == .unavailable && error.verdict.retry == .after(20), "\(error.message)")
        // Before it are as many as the bound has room for, or as many commits as may wait. Each keeps the open shards
        // and two pieces of the list.
        #expect(rig.core.streams.weight <= most + 2 * shards)
        #expect(error.message.contains(rig.core.streams.weight > most ? "listed shards" : "commits"), "\(taken)")
        try rig.write()
        #expect(rig.core.streams.weight == 0)
        _ = try rig.core.submit(
            .splitShard(ref.stream, ShardNumber(UInt32(taken)), at: nil), nowMillis: rig.now)
        try rig.write()
        try rig.core.checkBooks()
    }

    /// A split in a long list, with all catalogs that wait for the disk beside it: what it copies is told by what it
    /// changes. The time is printed, not judged: a busy machine is no fault.
    @Test func pipelinedSplitsOfALongListCopyLittle() throws {
        var configuration = LogRig.small
        configuration.segmentBytesMax = 16 << 20
        let rig = try LogRig(configuration: configuration)
        let ref = try rig.create("long", shards: 1_000)
        for round in 0..<20 { try rig.submit(.rescale(ref.stream, to: round % 2 == 0 ? 999 : 1_000)) }
        let listed = rig.core.catalog.listedShardCount
        #expect(listed > 20_000)
        let start = ContinuousClock().now
        for number in 0..<100 {
            let open = try #require(rig.core.catalog.stream(ref.stream)).map.shards
            _ = try rig.core.submit(.splitShard(ref.stream, open[number].number, at: nil), nowMillis: rig.now)
            // A put behind each change, so that each has a commit of its own.
            try rig.append(["x"], to: ShardRef(stream: ref.stream, shard: open[999].number))
        }
        print("\(listed) listed shards: 100 splits that wait in \(start.duration(to: ContinuousClock().now))")
        let weights = rig.core.streams.changes.map(\.weight)
        #expect(weights.count == 100 && weights.allSatisfy { $0 <= 1_101 + 3 * ShardList.pieceMax })
        try rig.write()
        #expect(rig.core.streams.durable.listedShardCount == rig.core.catalog.listedShardCount)
        try rig.core.checkBooks()
    }

    private static func refusal(_ body: () throws(WeirError) -> Void) -> WeirError? {
        do {
            try body()
            return nil
        } catch {
            return error
        }
    }
}
