// SPDX-License-Identifier: Apache-2.0
import WeirModel

@testable import WeirCatalog

/// What a group should want, computed from the whole table by the definition: what the incremental one is judged by.
struct NaiveGroup {
    private struct Load {
        let owner: LeaseOwner
        let mayGet: Bool
        var weight: UInt64
        var shards: [ShardNumber]
    }

    let rows: [LeaseRows.Element]
    let measured: [ShardNumber: UInt64]
    private(set) var handOvers: [ShardNumber: Group.HandOver]
    private(set) var changes: [LeasesAssigned.Change] = []
    private var loads: [Load] = []

    /// `group`: before it settles, in step with the table.
    init(_ group: Group, _ rows: LeaseRows, nowNanos: UInt64, mayBegin: (ShardNumber) -> Bool) {
        self.rows = rows.filter { !$0.value.isFinished }
        self.measured = group.duties.measured
        self.handOvers = group.handOvers.filter { shard, promise in
            rows[shard]?.owner == promise.from && group.member(promise.from) != nil && group.member(promise.to) != nil
        }
        for member in group.members.values.sorted(by: { $0.owner.worker < $1.owner.worker }) {
            let own = self.rows.filter { $0.value.owner == member.owner }.map(\.key)
            self.loads.append(
                Load(
                    owner: member.owner, mayGet: member.hasJoined,
                    weight: own.reduce(0) { $0 + self.weight($1) }, shards: own))
        }
        let all = self.rows.reduce(0) { $0 + self.weight($1.key) }
        let indifference = all / UInt64(max(1, self.loads.count)) / 10
        for (shard, promise) in self.handOvers.sorted(by: { $0.key < $1.key })
        where promise.deadlineNanos <= nowNanos {
            self.change(shard, promise.to)
        }
        for (shard, row) in self.rows {
            if let owner = row.owner, group.member(owner) != nil { continue }
            let least = self.loads.filter(\.mayGet).min { $0.weight < $1.weight }?.owner
            let owner = mayBegin(shard) ? least : nil
            if owner != nil || row.owner != nil { self.change(shard, owner) }
        }
        self.ask(indifference, nowNanos)
    }

    private func weight(_ shard: ShardNumber) -> UInt64 {
        let average = self.measured.values.reduce(0, +) / UInt64(max(1, self.measured.count))
        return (self.measured[shard] ?? average) + max(1024, average / 10)
    }

    private mutating func change(_ shard: ShardNumber, _ owner: LeaseOwner?) {
        self.changes.append(.init(shard: shard, owner: owner))
        self.move(shard, owner)
    }

    private mutating func move(_ shard: ShardNumber, _ owner: LeaseOwner?) {
        for position in self.loads.indices {
            if let held = self.loads[position].shards.firstIndex(of: shard) {
                self.loads[position].shards.remove(at: held)
                self.loads[position].weight -= self.weight(shard)
            }
            if self.loads[position].owner == owner {
                self.loads[position].shards.append(shard)
                self.loads[position].weight += self.weight(shard)
            }
        }
    }

    private mutating func ask(_ indifference: UInt64, _ nowNanos: UInt64) {
        let changing = Set(self.changes.map(\.shard))
        var busy: Set<WorkerID> = []
        for (shard, promise) in self.handOvers where !changing.contains(shard) {
            self.move(shard, promise.to)
            busy.formUnion([promise.from.worker, promise.to.worker])
        }
        while true {
            let idle = self.loads.filter { !busy.contains($0.owner.worker) && $0.mayGet }
            guard let from = idle.max(by: { $0.weight < $1.weight }), let to = idle.min(by: { $0.weight < $1.weight }),
                from.weight > to.weight, from.weight - to.weight > indifference
            else { return }
            let difference = from.weight - to.weight
            func distance(_ shard: ShardNumber) -> UInt64 {
                let weight = self.weight(shard)
                return weight > difference / 2 ? weight - difference / 2 : difference / 2 - weight
            }
            let movable = from.shards.filter {
                !changing.contains($0) && self.weight($0) + indifference / 2 < difference
            }
            guard let best = movable.min(by: { (distance($0), $0) < (distance($1), $1) }) else { return }
            busy.formUnion([from.owner.worker, to.owner.worker])
            self.move(best, to.owner)
            self.handOvers[best] = Group.HandOver(
                from: from.owner, to: to.owner, deadlineNanos: nowNanos + Group.handOverNanos)
        }
    }
}
