// SPDX-License-Identifier: Apache-2.0
package import WeirModel

/// The workers of one application, and which of them should hold which lease. A machine without I/O, clock or
/// randomness: elapsed time comes as an argument, in nanoseconds of a clock that never falls.
///
/// The group itself is not logged. The lease table is, and says who holds what; the group decides how the table
/// changes, and begins from it after a restart. Owners that the table names and that have not joined yet are
/// *expected*: they have a full session timeout to come back before their leases go to others, so that a restart of the
/// server moves nothing.
package struct Group: Sendable {
    package struct Member: Sendable {
        package let owner: LeaseOwner
        package internal(set) var timeoutNanos: UInt64
        package internal(set) var heardNanos: UInt64
        /// Rises when something changes for the worker; it asks with the last one it saw.
        package internal(set) var version: UInt64
        /// False: the table names it and it has not joined since the server began.
        package internal(set) var hasJoined: Bool
        /// Its connection has ended since it was last heard of.
        package internal(set) var isCutOff = false
    }

    /// A lease that its owner was asked to give up.
    package struct HandOver: Hashable, Sendable {
        package let from: LeaseOwner
        package let to: LeaseOwner
        package let deadlineNanos: UInt64
    }

    package private(set) var members: [WorkerID: Member] = [:]
    package internal(set) var handOvers: [ShardNumber: HandOver] = [:]
    /// Who holds what, as the table says.
    var duties = Duties()
    var unheld = UnheldLeases()
    /// Held by somebody who is no member.
    var orphaned = ShardSet()
    /// Something has changed since `settle` found nothing to do.
    var isStirred = true
    /// The last `settle` has left leases for the next one.
    package internal(set) var isCut = false
    /// Those for whom something has changed, or who have gone, since they were last asked for.
    private var touched: Set<WorkerID> = []
    /// When it was last looked at.
    private var lookedNanos: UInt64
    private var nextVersion: UInt64 = 1

    /// How long a worker may take to give up a lease that it was asked for, as in KCL
    /// (docs/kinesis-semantics.md, Leases and checkpoints).
    package static let handOverNanos: UInt64 = 30_000_000_000
    /// How long an expected owner may be silent of which nobody kept the session timeout.
    package static let expectedTimeoutNanos = UInt64(Limits.sessionTimeoutMillisDefault) * 1_000_000
    /// The highest load of one shard that counts, in bytes a second; a higher claim counts as this.
    private static let measuredMax: UInt64 = 1 << 40
    /// A pause of the server shorter than this does not count as one, whatever the session timeout is.
    private static let pauseNanosMin: UInt64 = 300_000_000

    /// Begins without members, of an application whose leases nobody holds; it learns of them as news.
    package init(nowNanos: UInt64) { self.lookedNanos = nowNanos }

    /// Begins from the table.
    package init(rows: LeaseRows, nowNanos: UInt64) {
        self.lookedNanos = nowNanos
        for (owner, millis) in Self.owners(of: rows) {
            // Two lives of one worker id: the table keeps the newer one's counters, so either may wait.
            if let known = self.members[owner.worker], known.owner.incarnation > owner.incarnation { continue }
            self.members[owner.worker] = Member(
                owner: owner, timeoutNanos: millis.map { UInt64($0) * 1_000_000 } ?? Self.expectedTimeoutNanos,
                heardNanos: nowNanos, version: 0, hasJoined: false)
        }
        self.follow(nil, rows)
    }

    /// Who holds leases, with the session timeout that these remember.
    private static func owners(of rows: LeaseRows) -> [LeaseOwner: UInt32?] {
        var owners: [LeaseOwner: UInt32?] = [:]
        for row in rows.values {
            guard let owner = row.owner else { continue }
            guard let known = owners[owner] ?? nil else {
                owners[owner] = .some(row.sessionTimeoutMillis)
                continue
            }
            owners[owner] = max(known, row.sessionTimeoutMillis ?? 0)
        }
        return owners
    }

    /// The changes with what their owners said of their session timeout.
    package func remembering(_ changes: [LeasesAssigned.Change]) -> [LeasesAssigned.Change] {
        changes.map { change in
            let member = change.owner.flatMap { self.member($0) }
            return .init(
                shard: change.shard, owner: change.owner,
                sessionTimeoutMillis: member.map { UInt32(clamping: $0.timeoutNanos / 1_000_000) })
        }
    }

    package var isEmpty: Bool { self.members.isEmpty }
    /// Nobody is left, and no lease is held.
    package var isDeserted: Bool { self.members.isEmpty && !self.duties.isHeldByAnybody }
    package var joinedCount: Int { self.members.values.count { $0.hasJoined } }

    package func holdsLeases(_ owner: LeaseOwner) -> Bool { !self.duties.shards(of: owner).isEmpty }

    package func member(_ owner: LeaseOwner) -> Member? {
        guard let member = self.members[owner.worker], member.owner == owner else { return nil }
        return member
    }

    // MARK: What workers say

    /// Whether a worker may come, or come back. The group refuses a worker whose id an earlier one used while the
    /// earlier one may be alive; when the connection of the earlier one has ended, it counts as gone.
    package mutating func checkMayJoin(_ owner: LeaseOwner, nowNanos: UInt64) throws(WeirError) {
        self.noticePause(nowNanos)
        if let known = self.members[owner.worker], known.owner != owner, !known.isCutOff {
            let silent = nowNanos - min(nowNanos, known.heardNanos)
            let left = known.timeoutNanos > silent ? known.timeoutNanos - silent : 0
            throw WeirError(
                .resourceInUse,
                "a worker '\(owner.worker)' of another life is in the application, heard of \(silent / 1_000_000) ms "
                    + "ago: worker ids are used once; it counts as gone after \(known.timeoutNanos / 1_000_000) ms of "
                    + "silence",
                verdict: .init(maybeStored: false, retry: .after(millis: UInt32(clamping: left / 1_000_000 + 100))))
        }
        guard self.members[owner.worker] != nil || self.members.count < Limits.workersMax else {
            throw WeirError(
                .limitExceeded, "the application has \(self.members.count) workers; \(Limits.workersMax) are allowed")
        }
    }

    /// A worker comes, or comes back, when it may.
    package mutating func join(
        _ owner: LeaseOwner, timeoutNanos: UInt64, nowNanos: UInt64
    ) throws(WeirError) {
        try self.checkMayJoin(owner, nowNanos: nowNanos)
        if let known = self.members[owner.worker], known.owner != owner { self.remove(known.owner) }
        self.members[owner.worker] = Member(
            owner: owner, timeoutNanos: timeoutNanos, heardNanos: nowNanos, version: self.takeVersion(),
            hasJoined: true)
        self.touched.insert(owner.worker)
        self.isStirred = true
    }

    /// The connection of a worker has ended. It may come back with another; only a new life of the same id need not
    /// wait for the session timeout.
    package mutating func disconnected(_ owner: LeaseOwner) {
        if self.member(owner) != nil { self.members[owner.worker]?.isCutOff = true }
    }

    /// A sign of life, with the bytes a second that were delivered by shard, of which only the worker's own count.
    /// Throws `notJoined` when the server does not know the worker.
    package mutating func heard(
        _ owner: LeaseOwner, measured: [(shard: ShardNumber, bytesPerSecond: UInt64)], nowNanos: UInt64
    ) throws(WeirError) {
        self.noticePause(nowNanos)
        guard self.member(owner)?.hasJoined ?? false else { throw Self.unknown(owner) }
        self.members[owner.worker]?.heardNanos = nowNanos
        self.members[owner.worker]?.isCutOff = false
        for (shard, claimed) in measured where self.duties.measure(shard, min(claimed, Self.measuredMax), by: owner) {
            self.isStirred = true
        }
    }

    package static func unknown(_ owner: LeaseOwner) -> WeirError {
        WeirError(
            .notJoined,
            "worker '\(owner.worker)' is not in the application: it was silent for its session timeout, or the server "
                + "has begun anew; it joins again")
    }

    /// A worker goes. Its leases are free from now on; `settle` gives them away.
    package mutating func leave(_ owner: LeaseOwner) throws(WeirError) {
        guard self.member(owner) != nil else { throw Self.unknown(owner) }
        self.remove(owner)
    }

    private mutating func remove(_ owner: LeaseOwner) {
        self.members[owner.worker] = nil
        self.handOvers = self.handOvers.filter { $0.value.from != owner && $0.value.to != owner }
        for shard in self.duties.shards(of: owner) { self.orphaned.insert(shard) }
        self.touched.insert(owner.worker)
        self.isStirred = true
    }

    /// To whom a lease was promised that its owner gives up now; `nil`: to nobody.
    package func receiver(of shard: ShardNumber) -> LeaseOwner? {
        guard let promise = self.handOvers[shard], self.member(promise.to) != nil else { return nil }
        return promise.to
    }

    // MARK: Time

    /// After a pause of the server nobody is to blame for silence: everybody has a full timeout from now.
    private mutating func noticePause(_ nowNanos: UInt64) {
        let gap = nowNanos - min(nowNanos, self.lookedNanos)
        self.lookedNanos = max(self.lookedNanos, nowNanos)
        guard gap > Self.pauseNanosMin else { return }
        for (worker, member) in self.members where gap > member.timeoutNanos / 4 {
            self.members[worker]?.heardNanos = nowNanos
        }
    }

    /// Takes out those who were silent for their timeout; at least a few times within the shortest one.
    package mutating func expire(nowNanos: UInt64) -> [LeaseOwner] {
        self.noticePause(nowNanos)
        let gone = self.members.values.filter { $0.heardNanos + $0.timeoutNanos <= nowNanos }.map(\.owner)
        for owner in gone { self.remove(owner) }
        return gone.sorted { $0.worker < $1.worker }
    }

    /// When the next one expires, if nobody is heard of.
    package var nextExpiryNanos: UInt64? { self.members.values.map { $0.heardNanos + $0.timeoutNanos }.min() }

    // MARK: Versions

    private mutating func takeVersion() -> UInt64 {
        defer { self.nextVersion += 1 }
        return self.nextVersion
    }

    /// Something changed for the worker: its next answer tells all.
    package mutating func touch(_ owner: LeaseOwner) {
        guard self.member(owner) != nil else { return }
        let version = self.takeVersion()
        self.members[owner.worker]?.version = version
        self.touched.insert(owner.worker)
    }

    /// Those whose version has risen, and those who have gone, since this was last asked.
    package mutating func takeTouched() -> Set<WorkerID> {
        defer { self.touched.removeAll() }
        return self.touched
    }

    /// All that the worker holds, in the order of the shards.
    package func leases(of owner: LeaseOwner, _ rows: LeaseRows) -> [AssignedLease] {
        self.duties.shards(of: owner).sorted().compactMap { shard in
            guard let row = rows[shard], row.owner == owner else { return nil }
            return AssignedLease(
                shard: shard, counter: row.counter, checkpoint: row.checkpoint,
                isToBeHandedOver: self.handOvers[shard]?.from == owner)
        }
    }
}
