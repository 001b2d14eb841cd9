// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

extension Workers {
    /// How a message goes.
    enum Way {
        /// One after the other, as on one connection.
        case session
        /// May be overtaken, and come much later.
        case row
    }

    private func delay(_ worker: SimWorker, _ way: Way) -> UInt64 {
        guard !self.isEnding, self.plan.slowEvery > 0, self.simulation.random.chance(1, of: self.plan.slowEvery) else {
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
            at = max(at, worker.lastMessages.sent)
            worker.lastMessages.sent = at
        }
        self.simulation.queue.schedule(at: at, .node, run)
    }

    func sendBack(_ worker: SimWorker, _ way: Way, _ run: @escaping () throws(Violation) -> Void) {
        var at = self.now + self.delay(worker, way)
        if way == .session {
            at = max(at, worker.lastMessages.received)
            worker.lastMessages.received = at
        }
        self.simulation.queue.schedule(at: at, .worker(worker), run)
    }

    /// Its connection has ended before the answer.
    func failed<V>(_ worker: SimWorker, _ answer: @escaping (Result<V, WeirError>) throws(Violation) -> Void) {
        let error = WeirError(
            .unavailable, "the connection was closed", verdict: .init(maybeStored: true, retry: .after(millis: 50)))
        self.sendBack(worker, .session) { () throws(Violation) in try answer(.failure(error)) }
    }

    func member(_ worker: SimWorker) -> WorkerRef { WorkerRef(application: self.ref, owner: worker.owner) }

    /// The worker's connection to the node, made when there is none; `nil`: the process that it spoke to is gone.
    func connection(of worker: SimWorker, in era: Int) -> WorkerConnection? {
        guard let process = self.simulation.process, self.era == era, !self.haveLeft else { return nil }
        if let connection = worker.connection, connection.isOpen { return connection }
        let connection = WorkerConnection(self, worker, on: process)
        worker.connection = connection
        return connection
    }

    /// The connection ends, with all that waits on it.
    func cutOff(_ worker: SimWorker, processLives: Bool) {
        worker.connection?.end(processLives: processLives)
        worker.connection = nil
    }

    /// Sends a request, which is answered when what it says is durable. `told` judges what goes out.
    private func request<V: Sendable>(
        _ worker: SimWorker, _ way: Way, cause: LeaseAuditor.Cause,
        serve: @escaping (Applications) -> Told<V>, told: @escaping (V) throws(Violation) -> Void,
        _ answer: @escaping (Result<V, WeirError>) throws(Violation) -> Void
    ) {
        let era = self.era
        self.send(worker, way) { () throws(Violation) in
            guard let connection = self.connection(of: worker, in: era) else { return self.failed(worker, answer) }
            let outcome = try self.observing(cause, serve)
            self.note("\(worker.owner): \(cause), \(outcome.value)")
            self.answer(by: connection, way, outcome, told: told, answer)
        }
    }

    private func answer<V: Sendable>(
        by connection: WorkerConnection, _ way: Way, _ outcome: Told<V>, told: @escaping (V) throws(Violation) -> Void,
        _ answer: @escaping (Result<V, WeirError>) throws(Violation) -> Void
    ) {
        let worker = connection.worker
        let number = connection.asked { [unowned self] in self.failed(worker, answer) }
        let release = { [unowned self] in
            guard connection.answered(number) else { return }
            self.simulation.guarded { () throws(Violation) in
                if case .success(let value) = outcome.value { try told(value) }
            }
            self.sendBack(worker, way) { () throws(Violation) in try answer(outcome.value) }
        }
        if self.breakage == .answersBeforeDurable { return release() }
        connection.lane.learn(outcome.watermark)
        connection.lane.whenDurable(outcome.mark, release) { [unowned self] in
            guard connection.answered(number) else { return }
            let error = WeirError(
                .unavailable, "whether this was done is not known",
                verdict: .init(maybeStored: true, retry: .after(millis: 200)))
            self.sendBack(worker, way) { () throws(Violation) in try answer(.failure(error)) }
        }
    }

    // MARK: The calls

    func join(_ worker: SimWorker, _ answer: @escaping (Result<Assignment, WeirError>) throws(Violation) -> Void) {
        let (member, plan) = (self.member(worker), self.plan)
        self.request(
            worker, .session, cause: .join(worker.owner),
            serve: { applications in
                self.whileOthersComeBetween {
                    applications.join(member, sessionTimeoutMillis: UInt32(plan.session), from: plan.start)
                }
            },
            told: { assignment throws(Violation) in try self.told(assignment, to: worker.owner) },
            { result throws(Violation) in try answer(result.map(self.misrepresent)) })
    }

    func checkpoint(
        _ worker: SimWorker, _ hold: LeaseHold, at position: LeaseCheckpoint,
        _ answer: @escaping (Result<Void, WeirError>) throws(Violation) -> Void
    ) {
        self.request(
            worker, .row, cause: .checkpoint(hold, position),
            serve: { applications in
                let shown = self.shown(hold)
                let member = WorkerRef(application: self.ref, owner: shown.owner)
                return applications.checkpoint(member, hold.shard, counter: shown.counter, position)
            },
            told: { () throws(Violation) in
                self.simulation.tally[.checkpoints] += 1
                try self.leases.told(hold, position)
            },
            { result throws(Violation) in
                if case .failure(let error) = result, error.code == .leaseLost {
                    self.simulation.tally[.lostCheckpoints] += 1
                }
                try answer(result)
            })
    }

