// SPDX-License-Identifier: Apache-2.0
package import WeirModel

extension Group {
    /// Brings the group in step with the table: `news` are the shards whose row came, went, changed its owner or was
    /// finished since the last time; `nil`: any.
    package mutating func follow(_ news: Set<ShardNumber>?, _ rows: LeaseRows) {
        if let news {
            if news.isEmpty { return }
            for shard in news { self.follow(shard, rows[shard]) }
        } else {
            for shard in self.duties.all where rows[shard] == nil { self.follow(shard, nil) }
            for (shard, row) in rows { self.follow(shard, row) }
        }
        self.isStirred = true
    }

    private mutating func follow(_ shard: ShardNumber, _ row: LeaseRow?) {
        self.unheld.unblock(by: shard)
        guard let row, !row.isFinished else {
            self.duties.set(shard, nil)
            self.unheld.remove(shard)
            self.orphaned.remove(shard)
            return
        }
        guard let owner = row.owner else {
            self.duties.set(shard, .nobody)
            self.orphaned.remove(shard)
            self.unheld.insert(shard)
            return
        }
        self.duties.set(shard, .worker(owner))
        self.unheld.remove(shard)
        if self.member(owner) == nil { self.orphaned.insert(shard) } else { self.orphaned.remove(shard) }
    }

    /// What must change of the lease table now, given who is there; the caller logs it, calls `settled`, and lets the
    /// group follow.
    ///
    /// Sticky and incremental: what is held by somebody who is there stays. Free leases go at once to those who have
    /// least to do. Then, if somebody has clearly more to do than another, it is *asked* for one lease, at most one at
    /// a time for each who gives and each who gets. `blocker`: a shard that must be finished before this one begins.
    ///
    /// Looks at `max` free leases at most; `isCut` says whether there are more.
    package mutating func settle(
        nowNanos: UInt64, atMost max: Int = .max, blocker: (ShardNumber) -> ShardNumber?
    ) -> [LeasesAssigned.Change] {
        self.isCut = false
        self.dropVainHandOvers()
        // A worker that does not give up what it was asked for loses it.
        let overdue = self.handOvers.filter { $0.value.deadlineNanos <= nowNanos }.sorted { $0.key < $1.key }
        guard self.isStirred || !overdue.isEmpty else { return [] }
        var loads = Loads(self.members.values, self.duties)
        var changes: [LeasesAssigned.Change] = []
        for (shard, promise) in overdue {
            loads.move(shard, to: promise.to)
            changes.append(.init(shard: shard, owner: promise.to))
        }
        self.giveOut(&loads, &changes, atMost: max, blocker)
        // Who has too much is asked when everything is given out.
        if !self.isCut { self.askForHandOvers(&loads, nowNanos, changing: Set(changes.map(\.shard))) }
        // What is not done now is looked at again.
        self.isStirred = self.isCut || !changes.isEmpty
        return changes
    }

    private mutating func giveOut(
        _ loads: inout Loads, _ changes: inout [LeasesAssigned.Change], atMost max: Int,
        _ blocker: (ShardNumber) -> ShardNumber?
    ) {
        for (looked, (shard, isHeld)) in FreeLeases(self.orphaned, loads.canGive ? self.unheld.ready : ShardSet())
            .enumerated()
        {
            guard looked < max else {
                self.isCut = true
                return
            }
            if isHeld, self.isBack(shard) {
                self.orphaned.remove(shard)
                continue
            }
            let blocker = blocker(shard)
            let owner = blocker == nil ? loads.give(shard) : nil
            if owner != nil || isHeld {
                changes.append(.init(shard: shard, owner: owner))
            } else if let blocker {
                self.unheld.block(shard, by: blocker)
            }
        }
    }

    /// Whether the holder of a lease that had gone is a member again.
    private func isBack(_ shard: ShardNumber) -> Bool {
        guard case .worker(let owner)? = self.duties.holder(of: shard) else { return true }
        return self.member(owner) != nil
    }

    /// The changes that `settle` asked for are in the table.
    package mutating func settled(_ changes: [LeasesAssigned.Change]) {
        for change in changes {
            self.handOvers[change.shard] = nil
            if let owner = change.owner { self.touch(owner) }
            if case .worker(let owner)? = self.duties.holder(of: change.shard) { self.touch(owner) }
        }
    }

    /// Hand-overs whose lease is not the giver's any more, or whose receiver has gone, are off.
    private mutating func dropVainHandOvers() {
        for (shard, promise) in self.handOvers {
            let isVain =
                !self.duties.isHeld(shard, by: promise.from) || self.member(promise.to) == nil
                || self.member(promise.from) == nil
            if isVain {
                self.handOvers[shard] = nil
                self.isStirred = true
                self.touch(promise.from)
            }
        }
    }

    private mutating func askForHandOvers(_ loads: inout Loads, _ nowNanos: UInt64, changing: Set<ShardNumber>) {
        var busy: Set<WorkerID> = []
        for (shard, promise) in self.handOvers where !changing.contains(shard) {
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

/// Leases that may be given out, by number: those of owners who have gone, and those of nobody.
private struct FreeLeases: Sequence, IteratorProtocol {
    private var held: AnyIterator<ShardNumber>
    private var unheld: AnyIterator<ShardNumber>
    private var nextHeld: ShardNumber?
    private var nextUnheld: ShardNumber?

    init(_ held: ShardSet, _ unheld: ShardSet) {
        self.held = AnyIterator(held.makeIterator())
        self.unheld = AnyIterator(unheld.makeIterator())
        self.nextHeld = self.held.next()
        self.nextUnheld = self.unheld.next()
    }

    mutating func next() -> (shard: ShardNumber, isHeld: Bool)? {
        if let held = self.nextHeld, self.nextUnheld.map({ held < $0 }) ?? true {
            self.nextHeld = self.held.next()
            return (held, true)
        }
        guard let unheld = self.nextUnheld else { return nil }
        self.nextUnheld = self.unheld.next()
        return (unheld, false)
    }
}
