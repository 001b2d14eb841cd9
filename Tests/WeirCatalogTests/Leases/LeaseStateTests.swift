// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

/// What workers keep with their leases.
@Suite struct LeaseStateTests {
    private func node(shards: Int = 2) throws -> (LeaseNode, LeaseOwner) {
        var node = try LeaseNode(shards: shards)
        try node.run(.createApplication(node.application, from: .trimHorizon))
        let owner = try LeaseNode.owner("a")
        for shard in 0..<UInt32(shards) { try node.assign(shard, to: owner) }
        return (node, owner)
    }

    private func save(
        _ node: inout LeaseNode, _ shard: UInt32, _ owner: LeaseOwner, _ state: [UInt8], replacing: [UInt8],
        counter: UInt64? = nil
    ) throws -> Bool {
        let hold = LeaseHold(
            shard: ShardNumber(shard), owner: owner, counter: try counter ?? node.row(shard).counter)
        return try node.run(
            .saveState(node.application, hold, state, replaces: LeaseState.checksum(replacing))) != nil
    }

    @Test func `It is kept by whoever holds the lease, and found by who holds it next`() throws {
        var (node, a) = try self.node()
        #expect(try self.save(&node, 0, a, [1, 2], replacing: []))
        #expect(try !self.save(&node, 0, a, [1, 2], replacing: []), "the same once more")
        #expect(try self.save(&node, 0, a, [3], replacing: [1, 2]))
        #expect {
            try self.save(&node, 0, a, [4], replacing: [1, 2])
        } throws: {
            ($0 as? WeirError)?.code == .invalidArgument
        }
        let counter = try node.row(0).counter
        let b = try LeaseNode.owner("b")
        try node.assign(0, to: b)
        #expect {
            try self.save(&node, 0, a, [5], replacing: [3], counter: counter)
        } throws: {
            ($0 as? WeirError)?.code == .leaseLost
        }
        #expect(try node.row(0).state == [3])
        #expect(try self.save(&node, 0, b, [], replacing: [3]))
    }

    @Test func `It survives in a snapshot`() throws {
        var (node, a) = try self.node()
        for bytes in [1, 255, 256, 4096, Limits.leaseStateBytesMax] {
            let before = try node.row(1).state
            #expect(
                try self.save(&node, 1, a, [UInt8](repeating: UInt8(bytes & 0xff | 1), count: bytes), replacing: before)
            )
            let snapshot = node.table.encodeSnapshot()
            let table = try snapshot.withUnsafeBytes { try LeaseTable(snapshot: $0) }
            #expect(try table.row(node.application, ShardNumber(1))?.state == node.row(1).state)
            #expect(table.encodeSnapshot() == snapshot)
        }
    }

    @Test func `A lease keeps up to its limit, and all leases of a node up to theirs`() throws {
        let most = Limits.leaseStateBytesMax
        let leases = Limits.leaseStateBytesOfNodeMax / most
        var (node, a) = try self.node(shards: leases + 1)
        #expect {
            try self.save(&node, 0, a, [UInt8](repeating: 1, count: most + 1), replacing: [])
        } throws: {
            ($0 as? WeirError)?.code == .limitExceeded && "\($0)".contains("\(most)")
        }
        let full = [UInt8](repeating: 1, count: most)
        for shard in 0..<UInt32(leases) { #expect(try self.save(&node, shard, a, full, replacing: [])) }
        #expect {
            try self.save(&node, UInt32(leases), a, [1], replacing: [])
        } throws: {
            ($0 as? WeirError)?.code == .limitExceeded
        }
        #expect(try self.save(&node, 0, a, Array(full.dropLast()), replacing: full), "it may shrink")
        #expect(try self.save(&node, UInt32(leases), a, [1], replacing: []))
        // What is kept with leases that are gone does not count.
        try node.run(.deleteApplication(node.application, force: true))
        try node.run(.createApplication(node.application, from: .trimHorizon))
        try node.assign(0, to: a)
        #expect(try self.save(&node, 0, a, full, replacing: []))
    }

    @Test func `A reset forgets it, because it belongs to the checkpoint that was`() throws {
        var (node, a) = try self.node()
        #expect(try self.save(&node, 0, a, [1], replacing: []))
        try node.run(.reset(node.application, shard: ShardNumber(0), to: .trimHorizon, force: true, reason: "r"))
        #expect(try node.row(0).state == [])
    }
}
