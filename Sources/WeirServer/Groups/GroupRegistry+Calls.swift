// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirProtocol
import WeirStorage

/// What workers ask. Each answer comes with the position of the log at which it may be given.
extension GroupRegistry {
    struct Told<Value: Sendable>: Sendable {
        let value: Result<Value, WeirError>
        let lsn: LSN
    }

    /// Runs `body`; what it throws is told at the position of the log that it was computed from.
    private func tell<Value: Sendable>(
        _ member: Member, _ body: (inout State, LogCore, Moment, ApplicationRef, LeaseOwner) throws(WeirError) -> Value
    ) -> Told<Value> {
        let ref: ApplicationRef
        let owner: LeaseOwner
        do {
            ref = ApplicationRef(stream: member.stream, name: try member.applicationName())
            owner = try member.owner()
        } catch {
            return Told(value: .failure(error), lsn: .none)
        }
        return self.with { state, log, moment in
            if let error = log.unavailable() { return Told(value: .failure(error), lsn: .none) }
            do throws(WeirError) {
                guard log.catalog.stream(member.stream) != nil else { throw log.missing(member.stream) }
                let value = try body(&state, log, moment, ref, owner)
                return Told(value: .success(value), lsn: max(log.leaseLSN, log.catalogLSN))
            } catch {
                return Told(value: .failure(error), lsn: max(log.leaseLSN, log.catalogLSN))
            }
        }
    }

    func join(_ request: JoinGroup) -> Told<Assignment> {
        self.tell(request.member) { state, log, moment, ref, owner throws(WeirError) in
            try log.submit(.createApplication(ref, from: request.from), nowMillis: moment.wallMillis)
            let rows = log.leases.application(ref)?.rows ?? [:]
            var group = state.groups[ref] ?? Group(rows: rows, nowNanos: moment.nanos)
            let gone = state.disconnected[ref] ?? []
            try group.join(
                owner, timeoutNanos: UInt64(request.sessionTimeoutMillis) * 1_000_000,
                isGone: { gone.contains($0) }, nowNanos: moment.nanos)
            state.disconnected[ref]?.remove(owner)
            state.groups[ref] = group
            state.settle(ref, log, moment)
            return state.assignment(ref, owner, log)
        }
    }

    /// `nil`: nothing has changed since `seenVersion`; the caller may wait for news with `id`. `isNew`: it has just
    /// come, and so is a sign of life; when it is looked at again it is none.
    func heartbeat(
        _ request: Heartbeat, isNew: Bool, waiting: (handle: ConnectionHandle, id: UInt64)?
    ) -> Told<Assignment?> {
        self.tell(request.member) { state, log, moment, ref, owner throws(WeirError) in
            _ = try log.leases.existing(ref, log, moment)
            guard state.groups[ref]?.member(owner)?.hasJoined ?? false else { throw Group.unknown(owner) }
            if isNew {
                try state.groups[ref]?.heard(
                    owner, measured: request.measured.map { ($0.shard, $0.bytesPerSecond) }, nowNanos: moment.nanos)
                state.disconnected[ref]?.remove(owner)
            }
            let assignment = state.assignment(ref, owner, log)
            guard assignment.version == request.seenVersion else { return assignment }
            if let waiting {
                state.waiting[ref, default: [:]][owner.worker] = Waiting(
                    handle: waiting.handle, id: waiting.id, owner: owner)
            }
            return nil
        }
    }

    func checkpoint(_ request: SaveCheckpoint) -> Told<Void> {
        self.tell(request.member) { state, log, moment, ref, owner throws(WeirError) in
            let hold = LeaseHold(shard: request.shard, owner: owner, counter: request.counter)
            try log.submit(.checkpoint(ref, hold, request.checkpoint), nowMillis: moment.wallMillis)
            guard request.checkpoint == .shardEnd else { return }
            // The lease is nobody's any more, and the children may begin.
            state.groups[ref]?.touch(owner)
            state.settle(ref, log, moment)
        }
    }

    func handOver(_ request: HandOver) -> Told<Void> {
        self.tell(request.member) { state, log, moment, ref, owner throws(WeirError) in
            let hold = LeaseHold(shard: request.shard, owner: owner, counter: request.counter)
            _ = try log.leases.held(ref, hold)
            let before = state.groups[ref]
            let receiver = state.groups[ref]?.handedOver(request.shard)
            let rows = log.leases.application(ref)?.rows ?? [:]
            let change = LeasesAssigned.Change(shard: request.shard, owner: receiver)
            try log.submit(.assign(ref, [change]), nowMillis: moment.wallMillis)
            state.groups[ref]?.settled([change], before: rows)
            if let before { state.wakeChanged(ref, before) }
            state.settle(ref, log, moment)
        }
    }

    func leave(_ request: LeaveGroup) -> Told<Void> {
        self.tell(request.member) { state, log, moment, ref, owner throws(WeirError) in
            guard let before = state.groups[ref] else { throw Group.unknown(owner) }
            try state.groups[ref]?.leave(owner)
            state.wakeChanged(ref, before)
            state.settle(ref, log, moment)
        }
    }
}

extension GroupRegistry.State {
    func assignment(_ ref: ApplicationRef, _ owner: LeaseOwner, _ log: LogCore) -> Assignment {
        let group = self.groups[ref]
        return Assignment(
            version: group?.member(owner)?.version ?? 0,
            leases: group?.leases(of: owner, log.leases.application(ref)?.rows ?? [:]) ?? [])
    }
}

extension LeaseTable {
    /// The application, or an error that names those there are.
    func existing(
        _ ref: ApplicationRef, _ log: LogCore, _ moment: GroupRegistry.Moment
    ) throws(WeirError) -> Application {
        guard let stream = log.catalog.stream(ref.stream) else { throw log.missing(ref.stream) }
        return try self.existing(ref, log.surroundings(stream, nowMillis: moment.wallMillis))
    }
}
