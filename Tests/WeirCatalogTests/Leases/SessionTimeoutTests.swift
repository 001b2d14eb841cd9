// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

/// How long a worker may be silent stands in its leases.
@Suite struct SessionTimeoutTests {
    private func assign(_ node: inout LeaseNode, _ shard: UInt32, _ owner: LeaseOwner?, _ millis: UInt32?) throws {
        try node.run(
            .assign(
                node.application,
                [.init(shard: ShardNumber(shard), owner: owner, sessionTimeoutMillis: millis)]))
    }

    @Test func `It comes with the lease and goes with it`() throws {
        var node = try LeaseNode(shards: 3)
        try node.run(.createApplication(node.application, from: .trimHorizon))
        let (a, b) = (try LeaseNode.owner("a"), try LeaseNode.owner("b"))
        try self.assign(&node, 0, a, 60_000)
        try self.assign(&node, 1, b, nil)
        #expect(try node.row(0).sessionTimeoutMillis == 60_000 && node.row(1).sessionTimeoutMillis == nil)
        let bytes = node.table.encodeSnapshot()
        #expect(try bytes.withUnsafeBytes { try LeaseTable(snapshot: $0) }.encodeSnapshot() == bytes)
        try self.assign(&node, 0, nil, 60_000)
        #expect(try node.row(0).sessionTimeoutMillis == nil)
        try self.assign(&node, 0, a, 1000)
        try node.run(.splitShard(node.stream, ShardNumber(0), at: nil))
        try node.checkpoint(0, by: a, .shardEnd)
        #expect(try node.row(0).sessionTimeoutMillis == nil)
        try self.assign(&node, 2, a, 1000)
        try node.run(.reset(node.application, shard: ShardNumber(2), to: .trimHorizon, force: true, reason: "r"))
        #expect(try node.row(2).sessionTimeoutMillis == nil)
    }

    @Test func `A worker that comes back with another one changes all its leases, and no counter`() throws {
        var node = try LeaseNode(shards: 3)
        try node.run(.createApplication(node.application, from: .trimHorizon))
        let (a, b) = (try LeaseNode.owner("a"), try LeaseNode.owner("b"))
        for (shard, owner) in [(0, a), (1, a), (2, b)] as [(UInt32, LeaseOwner)] {
            try self.assign(&node, shard, owner, 5000)
        }
        let counters = node.rows.map(\.value.counter)
        #expect(try node.run(.setSessionTimeout(node.application, a, millis: 5000)) == nil)
        try node.run(.setSessionTimeout(node.application, a, millis: 9000))
        #expect(try node.row(0).sessionTimeoutMillis == 9000 && node.row(1).sessionTimeoutMillis == 9000)
        #expect(try node.row(2).sessionTimeoutMillis == 5000)
        #expect(node.rows.map(\.value.counter) == counters)
        #expect(try node.run(.setSessionTimeout(node.application, try LeaseNode.owner("c"), millis: 1)) == nil)
    }

    @Test(arguments: [nil, 1000, 5000, 60_000, 300_000] as [UInt32?])
    func `A group that begins from the table expects each owner for as long as it said`(millis: UInt32?) throws {
        var node = try LeaseNode(shards: 2)
        try node.run(.createApplication(node.application, from: .trimHorizon))
        let owner = try LeaseNode.owner("a")
        for shard in [0, 1] as [UInt32] { try self.assign(&node, shard, owner, millis) }
        var group = Group(rows: node.rows, nowNanos: 1)
        let nanos = UInt64(millis ?? UInt32(Limits.sessionTimeoutMillisDefault)) * 1_000_000
        #expect(group.nextExpiryNanos == 1 + nanos)
        // Looked at often, as the node does.
        var gone: [LeaseOwner] = []
        for now in stride(from: UInt64(1), to: nanos, by: 200_000_000) { gone += group.expire(nowNanos: now) }
        #expect(gone.isEmpty)
        #expect(group.expire(nowNanos: 1 + nanos) == [owner])
    }

    /// Kind 34, as versions before wrote it.
    @Test func `Assignments of format 1 are read without one`() throws {
        var node = try LeaseNode(shards: 2)
        try node.run(.createApplication(node.application, from: .trimHorizon))
        let old = """
            0100000000000000 0700 62696c6c696e67 0100 0100 61 0100000000000000
            02000000 00000000 0000 01000000 ffff
            """
        let event = try old.hexBytes.withUnsafeBytes { try LeaseEvent(kind: 34, payload: $0) }
        let expected = LeasesAssigned(
            application: node.application,
            changes: [.init(shard: s(0), owner: try LeaseNode.owner("a")), .init(shard: s(1), owner: nil)])
        #expect(event == .leasesAssigned(expected))
        #expect(event.kind == 40)
        try node.table.apply(event)
        #expect(try node.row(0).owner == LeaseNode.owner("a") && node.row(0).sessionTimeoutMillis == nil)
    }
}
