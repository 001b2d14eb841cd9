// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirProtocol
import WeirStorage

/// What workers ask. Each answer comes with the mark from which on it may be given.
extension GroupRegistry {
    private func tell<Value: Sendable>(
        _ member: Member, _ body: (inout State, LogCore, Moment, ApplicationRef, LeaseOwner) throws(WeirError) -> Value
    ) -> Told<Value> {
        let ref: ApplicationRef
        let owner: LeaseOwner
        do {
            ref = ApplicationRef(stream: member.stream, name: try member.applicationName())
            owner = try member.owner()
        } catch {
            return Told(value: .failure(error), mark: .none, watermark: nil)
        }
        return self.with { state, log, moment in
            log.tell(of: member.stream) { _ throws(WeirError) in try body(&state, log, moment, ref, owner) }
        }
    }

    func join(_ request: JoinGroup) -> Told<Assignment> {
        self.tell(request.member) { state, log, moment, ref, owner throws(WeirError) in
            try state.join(
                ref, owner, timeoutMillis: request.sessionTimeoutMillis, from: request.from, log, moment)
        }
    }

    /// `nil`: nothing has changed since `seenVersion`; the caller may wait for news with `id`.
    func heartbeat(
        _ request: Heartbeat, isNew: Bool, waiting: (handle: ConnectionHandle, id: UInt64)?
    ) -> Told<Assignment?> {
        self.tell(request.member) { state, log, moment, ref, owner throws(WeirError) in
            let beat = State.Beat(
                owner: owner, seenVersion: request.seenVersion,
                measured: request.measured.map { ($0.shard, $0.bytesPerSecond) }, isNew: isNew)
            let waiter = waiting.map { Waiting(handle: $0.handle, id: $0.id) }
            return try state.heartbeat(ref, beat, waiter: waiter, log, moment)
        }
    }

    /// A sign of life that is answered later.
    func heard(_ request: Heartbeat) -> Told<Void> {
        self.tell(request.member) { state, log, moment, ref, owner throws(WeirError) in
            try state.heard(ref, owner, request.measured.map { ($0.shard, $0.bytesPerSecond) }, log, moment)
        }
    }

    func checkpoint(_ request: SaveCheckpoint) -> Told<Void> {
        self.tell(request.member) { state, log, moment, ref, owner throws(WeirError) in
            let hold = LeaseHold(shard: request.shard, owner: owner, counter: request.counter)
            try state.checkpoint(ref, hold, request.checkpoint, log, moment)
        }
    }

    func handOver(_ request: HandOver) -> Told<Void> {
        self.tell(request.member) { state, log, moment, ref, owner throws(WeirError) in
            let hold = LeaseHold(shard: request.shard, owner: owner, counter: request.counter)
            try state.handOver(ref, hold, log, moment)
        }
    }

    func leave(_ request: LeaveGroup) -> Told<Void> {
        self.tell(request.member) { state, log, moment, ref, owner throws(WeirError) in
            try state.leave(ref, owner, log, moment)
        }
    }
}
