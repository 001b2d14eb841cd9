// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirTestKit

@testable import WeirCatalog

/// A catalog that follows another by its steps.
@Suite struct StepTests {
    @Test(arguments: 0..<40) func whoTakesTheStepsIsTheSame(seed: UInt64) throws {
        var random = WeirTestKit.SplitMix64(seed: seed)
        var node = TestNode()
        var follower = node.catalog
        for _ in 0..<120 {
            node.nowMillis += Int64(random.below(40_000_000))
            guard let command = try Self.command(node, &random), let events = try? node.plan(command) else { continue }
            for event in events { follower.take(try node.catalog.step(by: event)) }
            #expect(follower.encodeSnapshot() == node.catalog.encodeSnapshot(), "seed \(seed): \(command)")
            #expect(follower.openShardCount == node.catalog.openShardCount)
            #expect(follower.listedShardCount == node.catalog.listedShardCount)
            #expect(follower.attributeBytes == node.catalog.attributeBytes)
            let names = node.catalog.streams(after: nil, limit: .max).map(\.name)
            #expect(follower.streams(after: nil, limit: .max).map(\.name) == names)
            for name in names { #expect(follower.stream(named: name)?.id == node.catalog.stream(named: name)?.id) }
        }
        try follower.checkInvariants()
    }

    private static func command(_ node: TestNode, _ random: inout WeirTestKit.SplitMix64) throws -> CatalogCommand? {
        let streams = node.catalog.streams(after: nil, limit: .max)
        guard !streams.isEmpty, random.below(8) > 0 else {
            let name = try StreamName("stream-\(random.below(5))")
            return .createStream(name: name, shards: random.pick([1, 2, 255, 256, 257]), settings: .init())
        }
        let stream = random.pick(streams)
        let shard = random.pick(stream.map.shards).number
        switch random.below(10) {
        case 0: return .deleteStream(stream.id)
        case 1: return .trimStream(stream.id, beforeMillis: node.nowMillis - Int64(random.below(1_000_000)))
        case 2: return .rescale(stream.id, to: 1 + random.below(300))
        case 3: return .capStream(stream.id, upTo: UInt64(random.below(1_000)))
        case 4: return .raiseHorizon(stream.id, toMillis: node.nowMillis - Int64(random.below(1_000_000)))
        case 5:
            let value = random.below(3) == 0 ? nil : String(repeating: "v", count: 1 + random.below(40))
            return .setAttributes(stream.id, [try Sample.change("tags", "\(random.below(4))", value)])
        case 6...7: return node.catalog.expirable(nowMillis: node.nowMillis).first
        default: return .splitShard(stream.id, shard, at: nil)
        }
    }

    /// A catalog that is kept as it was, for readers or a snapshot, makes a split copy little of a long list.
    @Test func aSplitInALongListCopiesTwoPiecesAndTheOpenShards() throws {
        var node = TestNode(bounds: .init(listedShardsMax: 200_000))
        let id = try node.create(shards: 1_000)
        for round in 0..<12 {
            let events = try node.plan(.rescale(id, to: round % 2 == 0 ? 999 : 1_000))
            for event in events { try node.catalog.apply(event) }
        }
        let listed = node.catalog.listedShardCount
        #expect(listed > 10_000)
        let kept = node.catalog
        for event in try node.plan(.splitShard(id, try #require(try node.state(id).map.shards.first).number, at: nil)) {
            let step = try node.catalog.step(by: event)
            #expect(step.shardsApart <= 3 * ShardList.pieceMax + 1_001, "of \(listed) listed shards")
        }
        #expect(node.catalog.shardCount(apartFrom: kept) <= 3 * ShardList.pieceMax + 1_001)
        #expect(kept.listedShardCount == listed)
    }
}
