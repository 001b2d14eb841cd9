// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

@Suite("Horizon, expiry and listings over time")
struct RetentionTests {
    private let start = TestNode.start

    @Test("A shorter retention hides at once; a longer one afterwards brings nothing back")
    func retention() throws {
        var node = TestNode()
        let id = try node.create()
        node.nowMillis += 2 * TestNode.day
        try node.run(.updateStream(id, StreamChanges(retentionMillis: TestNode.hour)))
        #expect(try node.state(id).horizonMillis == node.nowMillis - TestNode.hour)
        node.nowMillis += TestNode.hour
        try node.run(.updateStream(id, StreamChanges(retentionMillis: 7 * TestNode.day)))
        #expect(try node.state(id).horizonMillis == node.nowMillis - TestNode.hour)
        #expect(try node.state(id).settings.retentionMillis == 7 * TestNode.day)
    }

    @Test("A longer retention stores what the shorter one hid")
    func increase() throws {
        var node = TestNode()
        let id = try node.create()
        node.nowMillis += 3 * TestNode.day
        try node.run(.updateStream(id, StreamChanges(retentionMillis: 7 * TestNode.day)))
        #expect(try node.state(id).horizonMillis == node.nowMillis - TestNode.day)
    }

    @Test("The horizon never falls, whatever the clock and the retention do")
    func horizonRises() throws {
        var node = TestNode()
        let id = try node.create()
        node.nowMillis += 3 * TestNode.day
        try node.run(.trimStream(id, beforeMillis: node.nowMillis))
        let horizon = node.nowMillis
        node.nowMillis -= 2 * TestNode.day
        try node.run(.updateStream(id, StreamChanges(retentionMillis: TestNode.hour)))
        #expect(try node.state(id).horizonMillis == horizon)
        #expect(try node.plan(.trimStream(id, beforeMillis: node.nowMillis)) == [])
        #expect(try node.plan(.raiseHorizon(id, toMillis: horizon)) == [])
        #expect(try node.plan(.trimStream(id, beforeMillis: -1)) == [])
        try node.run(.raiseHorizon(id, toMillis: horizon + 1))
        #expect(try node.state(id).horizonMillis == horizon + 1)
    }

    @Test("A trim is refused when its time is in the future, also when the last event is later than the clock")
    func trimInTheFuture() throws {
        var node = TestNode()
        let id = try node.create()
        #expect(error { try node.plan(.trimStream(id, beforeMillis: start + 1)) }?.code == .invalidArgument)
        #expect(try node.plan(.trimStream(id, beforeMillis: start)).count == 1)
        node.nowMillis -= 1000
        #expect(error { try node.plan(.trimStream(id, beforeMillis: start)) }?.code == .invalidArgument)
    }

    @Test("Closed shards are listed until their retention has passed since they were closed")
    func expiry() throws {
        var node = TestNode()
        let id = try node.create()
        node.nowMillis += 1000
        try node.run(.splitShard(id, s(0), at: nil))
        node.nowMillis += TestNode.day - 1
        #expect(node.catalog.expirable(nowMillis: node.nowMillis) == [])
        #expect(error { try node.plan(.expireShards(id, [s(0)])) }?.code == .invalidArgument)
        node.nowMillis += 1
        #expect(node.catalog.expirable(nowMillis: node.nowMillis) == [.expireShards(id, [s(0)])])
        try node.run(.expireShards(id, [s(0), s(0)]))
        #expect(node.numbers(id, .fromTrimHorizon) == [1, 2])
        #expect(try node.shard(1, of: id).parents == [s(0)], "parents stay: they are history")
        #expect(node.catalog.expirable(nowMillis: node.nowMillis) == [])
        #expect(error { try node.plan(.expireShards(id, [s(0)])) }?.code == .shardNotFound)
        #expect(node.catalog.listedShardCount == 2)
    }

