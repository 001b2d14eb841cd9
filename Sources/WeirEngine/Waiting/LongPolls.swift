// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Who waits for what: for records of a shard, for a time, or for whichever comes first. Decides only; the owner looks
/// at the time.
package struct LongPolls<Waiter: Hashable & Sendable>: Sendable {
    private struct Entry: Sendable {
        let shard: ShardRef?
        let deadlineNanos: UInt64?
        let ticket: UInt64
    }

    private struct Deadline: Sendable {
        let nanos: UInt64
        let ticket: UInt64
        let waiter: Waiter
    }

    private var entries: [Waiter: Entry] = [:]
    private var byShard: [ShardRef: [Waiter: UInt64]] = [:]
    /// A binary heap, soonest first. A waiter that was woken leaves its deadline here until it is met or too many are
    /// left so.
    private var deadlines: [Deadline] = []
    private var lastTicket: UInt64 = 0

    package init() {}

    package var count: Int { self.entries.count }
    /// Deadlines that are kept, also of waiters that were woken.
    package var keptDeadlines: Int { self.deadlines.count }

    /// `waiter` begins to wait; what it waited for before is forgotten.
    package mutating func add(_ waiter: Waiter, shard: ShardRef?, deadlineNanos: UInt64?) {
        self.remove(waiter)
        self.lastTicket += 1
        self.entries[waiter] = Entry(shard: shard, deadlineNanos: deadlineNanos, ticket: self.lastTicket)
        if let shard { self.byShard[shard, default: [:]][waiter] = self.lastTicket }
        if let deadlineNanos {
            self.push(Deadline(nanos: deadlineNanos, ticket: self.lastTicket, waiter: waiter))
        }
    }

    package mutating func remove(_ waiter: Waiter) {
        guard let entry = self.entries.removeValue(forKey: waiter) else { return }
        if let shard = entry.shard { self.leave(shard, waiter) }
        self.compact()
    }

    /// The shard has something new: who waited for it, in the order in which they came; they wait no more.
    package mutating func wake(_ shard: ShardRef) -> [Waiter] {
        guard let waiters = self.byShard.removeValue(forKey: shard) else { return [] }
        for waiter in waiters.keys { self.entries[waiter] = nil }
        self.compact()
        return waiters.count == 1 ? Array(waiters.keys) : waiters.sorted { $0.value < $1.value }.map(\.key)
    }

    /// Everybody, for when nobody knows what has changed.
    package mutating func wakeAll() -> [Waiter] {
        let all = self.entries.sorted { $0.value.ticket < $1.value.ticket }.map(\.key)
        self.entries.removeAll()
        self.byShard.removeAll()
        self.deadlines.removeAll()
        return all
    }

    /// Those whose time has come, soonest first; they wait no more.
    package mutating func expire(nowNanos: UInt64) -> [Waiter] {
        var expired: [Waiter] = []
        while let first = self.deadlines.first, first.nanos <= nowNanos {
            self.pop()
            guard let entry = self.entries[first.waiter], entry.ticket == first.ticket else { continue }
            self.entries[first.waiter] = nil
            if let shard = entry.shard { self.leave(shard, first.waiter) }
            expired.append(first.waiter)
        }
        return expired
    }

    /// When `expire` has something to do; may be too early, never too late.
    package var nextDeadlineNanos: UInt64? { self.deadlines.first?.nanos }

    private mutating func leave(_ shard: ShardRef, _ waiter: Waiter) {
        self.byShard[shard]?[waiter] = nil
        if self.byShard[shard]?.isEmpty == true { self.byShard[shard] = nil }
    }

    // MARK: The heap

    private mutating func compact() {
        guard self.deadlines.count > 64, self.deadlines.count > 2 * self.entries.count else { return }
        let kept = self.deadlines.filter { self.entries[$0.waiter]?.ticket == $0.ticket }
        self.deadlines.removeAll(keepingCapacity: true)
        for deadline in kept { self.push(deadline) }
    }

    private mutating func push(_ deadline: Deadline) {
        var child = self.deadlines.count
        self.deadlines.append(deadline)
        while child > 0 {
            let parent = (child - 1) / 2
            if self.deadlines[parent].nanos <= self.deadlines[child].nanos { break }
            self.deadlines.swapAt(parent, child)
            child = parent
        }
    }

    private mutating func pop() {
        self.deadlines.swapAt(0, self.deadlines.count - 1)
        self.deadlines.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < self.deadlines.count {
                if self.deadlines[child].nanos < self.deadlines[least].nanos { least = child }
            }
            if least == parent { return }
            self.deadlines.swapAt(parent, least)
            parent = least
        }
    }
}