    func handOver(
        _ worker: SimWorker, _ hold: LeaseHold, _ answer: @escaping (Result<Void, WeirError>) throws(Violation) -> Void
    ) {
        self.request(
            worker, .row, cause: .handOver(hold),
            serve: { applications in
                let shown = self.shown(hold)
                let member = WorkerRef(application: self.ref, owner: shown.owner)
                return applications.handOver(member, hold.shard, counter: shown.counter)
            }, told: { () throws(Violation) in self.simulation.tally[.handedOver] += 1 }, answer)
    }

    func leave(_ worker: SimWorker, _ answer: @escaping (Result<Void, WeirError>) throws(Violation) -> Void) {
        let member = self.member(worker)
        self.request(
            worker, .session, cause: .leave(worker.owner), serve: { applications in applications.leave(member) },
            told: { () throws(Violation) in }, answer)
    }

    private func told(_ assignment: Assignment, to owner: LeaseOwner) throws(Violation) {
        guard let leases = self.misrepresent(assignment).leases else { return }
        self.simulation.tally[.assigned] += leases.count
        try self.leases.told(leases, to: owner)
    }

    // MARK: Heartbeats, which wait for news

    func heartbeat(
        _ worker: SimWorker, seen: UInt64, waitMillis: UInt64,
        _ answer: @escaping (Result<Assignment, WeirError>) throws(Violation) -> Void
    ) {
        let era = self.era
        self.send(worker, .session) { () throws(Violation) in
            guard let connection = self.connection(of: worker, in: era) else { return self.failed(worker, answer) }
            do throws(WeirError) {
                try connection.lane.engine.takeWaiter()
            } catch {
                let refusal = error
                return self.sendBack(worker, .session) { () throws(Violation) in try answer(.failure(refusal)) }
            }
            let id = connection.nextNumber()
            connection.heartbeats[id] = WorkerConnection.Heartbeat(
                seen: seen, deadlineNanos: self.nanos + waitMillis * 1_000_000, answer: answer)
            try self.look(at: id, of: connection, isNew: true)
        }
    }

    /// Answers a heartbeat, or lets it wait on: as the server's connections do.
    func look(at id: UInt64, of connection: WorkerConnection, isNew: Bool) throws(Violation) {
        guard connection.isOpen, let heartbeat = connection.heartbeats[id] else { return }
        let (lane, caller) = (connection.lane, connection.caller)
        let mayWait = heartbeat.deadlineNanos > self.nanos
        let (member, owner) = (self.member(connection.worker), connection.worker.owner)
        let waiting = mayWait ? Applications.Waiting(lane: connection.host, caller: caller.id, number: id) : nil
        let told = try self.observing(.tick) { applications in
            applications.heartbeat(member, seenVersion: heartbeat.seen, news: isNew ? [] : nil, waiting: waiting)
        }
        lane.learn(told.watermark)
        if case .success(nil) = told.value, mayWait {
            return lane.wait(caller, id, until: heartbeat.deadlineNanos)
        }
        connection.heartbeats[id] = nil
        lane.stopWaiting(caller, id)
        lane.engine.applications.stopWaiting(member, id, of: caller.id)
        lane.engine.releaseWaiter()
        let unchanged = Assignment(version: heartbeat.seen, leases: nil)
        self.answer(
            by: connection, .session, told.map { $0 ?? unchanged },
            told: { assignment throws(Violation) in try self.told(assignment, to: owner) },
            { result throws(Violation) in try heartbeat.answer(result.map(self.misrepresent)) })
    }

    /// The worker's connection ends, behind what it has sent.
    func disconnect(_ worker: SimWorker) {
        self.send(worker, .session) { () throws(Violation) in self.cutOff(worker, processLives: self.isUp) }
    }

    // MARK: What comes between

    /// A change of many leases is drawn up in parts; other threads get the log's lock between them.
    func whileOthersComeBetween<Value>(_ body: () -> Value) -> Value {
        self.simulation.comeBetween = { [unowned self] in
            self.simulation.guarded { () throws(Violation) in try self.comeBetween() }
        }
        defer { self.simulation.comeBetween = nil }
        return body()
    }

    /// The applications may be locked: nothing of them is called here.
    private func comeBetween() throws(Violation) {
        // Later, an auditor would take what is done of the change for the doing of those who come between.
        guard self.plan.slice < 1_024, self.simulation.random.chance(1, of: 3),
            self.core.leases.application(self.ref)?.rows ?? [:] == self.leases.ahead
        else { return }
        let around = self.simulation.comeBetween
        self.simulation.comeBetween = nil
        defer { self.simulation.comeBetween = around }
        let armed = self.node.trouble.armed
        self.node.forgetFaults()
        defer { self.node.trouble.armed = armed }
        try self.node.write()
        try self.afterEvent()
        guard self.simulation.random.chance(1, of: 3), !self.isEnding,
            let open = self.core.catalog.stream(self.stream)?.map.shards, open.count < 6
        else { return }
        let split = self.simulation.random.pick(open).number
        guard (try? self.core.submit(.splitShard(self.stream, split, at: nil), nowMillis: self.node.now)) != nil else {
            return
        }
        self.node.noteCatalog()
        self.simulation.tally[.reshards] += 1
        try self.observe(.reshard)
    }
}
