// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirTestKit

@testable import WeirCatalog

/// What was drawn up beside the table leaves what its event leaves, whatever has changed meanwhile.
@Suite struct LeaseDraftTests {
    private static func draft(_ command: LeaseCommand, _ node: LeaseNode) throws -> LeaseDraft {
        LeaseDraft(
            command, node.table, try node.node.state(node.stream), nowMillis: node.node.nowMillis)
    }

    private static func learn(_ draft: inout LeaseDraft, _ node: LeaseNode, atMost max: Int) {
        let asked = draft.asks(atMost: max)
        #expect(asked.count <= max)
        draft.learn(asked.map { node.node.nextIndex(ShardRef(stream: node.stream, shard: $0)) })
    }

    /// Something else happens.
    private static func disturb(_ node: inout LeaseNode, _ random: inout WeirTestKit.SplitMix64, _ life: UInt64) throws
    {
        let rows = node.rows.map { (shard: $0.key.rawValue, row: $0.value) }
        let open = try node.node.state(node.stream).map.shards.map(\.number)
        switch random.below(9) {
        case 8:
            guard let held = rows.first(where: { $0.row.owner != nil }), let owner = held.row.owner else { return }
            let hold = LeaseHold(shard: ShardNumber(held.shard), owner: owner, counter: held.row.counter)
            let state = [UInt8](repeating: 7, count: random.below(20))
            try node.run(
                .saveState(node.application, hold, state, replaces: LeaseState.checksum(held.row.state)))
        case 0...1:
            guard !rows.isEmpty else { return }
            try node.assign(random.pick(rows).shard, to: random.chance(1, of: 3) ? nil : LeaseNode.owner("w", life))
        case 2:
            guard let held = rows.first(where: { $0.row.owner != nil }), let owner = held.row.owner else { return }
            node.node.append(5, to: held.shard, of: node.stream)
            let end = node.node.nextIndex(ShardRef(stream: node.stream, shard: ShardNumber(held.shard)))
            guard open.contains(ShardNumber(held.shard)), end > 0 else { return }
            try? node.checkpoint(held.shard, by: owner, node.processed(end - 1, of: held.shard))
        case 3: try node.run(.splitShard(node.stream, random.pick(open), at: nil))
        case 4:
            guard !rows.isEmpty else { return }
            let shard = ShardNumber(random.pick(rows).shard)
            try node.run(.reset(node.application, shard: shard, to: .trimHorizon, force: true, reason: "one"))
        case 5:
            // Another application comes and goes: what begins later counts from above its counters.
            let other = ApplicationRef(stream: node.stream, name: try ApplicationName("other"))
            try node.run(.createApplication(other, from: .latest))
            try node.run(.assign(other, [.init(shard: open[0], owner: LeaseNode.owner("w", life))]))
            try node.run(.deleteApplication(other, force: true))
        case 6:
            guard !rows.isEmpty else { return }
            try node.run(.reset(node.application, shard: nil, to: .latest, force: true, reason: "all"))
        default: node.node.nowMillis += 1_000
        }
    }

    @Test(arguments: 0..<200) func aDraftLeavesWhatItsEventLeaves(seed: UInt64) throws {
        var random = WeirTestKit.SplitMix64(seed: seed)
        var node = try LeaseNode(shards: random.pick([1, 2, 5, 63, 64, 65, 130]))
        let isReset = random.chance(2, of: 3)
        if isReset { try node.run(.createApplication(node.application, from: random.pick([.latest, .trimHorizon]))) }
        for life in 1...6 where random.chance(2, of: 3) { try Self.disturb(&node, &random, UInt64(life)) }
        let start: StreamStart = random.pick([.latest, .trimHorizon, .atTimestamp(TestNode.start)])
        let command: LeaseCommand =
            node.rows.isEmpty
            ? .createApplication(node.application, from: start)
            : .reset(node.application, shard: nil, to: .start(start), force: random.chance(2, of: 3), reason: "why")
        var draft = try Self.draft(command, node)
        let slice = random.pick([1, 7, 1_000])
        let quiet = random.chance(1, of: 4)
        while !draft.asks(atMost: 1).isEmpty {
            Self.learn(&draft, node, atMost: slice)
            if !quiet, random.chance(1, of: 8) { try Self.disturb(&node, &random, 50) }
        }
        let result = Result { try draft.finish() }
        for life in 60...64 where !quiet && random.chance(1, of: 3) { try Self.disturb(&node, &random, UInt64(life)) }
        guard case .success(let finished?) = result else { return }
        let adoption: LeaseTable.Adoption
        let state = try node.node.state(node.stream)
        do throws(WeirError) {
            adoption = try node.table.judge(finished, of: state)
        } catch {
            #expect(error.code == .resourceInUse, "seed \(seed): \(error)")
            return
        }
        guard case .fits(let changed) = adoption else {
            #expect(!quiet, "seed \(seed): nothing has changed, and the draft is outdated")
            return
        }
        var (adopted, applied) = (node.table, node.table)
        adopted.adopt(finished, changed: changed)
        try applied.apply(finished.event.throughBytes())
        #expect(adopted.encodeSnapshot() == applied.encodeSnapshot(), "seed \(seed)")
        #expect(adopted.rowCount == applied.rowCount && adopted.stateBytes == applied.stateBytes, "seed \(seed)")
        #expect(finished.payload == finished.event.encode())
        // The next draft finds a whole table.
        let again = try adopted.encodeSnapshot().withUnsafeBytes { try LeaseTable(snapshot: $0) }
        #expect(again.rowCount == adopted.rowCount)
    }

    /// However many rows there are, what is done under the lock is what has changed.
    @Test(arguments: [10, 1_000, 3_000]) func onlyWhatHasChangedIsDoneAgain(shards: Int) throws {
        var node = try LeaseNode(shards: shards)
        try node.run(.createApplication(node.application, from: .trimHorizon))
        let command = LeaseCommand.reset(node.application, shard: nil, to: .trimHorizon, force: true, reason: "x")
        let finished = try #require(try Self.draft(command, node).finish())
        try node.assign(3, to: LeaseNode.owner("a"))
        try node.run(.splitShard(node.stream, ShardNumber(7), at: nil))
        guard case .fits(let changed) = try node.table.judge(finished, of: try node.node.state(node.stream)) else {
            Issue.record("the draft is outdated")
            return
        }
        #expect(changed.map(\.key.rawValue) == [3, UInt32(shards), UInt32(shards) + 1])
        node.table.adopt(finished, changed: changed)
        #expect(try node.row(3).owner == nil && node.row(3).counter == 2)
        #expect(try node.row(UInt32(shards)).reset == nil, "a child that was opened meanwhile has a row of its own")
        #expect(node.table.rowCount == shards + 2)
    }
}
