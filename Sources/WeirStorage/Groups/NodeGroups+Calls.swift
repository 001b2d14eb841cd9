// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// What workers and operators ask.
extension NodeGroups {
    /// What is to be drawn up before a worker can join, because the application is not there and would have more rows
    /// than one stay under the log's lock makes.
    package func draftToJoin(
        _ ref: ApplicationRef, from start: StreamStart, _ log: LogCore, _ moment: GroupMoment
    ) throws(WeirError) -> LogDraft? {
        guard let stream = log.catalog.stream(ref.stream) else { throw log.missing(ref.stream) }
        guard log.leases.application(ref) == nil, stream.shards.count > self.slice else { return nil }
        return log.draft(.createApplication(ref, from: start), of: stream, moment)
    }

    /// A worker comes, or comes back. `start`: used only when the application is not there yet. The leases that are not
    /// given out in one stay under the log's lock come with the next ones: `carryOn`.
    package mutating func join(
        _ ref: ApplicationRef, _ owner: LeaseOwner, timeoutMillis: UInt32, from start: StreamStart,
        _ log: LogCore, _ moment: GroupMoment
    ) throws(WeirError) -> Assignment {
        guard try self.draftToJoin(ref, from: start, log, moment) == nil else {
            throw WeirError(
                .unavailable, "application '\(ref.name)' was deleted while the worker joined it; try again",
                verdict: .init(maybeStored: false, retry: .after(millis: 100)))
        }
        try log.submit(.createApplication(ref, from: start), nowMillis: moment.wallMillis)
        if self.groups[ref] == nil { self.beginGroup(ref, log, moment) }
        try self.groups[ref]?.checkMayJoin(owner, nowNanos: moment.nanos)
        // What it holds from before the server began, or from an earlier connection. Logged before it is a member: a
        // worker that is refused is none.
        if self.groups[ref]?.holdsLeases(owner) ?? false {
            try log.submit(.setSessionTimeout(ref, owner, millis: timeoutMillis), nowMillis: moment.wallMillis)
        }
        try self.groups[ref]?.join(
            owner, timeoutNanos: UInt64(timeoutMillis) * 1_000_000, nowNanos: moment.nanos)
        self.settle(ref, log, moment)
        return self.assignment(ref, owner, log)
    }

    /// A heartbeat as it comes.
    package struct Beat {
        package let owner: LeaseOwner
        package let seenVersion: UInt64
        package let measured: [(shard: ShardNumber, bytesPerSecond: UInt64)]
        /// It has just come, and so is a sign of life; when it is looked at again it is none.
        package let isNew: Bool

        package init(
            owner: LeaseOwner, seenVersion: UInt64, measured: [(shard: ShardNumber, bytesPerSecond: UInt64)],
            isNew: Bool
        ) {
            self.owner = owner
            self.seenVersion = seenVersion
            self.measured = measured
            self.isNew = isNew
        }
    }

    /// `nil`: nothing has changed since the seen version; `waiter` is woken when something does.
    package mutating func heartbeat(
        _ ref: ApplicationRef, _ beat: Beat, waiter: Waiter?, _ log: LogCore, _ moment: GroupMoment
    ) throws(WeirError) -> Assignment? {
        let owner = beat.owner
        try self.heard(ref, owner, beat.isNew ? beat.measured : nil, log, moment)
        guard self.groups[ref]?.member(owner)?.version == beat.seenVersion else {
            return self.assignment(ref, owner, log)
        }
        if let waiter { self.waiting[ref, default: [:]][owner.worker] = Waiting(waiter: waiter, owner: owner) }
        return nil
    }

    /// A sign of life, with what was measured of the shards that the worker holds. `nil`: it is none, and it is only
    /// looked whether the worker is a member.
    package mutating func heard(
        _ ref: ApplicationRef, _ owner: LeaseOwner, _ measured: [(shard: ShardNumber, bytesPerSecond: UInt64)]?,
        _ log: LogCore, _ moment: GroupMoment
    ) throws(WeirError) {
        _ = try log.application(ref, moment)
        guard self.groups[ref]?.member(owner)?.hasJoined ?? false else { throw Group.unknown(owner) }
        self.follow(ref, log)
        guard let measured else { return }
        try self.groups[ref]?.heard(owner, measured: measured, nowNanos: moment.nanos)
    }

    package mutating func checkpoint(
        _ ref: ApplicationRef, _ hold: LeaseHold, _ checkpoint: LeaseCheckpoint, _ log: LogCore, _ moment: GroupMoment
    ) throws(WeirError) {
        try log.submit(.checkpoint(ref, hold, checkpoint), nowMillis: moment.wallMillis)
        guard checkpoint == .shardEnd else { return }
        // The lease is nobody's any more, and the children may begin.
        self.groups[ref]?.touch(hold.owner)
        self.settle(ref, log, moment)
    }

    package mutating func handOver(
        _ ref: ApplicationRef, _ hold: LeaseHold, _ log: LogCore, _ moment: GroupMoment
    ) throws(WeirError) {
        _ = try log.leases.held(ref, hold)
        self.follow(ref, log)
        let change = LeasesAssigned.Change(shard: hold.shard, owner: self.groups[ref]?.receiver(of: hold.shard))
        let changes = self.groups[ref]?.remembering([change]) ?? [change]
        try log.submit(.assign(ref, changes), nowMillis: moment.wallMillis)
        self.groups[ref]?.settled(changes)
        self.settle(ref, log, moment)
    }

