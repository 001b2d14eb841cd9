// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirConsumer
import WeirModel
import WeirTestKit

/// Carries out what the workers' machines decide, as `WorkerCore` does.
extension Workers {
    func scheduleWorker(_ id: String? = nil) {
        self.after(self.within(0...self.plan.session / 2)) { () throws(Violation) in try self.startWorker(id) }
    }

    func startWorker(_ id: String? = nil) throws(Violation) {
        self.simulation.tally[.workers] += 1
        let incarnation = self.simulation.random.next()
        guard let name = try? WorkerID(id ?? "worker-\(self.simulation.tally[.workers])") else { return }
        let worker = SimWorker(
            LeaseOwner(worker: name, incarnation: incarnation), session: self.plan.session,
            isAutomatic: self.plan.automatic || self.simulation.random.chance(1, of: 3), now: self.now)
        self.workers.append(worker)
        self.note("\(worker.owner) starts")
        try self.handle(worker, .start)
    }

    func handle(_ worker: SimWorker, _ event: WorkerMachine.Event) throws(Violation) {
        guard worker.isAlive else { return }
        worker.actions += worker.machine.handle(event, now: self.nanos)
        guard !worker.isPerforming else { return }
        worker.isPerforming = true
        while !worker.actions.isEmpty { try self.perform(worker.actions.removeFirst(), worker) }
        worker.isPerforming = false
        guard let deadline = worker.machine.nextDeadline else { return }
        let at = max(self.now + 1, (deadline + 999_999) / 1_000_000)
        if let alarmAt = worker.alarmAt, alarmAt > self.now, alarmAt <= at { return }
        worker.alarmAt = at
        self.simulation.queue.schedule(at: at, .worker(worker)) { () throws(Violation) in
            // Another has taken its place since.
            guard worker.alarmAt == at else { return }
            worker.alarmAt = nil
            try self.handle(worker, .tick)
        }
    }

    private func perform(_ action: WorkerMachine.Action, _ worker: SimWorker) throws(Violation) {
        switch action {
        case .join(let call, let deadline):
            self.join(worker) { result throws(Violation) in
                switch result {
                case .success(let assignment): try self.handle(worker, .joined(call: call, assignment))
                case .failure(let error): try self.handle(worker, .joinFailed(call: call, error))
                }
            }
            self.atDeadline(deadline, worker, .joinFailed(call: call, Self.late))
        case .heartbeat(let call, let seen, let waitMillis, let deadline):
            self.heartbeat(worker, seen: seen, waitMillis: waitMillis) { result throws(Violation) in
                switch result {
                case .success(let assignment): try self.handle(worker, .heartbeatAnswered(call: call, assignment))
                case .failure(let error): try self.handle(worker, .heartbeatFailed(call: call, error))
                }
            }
            self.atDeadline(deadline, worker, .heartbeatFailed(call: call, Self.late))
        case .start(let key, let lease): try self.begin(worker, key, lease)
        case .stop(let key, let reason): try self.stop(worker, key, reason)
        case .save(let key, let position): self.save(worker, key, position)
        case .askOwner(let key, let position, let ticket):
            self.checkpoint(worker, worker.hold(key), at: position) { result throws(Violation) in
                var error: WeirError?
                if case .failure(let refusal) = result { error = refusal }
                try worker.tickets.removeValue(forKey: ticket)?(error)
            }
        case .settle(let ticket, let error): try worker.tickets.removeValue(forKey: ticket)?(error)
        case .handOver(let key):
            self.handOver(worker, worker.hold(key)) { result throws(Violation) in
                switch result {
                case .success: try self.handle(worker, .handedOver(key))
                case .failure(let error): try self.handle(worker, .handOverFailed(key, error))
                }
            }
        case .leave(let deadline):
            self.leave(worker) { _ throws(Violation) in try self.handle(worker, .left) }
            self.atDeadline(deadline, worker, .left)
        case .finish(let error):
            self.note("\(worker.owner) ends\(error.map { ": \($0)" } ?? "")")
            worker.isAlive = false
            self.disconnect(worker)
        }
    }

    private static let late = WeirError(.timedOut, "the server has not answered in time")

    private func atDeadline(_ deadline: UInt64, _ worker: SimWorker, _ event: WorkerMachine.Event) {
        let at = max(self.now, (deadline + 999_999) / 1_000_000)
        self.simulation.queue.schedule(at: at, .worker(worker)) { () throws(Violation) in try self.handle(worker, event)
        }
    }

    private func save(_ worker: SimWorker, _ key: LeaseKey, _ position: LeaseCheckpoint) {
        self.checkpoint(worker, worker.hold(key), at: position) { result throws(Violation) in
            switch result {
            case .success: try self.handle(worker, .checkpointSaved(key))
            case .failure(let error): try self.handle(worker, .checkpointFailed(key, error))
            }
        }
    }

    private func stop(
        _ worker: SimWorker, _ key: LeaseKey, _ reason: WorkerMachine.StopReason
    ) throws(Violation) {
        guard let task = worker.tasks[key] else { return }
        self.note("\(worker.owner) stops \(key): \(reason)")
        task.stop = reason
        if task.awaiting != nil {
            task.awaiting = nil
            task.isBusy = false
        }
        try self.goOn(worker, task)
    }

    /// Asks for a checkpoint and waits for it.
    func checkpoint(
        _ worker: SimWorker, _ key: LeaseKey, _ settled: @escaping (WeirError?) throws(Violation) -> Void
    ) throws(Violation) {
        worker.lastTicket += 1
        worker.tickets[worker.lastTicket] = settled
        try self.handle(worker, .checkpoint(key, nil, ticket: worker.lastTicket))
    }
}

extension SimWorker {
    func hold(_ key: LeaseKey) -> LeaseHold {
        LeaseHold(shard: key.shard, owner: self.owner, counter: key.counter)
    }
}
