// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

@Suite struct GroupTests {
    private static let timeout: UInt64 = 5_000_000_000
    private static let second: UInt64 = 1_000_000_000

    private func node(shards: Int) throws -> (LeaseNode, Group) {
        var node = try LeaseNode(shards: shards)
        try node.run(.createApplication(node.application, from: .trimHorizon))
        return (node, Group(rows: node.rows, nowNanos: node.nowNanos))
    }

    private func join(_ group: inout Group, _ node: inout LeaseNode, _ owner: LeaseOwner) throws {
        try group.join(owner, timeoutNanos: Self.timeout, nowNanos: node.nowNanos)
        try node.settle(&group)
    }

    /// Time passes in steps of a tick, and these workers are heard of at each.
    private func pass(
        _ nanos: UInt64, _ group: inout Group, _ node: inout LeaseNode, hearing owners: [LeaseOwner]
    ) throws -> [LeaseOwner] {
        var expired: [LeaseOwner] = []
        let end = node.nowNanos + nanos
        while node.nowNanos < end {
            node.nowNanos += 100_000_000
            for owner in owners { try group.heard(owner, measured: [], nowNanos: node.nowNanos) }
            expired += group.expire(nowNanos: node.nowNanos)
        }
        return expired
    }

    /// Every worker that is asked for a lease gives it, until nobody is asked any more. Returns the moves.
    private func balance(_ group: inout Group, _ node: inout LeaseNode) throws -> Int {
        var moves = 0
        while let (shard, promise) = group.handOvers.min(by: { $0.key < $1.key }) {
            moves += 1
            try #require(moves < 1000, "the balance never ends")
            let change = LeasesAssigned.Change(shard: shard, owner: group.receiver(of: shard))
            #expect(change.owner == promise.to)
            try node.run(.assign(node.application, [change]))
            group.settled([change])
            try node.settle(&group)
        }
        return moves
    }

    @Test func `The first worker gets all leases at once`() throws {
        var (node, group) = try self.node(shards: 5)
        let a = try LeaseNode.owner("a")
        try self.join(&group, &node, a)
        #expect(node.held(by: a) == [0, 1, 2, 3, 4])
        #expect(group.leases(of: a, node.rows).allSatisfy { $0.counter == 1 && !$0.isToBeHandedOver })
    }

    @Test(arguments: [(64, 4), (7, 3), (3, 5), (16, 16)])
    func `Workers that come get their share, one lease at a time from each`(_ shards: Int, _ workers: Int) throws {
        var (node, group) = try self.node(shards: shards)
        let owners = try (0..<workers).map { try LeaseNode.owner("worker-\($0)") }
        for owner in owners { try self.join(&group, &node, owner) }
        let givers = Set(group.handOvers.values.map(\.from.worker))
        #expect(givers.count == group.handOvers.count, "nobody is asked for two at a time")
        let moves = try self.balance(&group, &node)
        let counts = owners.map { node.held(by: $0).count }
        #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1, "\(counts)")
        #expect(counts.reduce(0, +) == shards)
        #expect(moves <= shards - shards / workers, "\(moves) moves: nothing moves twice")
    }

    @Test func `A lease with much traffic weighs more than many idle ones`() throws {
        var (node, group) = try self.node(shards: 4)
        let (a, b) = (try LeaseNode.owner("a"), try LeaseNode.owner("b"))
        try self.join(&group, &node, a)
        try group.heard(
            a, measured: [(ShardNumber(0), 1_000_000), (ShardNumber(1), 0), (ShardNumber(2), 0), (ShardNumber(3), 0)],
            nowNanos: node.nowNanos)
        try self.join(&group, &node, b)
        _ = try self.balance(&group, &node)
        let hot = node.held(by: a).contains(0) ? a : b
        #expect(node.held(by: hot) == [0], "the hot shard is alone")
    }

    @Test func `A clean leave frees all leases at once`() throws {
        var (node, group) = try self.node(shards: 6)
        let (a, b) = (try LeaseNode.owner("a"), try LeaseNode.owner("b"))
        try self.join(&group, &node, a)
        try self.join(&group, &node, b)
        _ = try self.balance(&group, &node)
        let kept = node.held(by: b)
        try group.leave(a)
        try node.settle(&group)
        #expect(node.held(by: b) == [0, 1, 2, 3, 4, 5])
        for shard in kept { #expect(try node.row(shard).counter == 2, "what it had was not touched") }
    }

    @Test func `A silent worker loses its leases after its timeout, not before`() throws {
        var (node, group) = try self.node(shards: 4)
        let (a, b) = (try LeaseNode.owner("a"), try LeaseNode.owner("b"))
        try self.join(&group, &node, a)
        try self.join(&group, &node, b)
        _ = try self.balance(&group, &node)
        #expect(try self.pass(Self.timeout - 100_000_000, &group, &node, hearing: [b]).isEmpty)
        #expect(try self.pass(200_000_000, &group, &node, hearing: [b]) == [a])
        try node.settle(&group)
        #expect(node.held(by: b) == [0, 1, 2, 3])
        let error = #expect(throws: WeirError.self) {
            try group.heard(a, measured: [], nowNanos: node.nowNanos)
        }
        #expect(error?.code == .notJoined)
    }

