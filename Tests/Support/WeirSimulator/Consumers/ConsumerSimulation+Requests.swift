// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

extension ConsumerSimulation {
    /// How a message goes.
    enum Way {
        /// One after the other, as on one connection.
        case session
        /// May be overtaken, and come much later.
        case row
    }

    private func delay(_ worker: SimWorker, _ way: Way) -> UInt64 {
        guard !self.isEnding, self.plan.slowEvery > 0, self.random.chance(1, of: self.plan.slowEvery) else {
            return self.within(1...8)
        }
        switch way {
        case .session:
            let millis = self.within(1...self.plan.delayMax)
            worker.unwellUntil = max(worker.unwellUntil, self.now + millis)
            return millis
        case .row: return self.within(1...min(40_000, 3 * self.plan.session))
        }
    }

    /// Something goes from the worker to the server. It arrives although the worker may be gone by then.
    private func send(_ worker: SimWorker, _ way: Way, _ run: @escaping () throws(Violation) -> Void) {
        var at = self.now + self.delay(worker, way)
        if way == .session {
            at = max(at, worker.lastSent)
            worker.lastSent = at
        }
        self.queue.schedule(at: at, .server, run)
    }

    func sendBack(_ worker: SimWorker, _ way: Way, _ run: @escaping () throws(Violation) -> Void) {
        var at = self.now + self.delay(worker, way)
        if way == .session {
            at = max(at, worker.lastReceived)
            worker.lastReceived = at
        }
        self.queue.schedule(at: at, .worker(worker), run)
    }

    /// Its connection has ended before the answer.
    func failed<V>(_ worker: SimWorker, _ answer: @escaping (Result<V, WeirError>) throws(Violation) -> Void) {
        let error = WeirError(
            .unavailable, "the connection was closed", verdict: .init(maybeStored: true, retry: .after(millis: 50)))
        self.sendBack(worker, .session) { () throws(Violation) in try answer(.failure(error)) }
    }

    /// Sends a request, which is answered when what it says is durable. `told` judges what goes out.
    func request<V: Sendable>(
        _ worker: SimWorker, _ way: Way, cause: LeaseAuditor.Cause?,
        _ serve: @escaping (inout Groups, LogCore, GroupMoment) throws(WeirError) -> V,
        told: @escaping (V) throws(Violation) -> Void,
        _ answer: @escaping (Result<V, WeirError>) throws(Violation) -> Void
    ) {
        let era = self.era
        self.send(worker, way) { () throws(Violation) in
            guard self.isUp, self.era == era else { return self.failed(worker, answer) }
            let outcome: Told<V> = try self.withGroups({ (told: Told<V>) in
                if case .success = told.value { cause } else { nil }
            }) { groups, log, moment in
                log.tell(of: self.stream) { _ throws(WeirError) in try serve(&groups, log, moment) }
            }
            if let cause { self.note("\(worker.owner): \(cause), \(outcome.value)") }
            self.answer(worker, way, outcome, told: told, answer)
        }
    }

    private func answer<V: Sendable>(
        _ worker: SimWorker, _ way: Way, _ outcome: Told<V>, told: @escaping (V) throws(Violation) -> Void,
        _ answer: @escaping (Result<V, WeirError>) throws(Violation) -> Void
    ) {
        let early = self.breakage == .answersBeforeDurable
        self.answers.append(
            PendingAnswer(
                mark: early ? .none : outcome.mark,
                release: { () throws(Violation) in
                    if case .success(let value) = outcome.value { try told(value) }
                    self.sendBack(worker, way) { () throws(Violation) in try answer(outcome.value) }
                },
                fail: { error in
                    self.sendBack(worker, way) { () throws(Violation) in try answer(.failure(error)) }
                }))
    }

    /// All at once; what can come between comes between the parts of a reset.
    private static func drawUp(_ begun: LogDraft, _ log: LogCore) -> LogDraft {
        var draft = begun
        draft.learn(log.nextIndexes(of: draft.asks(atMost: .max), in: draft.application.stream))
        draft.finish()
        return draft
    }

    // MARK: The calls

    func join(_ worker: SimWorker, _ answer: @escaping (Result<Assignment, WeirError>) throws(Violation) -> Void) {
        let (ref, owner, plan) = (self.ref!, worker.owner, self.plan)
        self.request(
            worker, .session, cause: .join(owner),
            { groups, log, moment throws(WeirError) in
                if let draft = try groups.draftToJoin(ref, from: plan.start, log, moment) {
                    _ = try groups.commit(Self.drawUp(draft, log), log, moment)
                }
                return try groups.join(
                    ref, owner, timeoutMillis: UInt32(plan.session), from: plan.start, log, moment)
            },
            told: { assignment throws(Violation) in try self.told(assignment, to: owner) },
            { result throws(Violation) in try answer(result.map(self.misrepresent)) })
    }

