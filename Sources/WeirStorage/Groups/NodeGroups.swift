// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// The time of a decision: milliseconds since 1970, and nanoseconds of a clock that never falls.
package struct GroupMoment: Sendable {
    package let wallMillis: Int64
    package let nanos: UInt64

    package init(wallMillis: Int64, nanos: UInt64) {
        self.wallMillis = wallMillis
        self.nanos = nanos
    }
}

/// The groups of a node's applications: it brings together the calls of workers, the machines that decide, and the log,
/// which makes a decision true. It has no locks, clocks or connections, so the simulator plays this same code.
///
/// Every call runs under the log's lock, after `begin`. A decision is logged, and workers hear of it only when it is
/// durable. A `Waiter` is what the owner wakes when there is news for a worker.
package struct NodeGroups<Waiter: Sendable>: Sendable {
    struct Waiting: Sendable {
        let waiter: Waiter
        let owner: LeaseOwner
    }

    package internal(set) var groups: [ApplicationRef: Group] = [:]
    var waiting: [ApplicationRef: [WorkerID: Waiting]] = [:]
    /// The term of the log that the groups were last brought in step with; after a recovery it is another.
    private var term: UInt64 = 0
    private var tickedNanos: UInt64 = 0
    private var balancedNanos: UInt64 = 0
    /// The waiters that the owner wakes once it has given the locks back.
    var wakes: [Waiter] = []

    /// Those whose group is not in step with the table yet, or gives out leases: they go on in the next stay under the
    /// log's lock.
    private(set) var unfinished: Set<ApplicationRef> = []
    /// Rows that one stay under the log's lock looks at for a group, and changes.
    package let slice: Int
    /// Rows looked at or changed since the node began, for tests.
    package internal(set) var rowsTouched = 0

    /// Rows that one stay under the log's lock looks at, as a rule: about a millisecond.
    package static var sliceStandard: Int { 512 }
    /// How often `tick` has something to do.
    package static var tickNanos: UInt64 { 80_000_000 }
    /// How often the balance is looked at when nothing has happened.
    package static var balanceNanos: UInt64 { 1_000_000_000 }

    package init(slice: Int = Self.sliceStandard) { self.slice = slice }

    /// The owner calls this first whenever it takes the log's lock. In a new term of the log, decisions that did not
    /// become durable are gone, so every worker is told its leases again. At the start of the node, the groups expect
    /// the owners that the lease table names to come back.
    package mutating func begin(_ log: LogCore, _ moment: GroupMoment) {
        guard self.term != log.term else { return }
        self.term = log.term
        for ref in log.leases.allApplications {
            guard let application = log.leases.application(ref) else { continue }
            if let known = self.groups[ref] {
                for member in known.members.values { self.groups[ref]?.touch(member.owner) }
            } else if application.rows.values.contains(where: { $0.owner != nil }) {
                self.groups[ref] = Group(rows: application.rows, nowNanos: moment.nanos)
                _ = log.leases.takeNews(of: ref)
            }
        }
        for (ref, waiting) in self.waiting where !waiting.isEmpty { self.wake(ref) }
    }

    /// Whether `tick` has something to do; once within `tickNanos`.
    package mutating func takeTick(nowNanos: UInt64) -> Bool {
        guard nowNanos >= self.tickedNanos + Self.tickNanos else { return false }
        self.tickedNanos = nowNanos
        return true
    }

    /// Expires and balances.
    package mutating func tick(_ log: LogCore, _ moment: GroupMoment) {
        guard log.unavailable() == nil else { return }
        let balances = moment.nanos >= self.balancedNanos + Self.balanceNanos
        if balances { self.balancedNanos = moment.nanos }
        for ref in Array(self.groups.keys) {
            let gone = self.groups[ref]?.expire(nowNanos: moment.nanos) ?? []
            if balances || !gone.isEmpty || self.unfinished.contains(ref) { self.settle(ref, log, moment) }
        }
    }

    // MARK: Those who wait

    /// Those who are to be woken now.
    package mutating func takeWakes() -> [Waiter] {
        defer { self.wakes.removeAll() }
        return self.wakes
    }

    /// A worker's connection has ended while it waited. It may come back with another; only a new life of the same id
    /// need not wait for the session timeout.
    package mutating func disconnected(
        _ ref: ApplicationRef, _ owner: LeaseOwner, where isIt: (Waiter) -> Bool
    ) {
        guard self.stopWaiting(ref, owner, where: isIt) else { return }
        self.groups[ref]?.disconnected(owner)
    }

    /// Whether it was waiting.
    @discardableResult
    package mutating func stopWaiting(
        _ ref: ApplicationRef, _ owner: LeaseOwner, where isIt: (Waiter) -> Bool
    ) -> Bool {
        guard let waiting = self.waiting[ref]?[owner.worker], isIt(waiting.waiter) else { return false }
        self.forget(owner.worker, of: ref)
        return true
    }

    private mutating func forget(_ worker: WorkerID, of ref: ApplicationRef) {
        self.waiting[ref]?[worker] = nil
        if self.waiting[ref]?.isEmpty ?? false { self.waiting[ref] = nil }
    }

    /// Those for whom something has changed, and those who are no members any more.
    mutating func wakeTouched(_ ref: ApplicationRef) {
        for worker in self.groups[ref]?.takeTouched() ?? [] {
            guard let waiting = self.waiting[ref]?[worker] else { continue }
            self.wakes.append(waiting.waiter)
            if self.groups[ref]?.member(waiting.owner) == nil { self.forget(worker, of: ref) }
        }
    }

    mutating func wake(_ ref: ApplicationRef) {
        self.wakes.append(contentsOf: self.waiting[ref]?.values.map(\.waiter) ?? [])
    }

    // MARK: The table

    /// Brings the group in step with the lease table, by what has changed there; by a slice of it where that is much.
    mutating func follow(_ ref: ApplicationRef, _ log: LogCore) {
        guard self.groups[ref] != nil else { return }
        let news = log.leases.takeNews(of: ref, atMost: self.slice)
        if let news, news.isEmpty { return }
        let rows = log.leases.application(ref)?.rows ?? [:]
        self.rowsTouched += news?.count ?? rows.count
        self.groups[ref]?.follow(news, rows)
        if log.leases.hasNews(of: ref) { self.unfinished.insert(ref) }
    }

    package var hasMore: Bool { !self.unfinished.isEmpty }
    package func hasMore(of ref: ApplicationRef) -> Bool { self.unfinished.contains(ref) }

    /// The next slice of what is left to do, in a stay of its own under the log's lock. Whether it did something.
    package mutating func carryOn(_ log: LogCore, _ moment: GroupMoment) -> Bool {
        guard let ref = self.unfinished.first, log.unavailable() == nil else { return false }
        self.settle(ref, log, moment)
        return true
    }

    /// A group of an application whose leases nobody holds: it learns of them in slices.
    mutating func beginGroup(_ ref: ApplicationRef, _ log: LogCore, _ moment: GroupMoment) {
        log.leases.tellEverything(of: ref)
        self.groups[ref] = Group(nowNanos: moment.nanos)
    }

    /// Brings the lease table in step with who is there. Without room or a writable log nothing changes; the next tick
    /// tries again.
    mutating func settle(_ ref: ApplicationRef, _ log: LogCore, _ moment: GroupMoment) {
        self.unfinished.remove(ref)
        guard self.groups[ref] != nil else { return }
        guard log.leases.application(ref) != nil, let stream = log.catalog.stream(ref.stream) else {
            // Deleted: workers are told when they ask.
            self.groups[ref] = nil
            return self.wake(ref)
        }
        self.follow(ref, log)
        // What the group does not know yet it cannot give away, and workers are told when all is done.
        if log.leases.hasNews(of: ref) { return }
        let changes =
            self.groups[ref]?.settle(nowNanos: moment.nanos, atMost: self.slice) { number in
                stream.shard(number).map { log.leases.blocker($0, of: ref, in: stream) } ?? number
            } ?? []
        self.rowsTouched += changes.count
        if changes.isEmpty || self.assign(changes, to: ref, log, moment) {
            self.groups[ref]?.settled(changes)
            self.follow(ref, log)
            if self.groups[ref]?.isCut ?? false { self.unfinished.insert(ref) }
            if self.unfinished.contains(ref) { return }
        }
        self.wakeTouched(ref)
        if self.groups[ref]?.isDeserted ?? false { self.drop(ref, log) }
    }

    private func assign(
        _ changes: [LeasesAssigned.Change], to ref: ApplicationRef, _ log: LogCore, _ moment: GroupMoment
    ) -> Bool {
        let changes = self.groups[ref]?.remembering(changes) ?? changes
        return (try? log.submit(.assign(ref, changes), nowMillis: moment.wallMillis)) != nil
    }

    /// Nobody is left and nobody is expected.
    private mutating func drop(_ ref: ApplicationRef, _ log: LogCore) {
        self.groups[ref] = nil
        log.leases.keepNoNews(of: ref)
    }
}