    @Test func `A pause of the server is nobody's silence`() throws {
        var (node, group) = try self.node(shards: 2)
        let a = try LeaseNode.owner("a")
        try self.join(&group, &node, a)
        node.nowNanos += 20 * Self.second
        #expect(group.expire(nowNanos: node.nowNanos).isEmpty)
        #expect(try self.pass(Self.timeout - 100_000_000, &group, &node, hearing: []).isEmpty)
        #expect(try self.pass(200_000_000, &group, &node, hearing: []) == [a])
    }

    @Test func `After a restart of the server everybody keeps what the table says, for a full timeout`() throws {
        var (node, group) = try self.node(shards: 4)
        let (a, b) = (try LeaseNode.owner("a"), try LeaseNode.owner("b"))
        try self.join(&group, &node, a)
        try self.join(&group, &node, b)
        _ = try self.balance(&group, &node)
        let (ofA, ofB) = (node.held(by: a), node.held(by: b))
        group = Group(rows: node.rows, nowNanos: node.nowNanos)
        #expect(try node.settle(&group).isEmpty)
        #expect(throws: WeirError.self) { try group.heard(b, measured: [], nowNanos: node.nowNanos) }
        try self.join(&group, &node, b)
        #expect(node.held(by: b) == ofB)
        #expect(node.held(by: a) == ofA)
        #expect(group.handOvers.isEmpty, "an expected worker is not asked for anything")
        #expect(try self.pass(Self.timeout + 200_000_000, &group, &node, hearing: [b]) == [a])
        try node.settle(&group)
        #expect(node.held(by: b) == [0, 1, 2, 3])
    }

    @Test func `Two workers with one id: the second is refused while the first is there`() throws {
        var (node, group) = try self.node(shards: 2)
        let (first, second) = (try LeaseNode.owner("a", 1), try LeaseNode.owner("a", 2))
        try self.join(&group, &node, first)
        let error = #expect(throws: WeirError.self) { try self.join(&group, &node, second) }
        #expect(error?.code == .resourceInUse)
        #expect(error?.message.contains("'a' of another life") ?? false)
        group.disconnected(first)
        try group.join(second, timeoutNanos: Self.timeout, nowNanos: node.nowNanos)
        try node.settle(&group)
        #expect(node.held(by: second) == [0, 1], "its connection had ended: nobody waits")
        #expect(node.held(by: first).isEmpty)
    }

    @Test func `Joining again is a resumption`() throws {
        var (node, group) = try self.node(shards: 2)
        let a = try LeaseNode.owner("a")
        try self.join(&group, &node, a)
        let version = try #require(group.member(a)).version
        try self.join(&group, &node, a)
        #expect(try node.row(0).counter == 1)
        #expect(try #require(group.member(a)).version > version)
    }

    @Test func `A worker that does not give up what it was asked for loses it`() throws {
        var (node, group) = try self.node(shards: 2)
        let (a, b) = (try LeaseNode.owner("a"), try LeaseNode.owner("b"))
        try self.join(&group, &node, a)
        try self.join(&group, &node, b)
        let asked = try #require(group.handOvers.keys.first)
        #expect(group.leases(of: a, node.rows).filter(\.isToBeHandedOver).map(\.shard) == [asked])
        _ = try self.pass(Group.handOverNanos - Self.second, &group, &node, hearing: [a, b])
        #expect(try node.settle(&group).isEmpty)
        _ = try self.pass(2 * Self.second, &group, &node, hearing: [a, b])
        #expect(try node.settle(&group) == [.init(shard: asked, owner: b)])
    }

    @Test func `Hand-overs to a worker that has gone are off`() throws {
        var (node, group) = try self.node(shards: 2)
        let (a, b) = (try LeaseNode.owner("a"), try LeaseNode.owner("b"))
        try self.join(&group, &node, a)
        try self.join(&group, &node, b)
        #expect(group.handOvers.count == 1)
        try group.leave(b)
        try node.settle(&group)
        #expect(group.handOvers.isEmpty)
        #expect(node.held(by: a) == [0, 1])
    }

    @Test func `Children wait for their parents, whoever is free`() throws {
        var (node, group) = try self.node(shards: 1)
        let a = try LeaseNode.owner("a")
        try self.join(&group, &node, a)
        try node.run(.splitShard(node.stream, ShardNumber(0), at: nil))
        #expect(try node.settle(&group).isEmpty)
        try node.checkpoint(0, by: a, .shardEnd)
        try node.settle(&group)
        #expect(node.held(by: a) == [1, 2])
    }
}
