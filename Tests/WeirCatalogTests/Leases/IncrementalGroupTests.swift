// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirCatalog

/// A group looks at what has changed only. It has to want what one wants that looks at everything.
@Suite struct IncrementalGroupTests {
    private struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            self.state &+= 0x9E37_79B9_7F4A_7C15
            var z = self.state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    /// Workers come, go, fall silent and measure; shards are split, merged, finished, reset and expire.
    private struct History {
        var node: LeaseNode
        var group: Group
        var random: Random
        var workers: [LeaseOwner] = []
        var lives: UInt64 = 0

        init(_ seed: UInt64) throws {
            self.random = Random(state: seed)
            self.node = try LeaseNode(shards: Int.random(in: 1...12, using: &self.random))
            try self.node.run(.createApplication(self.node.application, from: .trimHorizon))
            self.group = Group(rows: self.node.rows, nowNanos: self.node.nowNanos)
        }

        private mutating func held() -> (ShardNumber, LeaseRow, LeaseOwner)? {
            let held = self.node.rows.sorted { $0.key < $1.key }.compactMap { shard, row in
                row.owner.map { (shard, row, $0) }
            }
            return held.randomElement(using: &self.random)
        }

        mutating func step() throws {
            switch Int.random(in: 0..<24, using: &self.random) {
            case 0...3:
                self.lives += 1
                let name = "w\(Int.random(in: 0..<6, using: &self.random))"
                let owner = try LeaseNode.owner(name, self.lives)
                if Bool.random(using: &self.random), let known = self.group.members[owner.worker] {
                    self.group.disconnected(known.owner)
                }
                if (try? self.group.join(owner, timeoutNanos: 3_000_000_000, nowNanos: self.node.nowNanos)) != nil {
                    self.workers.removeAll { $0.worker == owner.worker }
                    self.workers.append(owner)
                }
            case 4:
                guard let owner = self.workers.randomElement(using: &self.random) else { return }
                try? self.group.leave(owner)
            case 5...9:
                // Around nothing, and around what leases weigh without traffic; also of shards of others.
                guard let owner = self.workers.randomElement(using: &self.random) else { return }
                let numbers = self.node.rows.keys.sorted().filter { _ in Bool.random(using: &self.random) }
                let rates: [UInt64] = [0, 1, 1023, 1024, 10_000, 1_000_000, 1 << 50]
                let measured = numbers.map { ($0, rates.randomElement(using: &self.random) ?? 0) }
                try? self.group.heard(owner, measured: measured, nowNanos: self.node.nowNanos)
            case 10...12:
                guard let (shard, row, owner) = self.held() else { return }
                let isOpen = try self.node.node.shard(shard.rawValue, of: self.node.stream).isOpen
                if !isOpen { try self.node.checkpoint(shard.rawValue, by: owner, counter: row.counter, .shardEnd) }
            case 13...15:
                let promises = self.group.handOvers.sorted { $0.key < $1.key }
                guard let (shard, _) = promises.randomElement(using: &self.random) else { return }
                self.node.follow(&self.group)
                guard self.node.rows[shard]?.owner == self.group.handOvers[shard]?.from else { return }
                let change = LeasesAssigned.Change(shard: shard, owner: self.group.receiver(of: shard))
                try self.node.run(.assign(self.node.application, [change]))
                self.group.settled([change])
            case 16...17:
                let open = try self.node.node.state(self.node.stream).map.shards.map(\.number)
                guard let shard = open.randomElement(using: &self.random) else { return }
                try? self.node.run(.splitShard(self.node.stream, shard, at: nil))
            case 18:
                let shard = self.node.rows.keys.sorted().randomElement(using: &self.random)
                let all = Bool.random(using: &self.random)
                try self.node.run(
                    .reset(self.node.application, shard: all ? nil : shard, to: .trimHorizon, force: true, reason: "r"))
            case 19:
                // After a restart, or a failed write: nothing is known but the table.
                self.group = Group(rows: self.node.rows, nowNanos: self.node.nowNanos)
                _ = self.node.table.takeNews(of: self.node.application)
            case 20: self.node.nowNanos += Group.handOverNanos
            default: self.node.nowNanos += 200_000_000
            }
            _ = self.group.expire(nowNanos: self.node.nowNanos)
        }

        mutating func check(_ seed: UInt64, _ step: Int) throws {
            self.node.follow(&self.group)
            let (table, application) = (self.node.table, self.node.application)
            let stream = try self.node.node.state(self.node.stream)
            let naive = NaiveGroup(self.group, self.node.rows, nowNanos: self.node.nowNanos) { number in
                stream.shard(number).map { table.mayBegin($0, of: application, in: stream) } ?? false
            }
            // In slices of its own it gives out the same.
            var (sliced, slices) = (self, [LeasesAssigned.Change]())
            let slice = Int.random(in: 1...4, using: &self.random)
            repeat {
                let some = try sliced.node.settle(&sliced.group, atMost: slice)
                #expect(some.count <= slice + sliced.group.members.count, "seed \(seed), step \(step)")
                slices += some
            } while sliced.group.isCut
            #expect(slices == naive.changes, "seed \(seed), step \(step), in slices of \(slice)")
            let changes = try self.node.settle(&self.group)
            let promises = self.group.handOvers.mapValues { [$0.from, $0.to] }
            let expected = naive.handOvers.mapValues { [$0.from, $0.to] }
                .filter { shard, _ in !changes.contains { $0.shard == shard } }
            #expect(changes == naive.changes, "seed \(seed), step \(step)")
            #expect(promises == expected, "seed \(seed), step \(step)")
            for member in self.group.members.values {
                let held = self.node.rows.filter { $0.value.owner == member.owner }.map(\.key)
                #expect(self.group.leases(of: member.owner, self.node.rows).map(\.shard) == held, "seed \(seed)")
            }
        }
    }

    @Test func `What changed is enough to know what everything would say`() throws {
        let first = UInt64.random(in: 0...UInt64.max / 2)
        for seed in first..<first + 150 {
            var history = try History(seed)
            for step in 0..<120 {
                try history.step()
                if Int.random(in: 0..<3, using: &history.random) > 0 { try history.check(seed, step) }
            }
        }
    }

    @Test func `Nothing is looked at when nothing has changed`() throws {
        var history = try History(1)
        let owner = try LeaseNode.owner("a")
        try history.group.join(owner, timeoutNanos: 3_000_000_000, nowNanos: history.node.nowNanos)
        try history.node.settle(&history.group)
        try history.node.settle(&history.group)
        var looked = 0
        let changes = history.group.settle(nowNanos: history.node.nowNanos) { _ in
            looked += 1
            return nil
        }
        #expect(changes.isEmpty && looked == 0 && !history.group.isStirred)
        #expect(history.node.table.takeNews(of: history.node.application) == [], "a checkpoint alone is no news")
    }
}