    @Test("An expiry raises the horizon to where its shards were closed, so that listings there cover every key")
    func expiryAndHorizon() throws {
        var node = TestNode()
        let id = try node.create()
        node.nowMillis += 1000
        try node.run(.splitShard(id, s(0), at: nil))
        node.nowMillis += TestNode.day
        try node.run(.splitShard(id, s(1), at: nil))
        #expect(node.numbers(id, .atTrimHorizon) == [0])
        try node.run(.expireShards(id, [s(0)]))
        #expect(try node.state(id).horizonMillis == start + 1000)
        #expect(node.numbers(id, .atTrimHorizon) == [1, 2])
    }

    @Test("A shard expires only together with or after its parents")
    func expiryOrder() throws {
        var node = TestNode()
        let id = try node.create()
        try node.run(.splitShard(id, s(0), at: nil))
        try node.run(.splitShard(id, s(1), at: nil))
        node.nowMillis += TestNode.day
        #expect(error { try node.plan(.expireShards(id, [s(1)])) }?.code == .invalidArgument)
        #expect(try node.plan(.expireShards(id, [])) == [])
        try node.run(.expireShards(id, [s(1), s(0)]))
        #expect(node.numbers(id, .fromTrimHorizon) == [2, 3, 4])
        try node.catalog.checkInvariants()
    }

    @Test("A longer retention keeps closed shards listed for longer")
    func expiryFollowsRetention() throws {
        var node = TestNode()
        let id = try node.create()
        try node.run(.splitShard(id, s(0), at: nil))
        try node.run(.updateStream(id, StreamChanges(retentionMillis: 2 * TestNode.day)))
        node.nowMillis += TestNode.day
        #expect(node.catalog.expirable(nowMillis: node.nowMillis) == [])
        node.nowMillis += TestNode.day
        #expect(node.catalog.expirable(nowMillis: node.nowMillis).count == 1)
    }

    /// Shard 0 lives from 0 to 1000 ms after the start, 1 and 2 from then on, 1 to 3000, then 3 and 4.
    private func nodeWithHistory() throws -> (TestNode, StreamID) {
        var node = TestNode()
        let id = try node.create()
        node.nowMillis = start + 1000
        try node.run(.splitShard(id, s(0), at: nil))
        node.nowMillis = start + 3000
        try node.run(.splitShard(id, s(1), at: nil))
        return (node, id)
    }

    @Test(
        "A listing shows what its filter names",
        arguments: [
            (.fromTrimHorizon, [0, 1, 2, 3, 4]), (.atTrimHorizon, [0]), (.atLatest, [2, 3, 4]),
            (.atTimestamp(0), [0]), (.atTimestamp(start(0)), [0]), (.atTimestamp(start(999)), [0]),
            (.atTimestamp(start(1000)), [1, 2]), (.atTimestamp(start(2999)), [1, 2]),
            (.atTimestamp(start(3000)), [2, 3, 4]), (.atTimestamp(.max), [2, 3, 4]),
            (.fromTimestamp(0), [0, 1, 2, 3, 4]), (.fromTimestamp(start(1000)), [0, 1, 2, 3, 4]),
            (.fromTimestamp(start(1001)), [1, 2, 3, 4]), (.fromTimestamp(start(3000)), [1, 2, 3, 4]),
            (.fromTimestamp(start(3001)), [2, 3, 4]), (.fromTimestamp(.max), [2, 3, 4]),
        ] as [(ShardFilter, [UInt32])])
    func filters(filter: ShardFilter, shown: [UInt32]) throws {
        let (node, id) = try self.nodeWithHistory()
        #expect(node.numbers(id, filter) == shown)
    }

    @Test(
        "A time before the horizon counts as the horizon",
        arguments: [
            (.fromTrimHorizon, [0, 1, 2, 3, 4]), (.atTrimHorizon, [1, 2]), (.atTimestamp(0), [1, 2]),
            (.fromTimestamp(0), [1, 2, 3, 4]),
        ] as [(ShardFilter, [UInt32])])
    func filtersAtHorizon(filter: ShardFilter, shown: [UInt32]) throws {
        var (node, id) = try self.nodeWithHistory()
        try node.run(.trimStream(id, beforeMillis: start + 1500))
        #expect(node.numbers(id, filter) == shown)
    }

    private static func start(_ after: Int64) -> Int64 { TestNode.start + after }
}
