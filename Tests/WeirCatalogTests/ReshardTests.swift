// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

@Suite("Split, merge and rescale")
struct ReshardTests {
    @Test("A split closes the parent at the log's next index and opens two children above it")
    func split() throws {
        var node = TestNode()
        let id = try node.create(shards: 2)
        node.append(7, to: 0, of: id)
        node.nowMillis += 5000
        let events = try node.run(.splitShard(id, s(0), at: nil))
        #expect(events.count == 1)
        let quarter = UInt128(1) << 126
        let parent = try node.shard(0, of: id)
        #expect(parent.closed == .init(endIndex: 7, atMillis: TestNode.start + 5000, children: [s(2), s(3)]))
        for (number, range) in [
            (2, HashKeyRange(.min, HashKey(quarter - 1))),
            (3, HashKeyRange(HashKey(quarter), HashKey(2 * quarter - 1))),
        ] as [(UInt32, HashKeyRange)] {
            #expect(
                try node.shard(number, of: id)
                    == ShardDescription(
                        number: s(number), range: range, parents: [s(0)], creationSecond: 1_700_000_005,
                        firstIndex: 7, createdAtMillis: TestNode.start + 5000, closed: nil))
        }
        #expect(try node.state(id).map.version == 2)
        #expect(try node.state(id).map.shards.map(\.number) == [s(2), s(3), s(1)])
        #expect(node.catalog.openShardCount == 3)
        #expect(node.catalog.listedShardCount == 4)
    }

    @Test("A split at a hash key makes it the first key of the upper child")
    func splitAt() throws {
        var node = TestNode()
        let id = try node.create()
        try node.run(.splitShard(id, s(0), at: HashKey(1000)))
        #expect(try node.state(id).openRanges == [HashKeyRange(.min, HashKey(999)), HashKeyRange(HashKey(1000), .max)])
    }

    @Test("A shard is split at any key above its second and below its last, and at no other")
    func splitBounds() throws {
        var node = TestNode()
        let id = try node.create()
        try node.run(.splitShard(id, s(0), at: HashKey(1000)))
        try node.run(.splitShard(id, s(2), at: HashKey(1010)))
        // Shard 3 has the keys 1000 to 1009.
        for key in [0, 999, 1000, 1001, 1009, 1010] as [UInt128] {
            let error = try #require(error { try node.plan(.splitShard(id, s(3), at: HashKey(key))) })
            #expect(error.code == .invalidArgument)
            #expect(error.message.contains("1002 to 1008"))
        }
        for key in 1002...1008 as ClosedRange<UInt128> {
            #expect(try node.plan(.splitShard(id, s(3), at: HashKey(key))).count == 1)
        }
    }

    @Test("The middle of four keys is between the second and the third; three keys cannot be split")
    func narrowSplit() throws {
        var node = TestNode()
        let id = try node.create()
        try node.run(.splitShard(id, s(0), at: HashKey(4)))
        try node.run(.splitShard(id, s(1), at: nil))
        #expect(try node.shard(3, of: id).range == HashKeyRange(HashKey(0), HashKey(1)))
        #expect(try node.shard(4, of: id).range == HashKeyRange(HashKey(2), HashKey(3)))
        #expect(error { try node.plan(.splitShard(id, s(3), at: nil)) }?.code == .invalidArgument)
        #expect(error { try node.plan(.splitShard(id, s(3), at: HashKey(1))) }?.code == .invalidArgument)
    }

    @Test("Neighbours merge in either order; the child starts above both and lists them as they were named")
    func merge() throws {
        var node = TestNode()
        let id = try node.create(shards: 3)
        node.append(5, to: 1, of: id)
        node.append(9, to: 2, of: id)
        node.nowMillis -= 60_000
        try node.run(.mergeShards(id, s(2), s(1)))
        let child = try node.shard(3, of: id)
        #expect(child.parents == [s(2), s(1)])
        #expect(child.range == HashKeyRange(HashKeyRange.tiling(3)[1].lower, .max))
        #expect(child.firstIndex == 9)
        #expect(child.creationSecond == 1_700_000_001)
        #expect(try node.shard(1, of: id).closed?.endIndex == 5)
        #expect(try node.shard(1, of: id).closed?.children == [s(3)])
        try node.run(.mergeShards(id, s(0), s(3)))
        #expect(try node.state(id).openRanges == [.all])
    }

    @Test("A child's second is above that of every parent, also when the clock stands still")
    func creationSeconds() throws {
        var node = TestNode()
        let id = try node.create()
        for shard in 0..<4 as Range<UInt32> { try node.run(.splitShard(id, s(2 * shard), at: nil)) }
        #expect(try node.shard(8, of: id).creationSecond == 1_700_000_004)
        // Shard 1 is of second 1, shard 3 of second 2.
        try node.run(.mergeShards(id, s(3), s(1)))
        #expect(try node.shard(9, of: id).creationSecond == 1_700_000_003)
    }

    @Test(
        "A rescale is one event and leaves exactly the ranges of a new stream",
        arguments: [
            (1, 2), (2, 1), (1, 7), (7, 1), (2, 3), (3, 2), (4, 8), (8, 4), (5, 100), (100, 64), (99, 100), (100, 99),
        ])
    func rescale(from: Int, to: Int) throws {
        var node = TestNode()
        let id = try node.create(shards: from)
        node.append(11, to: 0, of: id)
        let events = try node.run(.rescale(id, to: to))
        #expect(events.count == 1)
        #expect(try node.state(id).openRanges == HashKeyRange.tiling(to))
        try node.catalog.checkInvariants()
        #expect(try node.plan(.rescale(id, to: to)) == [])
        let ahead = try node.state(id).shards.map { $0.creationSecond - 1_700_000_000 }.max() ?? 0
        #expect(ahead <= 16, "creation seconds run \(ahead) s ahead")
    }

    @Test("A rescale leaves a shard alone whose range is already as it shall be")
    func rescaleKeeps() throws {
        var node = TestNode()
        let id = try node.create(shards: 2)
        try node.run(.splitShard(id, s(1), at: nil))
        let events = try node.run(.rescale(id, to: 2))
        #expect(try node.shard(0, of: id).isOpen)
        guard case .resharded(let resharding) = events.first else {
            Issue.record("no resharding: \(events)")
            return
        }
        #expect(resharding.steps.map { $0.parents.map(\.number) } == [[s(2), s(3)]])
    }

    @Test("Shards that a rescale opens and closes take no record, and are no longer listed as open at any time")
    func transientShards() throws {
        var node = TestNode()
        let id = try node.create(shards: 2)
        node.append(3, to: 1, of: id)
        node.nowMillis += 1000
        try node.run(.rescale(id, to: 3))
        let transient = try node.state(id).shards.filter { $0.number.rawValue > 1 && !$0.isOpen }
        #expect(!transient.isEmpty)
        #expect(transient.allSatisfy { $0.closed?.endIndex == $0.firstIndex })
        #expect(node.numbers(id, .atTimestamp(TestNode.start + 999)) == [0, 1])
        #expect(node.numbers(id, .atTimestamp(TestNode.start + 1000)) == node.numbers(id, .atLatest))
    }

    @Test("The middle of any two neighbours' merge is routed to the one child")
    func routing() throws {
        var node = TestNode()
        let id = try node.create(shards: 4)
        try node.run(.rescale(id, to: 7))
        let map = try node.state(id).map
        for shard in map.shards {
            #expect(map.shard(for: shard.range.lower) == shard)
            #expect(map.shard(for: shard.range.upper) == shard)
        }
    }

    @Test("A handed-out state stays as it was")
    func values() throws {
        var node = TestNode()
        let id = try node.create()
        let before = try node.state(id)
        try node.run(.splitShard(id, s(0), at: nil))
        #expect(before.shards.count == 1)
        #expect(before.map.shards.allSatisfy { $0.isOpen })
    }
}
