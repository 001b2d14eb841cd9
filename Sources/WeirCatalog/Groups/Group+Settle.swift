// SPDX-License-Identifier: Apache-2.0
package import WeirModel

extension Group {
    /// What must change of the lease table now, given who is there; the caller logs it and then calls `settled`.
    ///
    /// Sticky and incremental: what is held by somebody who is there stays. Free leases go at once to those who have
    /// least to do. Then, if somebody has clearly more to do than another, it is *asked* for one lease, at most one at
    /// a time for each who gives and each who gets. `mayBegin`: whether the parents of a shard are finished.
    package mutating func settle(
        rows: [ShardNumber: LeaseRow], nowNanos: UInt64, mayBegin: (ShardNumber) -> Bool
    ) -> [LeasesAssigned.Change] {
        var changes: [LeasesAssigned.Change] = []
        self.dropVainHandOvers(rows)
        self.measured = self.measured.filter { !(rows[$0.key]?.isFinished ?? true) }
        var loads = Loads(self, rows)
        var free: [ShardNumber] = []
        for (shard, row) in rows.sorted(by: { $0.key < $1.key }) where !row.isFinished {
            switch row.owner {
            case nil: if mayBegin(shard) { free.append(shard) }
            case let owner? where self.member(owner) == nil: free.append(shard)
            case .some:
                if let forced = self.takeOverdue(shard, nowNanos) {
                    loads.move(shard, to: forced)
                    changes.append(.init(shard: shard, owner: forced))
                }
            }
        }
        for shard in free {
            let owner = mayBegin(shard) ? loads.least : nil
            if let owner { loads.add(shard, to: owner) }
            if owner != nil || rows[shard]?.owner != nil { changes.append(.init(shard: shard, owner: owner)) }
        }
        self.askForHandOvers(rows, &loads, nowNanos, changing: Set(changes.map(\.shard)))
        return changes
    }

    /// The changes that `settle` asked for are in the table. `rows`: as they were before.
    package mutating func settled(_ changes: [LeasesAssigned.Change], before rows: [ShardNumber: LeaseRow]) {
        for change in changes {
            self.handOvers[change.shard] = nil
            if let owner = change.owner { self.touch(owner) }
            if let owner = rows[change.shard]?.owner { self.touch(owner) }
        }
    }

    /// Hand-overs whose lease is not the giver's any more, or whose receiver has gone, are off.
    private mutating func dropVainHandOvers(_ rows: [ShardNumber: LeaseRow]) {
        for (shard, promise) in self.handOvers {
            let isVain =
                rows[shard]?.owner != promise.from || self.member(promise.to) == nil || self.member(promise.from) == nil
            if isVain {
                self.handOvers[shard] = nil
                self.touch(promise.from)
            }
        }
    }

    /// A worker that does not give up what it was asked for loses it.
    private mutating func takeOverdue(_ shard: ShardNumber, _ nowNanos: UInt64) -> LeaseOwner? {
        guard let promise = self.handOvers[shard], promise.deadlineNanos <= nowNanos else { return nil }
        self.handOvers[shard] = nil
        return promise.to
    }

    private mutating func askForHandOvers(
        _ rows: [ShardNumber: LeaseRow], _ loads: inout Loads, _ nowNanos: UInt64, changing: Set<ShardNumber>
    ) {
        var busy: Set<WorkerID> = []
        for (shard, promise) in self.handOvers {
            loads.move(shard, to: promise.to)
            busy.insert(promise.from.worker)
            busy.insert(promise.to.worker)
        }
        while let move = loads.bestMove(not: busy, leaving: changing) {
            busy.insert(move.from.worker)
            busy.insert(move.to.worker)
            loads.move(move.shard, to: move.to)
            self.handOvers[move.shard] = HandOver(
                from: move.from, to: move.to, deadlineNanos: nowNanos + Self.handOverNanos)
            self.touch(move.from)
        }
    }
}

/// What each worker has to do: the bytes a second of its leases, and a little for each lease, so that idle ones are
/// spread too.
struct Loads {
    private struct Load {
        let owner: LeaseOwner
        /// Expected owners keep what they have and get nothing.
        let mayGet: Bool
        var weight: UInt64 = 0
        var shards: Set<ShardNumber> = []
    }

    private var loads: [Load] = []
    private var positions: [LeaseOwner: Int] = [:]
    private var weights: [ShardNumber: UInt64] = [:]
    private var holders: [ShardNumber: Int] = [:]
    private let usual: UInt64
    /// Differences below are left alone: a tenth of the average.
    private var indifference: UInt64 = 0

    init(_ group: Group, _ rows: [ShardNumber: LeaseRow]) {
        for member in group.members.values.sorted(by: { $0.owner.worker < $1.owner.worker }) {
            self.positions[member.owner] = self.loads.count
            self.loads.append(Load(owner: member.owner, mayGet: member.hasJoined))
        }
        let measured = group.measured
        let average = measured.values.reduce(0, &+) / UInt64(max(1, measured.count))
        let base = max(1024, average / 10)
        self.usual = average + base
        for (shard, row) in rows where !row.isFinished {
            self.weights[shard] = (measured[shard] ?? average) + base
            if let owner = row.owner { self.add(shard, to: owner) }
        }
        let sum = self.weights.values.reduce(0, &+)
        self.indifference = sum / UInt64(max(1, self.loads.count)) / 10
    }

    private func weight(_ shard: ShardNumber) -> UInt64 { self.weights[shard] ?? self.usual }

    mutating func add(_ shard: ShardNumber, to owner: LeaseOwner) {
        guard let position = self.positions[owner] else { return }
        self.loads[position].weight += self.weight(shard)
        self.loads[position].shards.insert(shard)
        self.holders[shard] = position
    }

    mutating func move(_ shard: ShardNumber, to owner: LeaseOwner) {
        if let holder = self.holders[shard], self.loads[holder].shards.remove(shard) != nil {
            self.loads[holder].weight -= self.weight(shard)
        }
        self.add(shard, to: owner)
    }

    /// Who has least to do; `nil` when nobody is there.
    var least: LeaseOwner? {
        self.loads.filter(\.mayGet).min { $0.weight < $1.weight }?.owner
    }

    struct Move {
        let shard: ShardNumber
        let from: LeaseOwner
        let to: LeaseOwner
    }

    /// The lease whose move makes the heaviest and the lightest worker most alike, if that is worth it.
    func bestMove(not busy: Set<WorkerID>, leaving: Set<ShardNumber>) -> Move? {
        let idle = self.loads.filter { !busy.contains($0.owner.worker) && $0.mayGet }
        guard let from = idle.max(by: { $0.weight < $1.weight }), let to = idle.min(by: { $0.weight < $1.weight }),
            from.weight > to.weight
        else { return nil }
        let difference = from.weight - to.weight
        guard difference > self.indifference else { return nil }
        // After the move the receiver must still have less than the giver had, by more than noise.
        let movable = from.shards.filter {
            !leaving.contains($0) && self.weight($0) + self.indifference / 2 < difference
        }
        let best = movable.min { one, other in
            let (a, b) = (self.distance(one, difference), self.distance(other, difference))
            return a != b ? a < b : one < other
        }
        return best.map { Move(shard: $0, from: from.owner, to: to.owner) }
    }

    private func distance(_ shard: ShardNumber, _ difference: UInt64) -> UInt64 {
        let (weight, half) = (self.weight(shard), difference / 2)
        return weight > half ? weight - half : half - weight
    }
}