    func checkpoint(
        _ worker: SimWorker, _ hold: LeaseHold, _ position: LeaseCheckpoint,
        _ answer: @escaping (Result<Void, WeirError>) throws(Violation) -> Void
    ) {
        let ref = self.ref!
        self.request(
            worker, .row, cause: .checkpoint(hold, position),
            { groups, log, moment throws(WeirError) in
                try groups.checkpoint(ref, self.shown(hold, log), position, log, moment)
            },
            told: { () throws(Violation) in
                self.tally.checkpoints += 1
                try self.leases.told(hold, position)
            },
            { result throws(Violation) in
                if case .failure(let error) = result, error.code == .leaseLost { self.tally.refused += 1 }
                try answer(result)
            })
    }

    func handOver(
        _ worker: SimWorker, _ hold: LeaseHold, _ answer: @escaping (Result<Void, WeirError>) throws(Violation) -> Void
    ) {
        let ref = self.ref!
        self.request(
            worker, .row, cause: .handOver(hold),
            { groups, log, moment throws(WeirError) in
                try groups.handOver(ref, self.shown(hold, log), log, moment)
            }, told: { () throws(Violation) in self.tally.handedOver += 1 }, answer)
    }

    func leave(_ worker: SimWorker, _ answer: @escaping (Result<Void, WeirError>) throws(Violation) -> Void) {
        let (ref, owner) = (self.ref!, worker.owner)
        self.request(
            worker, .session, cause: .leave(owner),
            { groups, log, moment throws(WeirError) in try groups.leave(ref, owner, log, moment) },
            told: { () throws(Violation) in }, answer)
    }

    private func told(_ assignment: Assignment, to owner: LeaseOwner) throws(Violation) {
        guard let leases = self.misrepresent(assignment).leases else { return }
        self.tally.assigned += leases.count
        try self.leases.told(leases, to: owner)
    }

    // MARK: Heartbeats, which wait for news

    func heartbeat(
        _ worker: SimWorker, seen: UInt64, waitMillis: UInt64,
        _ answer: @escaping (Result<Assignment, WeirError>) throws(Violation) -> Void
    ) {
        let era = self.era
        self.send(worker, .session) { () throws(Violation) in
            guard self.isUp, self.era == era else { return self.failed(worker, answer) }
            self.lastHeartbeat += 1
            let id = self.lastHeartbeat
            self.heartbeats[id] = HeartbeatUnderWay(
                worker: worker, seen: seen, deadlineNanos: self.nanos + waitMillis * 1_000_000, answer: answer)
            self.after(waitMillis, at: .server) { () throws(Violation) in try self.look(at: id, isNew: false) }
            try self.look(at: id, isNew: true)
        }
    }

    /// Answers a heartbeat, or lets it wait on: as the server's connections do.
    func look(at id: UInt64, isNew: Bool) throws(Violation) {
        guard self.isUp, let underWay = self.heartbeats[id] else { return }
        let mayWait = underWay.deadlineNanos > self.nanos
        let (ref, owner) = (self.ref!, underWay.worker.owner)
        let beat = Groups.Beat(owner: owner, seenVersion: underWay.seen, measured: [], isNew: isNew)
        let outcome = try self.withGroups({ (_: Told<Assignment?>) in nil }) { groups, log, moment in
            log.tell(of: ref.stream) { _ throws(WeirError) in
                try groups.heartbeat(ref, beat, waiter: mayWait ? id : nil, log, moment)
            }
        }
        if case .success(nil) = outcome.value, mayWait { return }
        let unchanged = Assignment(version: underWay.seen, leases: nil)
        self.answer(
            underWay.worker, .session, outcome.map { $0 ?? unchanged },
            told: { assignment throws(Violation) in try self.told(assignment, to: owner) },
            { result throws(Violation) in try underWay.answer(result.map(self.misrepresent)) })
        self.groups.stopWaiting(ref, owner) { $0 == id }
        self.heartbeats[id] = nil
    }

    /// The worker's connection ends, behind what it has sent.
    func disconnect(_ worker: SimWorker) {
        self.send(worker, .session) { () throws(Violation) in
            for (id, underWay) in self.heartbeats.sorted(by: { $0.key < $1.key }) where underWay.worker === worker {
                self.groups.disconnected(self.ref, worker.owner) { $0 == id }
                self.heartbeats[id] = nil
                self.failed(worker, underWay.answer)
            }
        }
    }
}
