// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Upkeep of segments with the records of many shards: what one stay under the log's lock does has a bound.
@Suite struct ManyShardsUpkeepTests {
    private static let atOnce = LogCore.shardsAtOnce

    private static func rig(shards: Int) throws -> (rig: LogRig, ref: ShardRef) {
        var configuration = LogRig.small
        configuration.segmentBytesMin = 1 << 20
        configuration.segmentBytesMax = 1 << 20
        let rig = try LogRig(configuration: configuration)
        let ref = try rig.create(shards: shards)
        for shard in 0..<shards {
            try rig.append(["x"], to: ShardRef(stream: ref.stream, shard: ShardNumber(UInt32(shard))))
        }
        try rig.write()
        return (rig, ref)
    }

    /// A second segment begins.
    private static func roll(_ rig: LogRig, _ ref: ShardRef) throws {
        let target = rig.core.files.nextOrder + 1
        while rig.core.segments.count < 2, rig.core.files.nextOrder < target + 2 {
            try rig.put([String(repeating: "y", count: 100_000)], to: ref)
        }
        try rig.write()
    }

    @Test(arguments: [1, atOnce - 1, atOnce, atOnce + 1, 2 * atOnce, 2 * atOnce + 1])
    func aFooterIsPutTogetherInSlices(shards: Int) throws {
        let (rig, ref) = try Self.rig(shards: shards)
        try Self.roll(rig, ref)
        let first = try #require(rig.core.segments.first)
        func waiting() -> Int { first.shards.count { $0.currentSegment === first } }
        var most = 0
        var job: FooterJob?
        for _ in 0..<10 where job == nil {
            let before = waiting()
            job = rig.core.takeFooter(shards: Self.atOnce)
            most = max(most, before - waiting())
        }
        #expect(most <= Self.atOnce, "\(most) shards in one stay")
        let found = try #require(job)
        #expect(found.index.count == shards && found.segment === first)
        let task = UpkeepTask.footer(found)
        rig.core.finished(task, task.result(rig.disk))
        #expect(first.footerWritten)
        try rig.settle()
        try rig.restart()
        for shard in [0, shards / 2, shards - 1] {
            #expect(
                rig.read(ShardRef(stream: ref.stream, shard: ShardNumber(UInt32(shard)))).inOrder.first == "x",
                "shard \(shard)")
        }
    }

    @Test(arguments: [1, atOnce - 1, atOnce, atOnce + 1, 2 * atOnce + 1])
    func aDroppedSegmentIsForgottenInSlices(shards: Int) throws {
        let (rig, ref) = try Self.rig(shards: shards)
        try Self.roll(rig, ref)
        let first = try #require(rig.core.segments.first)
        rig.core.files.drop(first, lsn: rig.core.durableLSN)
        rig.core.segments.removeFirst()
        var calls = 0
        while !rig.core.files.dropping.isEmpty {
            let before = first.shards.count
            #expect(rig.core.files.free.isEmpty, "it is not used again while a shard knows of it")
            rig.core.reclaimDropped()
            #expect(before - first.shards.count <= Self.atOnce)
            calls += 1
            try #require(calls < 100)
        }
        #expect(calls == (first.shards.count + shards + Self.atOnce - 1) / Self.atOnce)
        let other = try #require(rig.core.shard(ShardRef(stream: ref.stream, shard: ShardNumber(UInt32(shards - 1)))))
        #expect(other.runs.allSatisfy { $0.segment !== first })
    }
}