    package mutating func leave(
        _ ref: ApplicationRef, _ owner: LeaseOwner, _ log: LogCore, _ moment: GroupMoment
    ) throws(WeirError) {
        guard self.groups[ref] != nil else { throw Group.unknown(owner) }
        try self.groups[ref]?.leave(owner)
        self.settle(ref, log, moment)
    }

    private mutating func assignment(_ ref: ApplicationRef, _ owner: LeaseOwner, _ log: LogCore) -> Assignment {
        self.follow(ref, log)
        let group = self.groups[ref]
        return Assignment(
            version: group?.member(owner)?.version ?? 0,
            leases: group?.leases(of: owner, log.leases.application(ref)?.rows ?? [:]) ?? [])
    }

    // MARK: Drafts

    /// Puts into the table what was drawn up, or only looks whether it could. Returns the rows that had changed
    /// meanwhile; `nil`: it is to be drawn up anew.
    package mutating func commit(
        _ draft: LogDraft, isDryRun: Bool = false, _ log: LogCore, _ moment: GroupMoment
    ) throws(WeirError) -> [LeaseRows.Element]? {
        guard draft.term == log.term else { return nil }
        // An answer without an event tells what was seen of the log all the same.
        log.positions.look(at: log.commits.head)
        guard let finished = try draft.outcome() else { return [] }
        if isDryRun { return [] }
        guard let changed = try log.submit(finished) else { return nil }
        self.rowsTouched += changed.count
        for member in self.groups[draft.application]?.members.values.map(\.owner) ?? [] {
            self.groups[draft.application]?.touch(member)
        }
        self.settle(draft.application, log, moment)
        return changed
    }

    // MARK: Operators

    /// What is to be drawn up for a reset of more rows than one stay under the log's lock looks at.
    package func draftToReset(
        _ ref: ApplicationRef, by reset: ResetOrder, _ log: LogCore, _ moment: GroupMoment
    ) throws(WeirError) -> LogDraft? {
        guard reset.shard == nil, let stream = log.catalog.stream(ref.stream) else { return nil }
        guard try log.application(ref, moment).rows.count + stream.shards.count > self.slice else { return nil }
        return log.draft(reset.command(ref), of: stream, moment)
    }

    package mutating func reset(
        _ ref: ApplicationRef, _ reset: ResetOrder, _ log: LogCore, _ moment: GroupMoment
    ) throws(WeirError) -> [LeaseReset] {
        let command = reset.command(ref)
        let rows = try log.application(ref, moment).rows
        guard let stream = log.catalog.stream(ref.stream) else { throw log.missing(ref.stream) }
        let around = log.surroundings(stream, nowMillis: moment.wallMillis)
        guard case .leasesReset(let event)? = try log.leases.plan(command, around) else { return [] }
        if !reset.isDryRun {
            try log.submit(command, nowMillis: moment.wallMillis)
            for owner in Set(event.rows.compactMap({ rows[$0.shard]?.owner })) { self.groups[ref]?.touch(owner) }
            self.settle(ref, log, moment)
        }
        return event.rows.map { $0.told(before: rows[$0.shard]) }
    }

    package mutating func delete(
        _ ref: ApplicationRef, isForced: Bool, _ log: LogCore, _ moment: GroupMoment
    ) throws(WeirError) {
        try log.submit(.deleteApplication(ref, force: isForced), nowMillis: moment.wallMillis)
        self.settle(ref, log, moment)
    }
}

extension ApplicationCreated.Row {
    /// What a reset says of it; one without a lease was finished for the application, which never had anything of it.
    func told(before: LeaseRow?) -> LeaseReset {
        LeaseReset(
            shard: self.shard, from: before?.checkpoint ?? .shardEnd, to: self.checkpoint, owner: before?.owner?.worker)
    }
}

extension LogCore {
    /// The application, or an error that names those there are.
    package func application(
        _ ref: ApplicationRef, _ moment: GroupMoment
    ) throws(WeirError) -> LeaseTable.Application {
        guard let stream = self.catalog.stream(ref.stream) else { throw self.missing(ref.stream) }
        return try self.leases.existing(ref, self.surroundings(stream, nowMillis: moment.wallMillis))
    }

    /// Why a stream that the catalog does not have is not there.
    package func missing(_ id: StreamID) -> WeirError { self.catalog.missing(id) }
}

/// What an operator wants with the checkpoints of an application.
package struct ResetOrder: Sendable {
    /// Only that one, else all.
    package let shard: ShardNumber?
    package let target: ResetTarget
    /// Also leases that workers hold.
    package let isForced: Bool
    /// Says what it would do, and does nothing.
    package let isDryRun: Bool
    package let reason: String

    func command(_ ref: ApplicationRef) -> LeaseCommand {
        .reset(ref, shard: self.shard, to: self.target, force: self.isForced || self.isDryRun, reason: self.reason)
    }

    package init(
        shard: ShardNumber?, target: ResetTarget, isForced: Bool, isDryRun: Bool, reason: String
    ) {
        self.shard = shard
        self.target = target
        self.isForced = isForced
        self.isDryRun = isDryRun
        self.reason = reason
    }
}
