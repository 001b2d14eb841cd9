// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What happens to each lease.
extension WorkerMachine {
    // MARK: Assignments

    /// All that the server has given to this worker.
    mutating func assigned(_ listed: [AssignedLease], _ now: UInt64, _ actions: inout [Action]) {
        for lease in listed { self.assigned(lease, &actions) }
        let shards = Set(listed.map(\.shard))
        for shard in self.leases.shards where !shards.contains(shard) {
            self.leases[shard]?.successor = nil
            guard self.leases[shard]?.isEnding == false else { continue }
            self.lose(shard, Self.takenAway(shard), isSuperseded: true, &actions)
        }
    }

    private static func takenAway(_ shard: ShardNumber) -> WeirError {
        WeirError(.leaseLost, "the lease of \(shard) was taken from this worker")
    }

    private mutating func assigned(_ lease: AssignedLease, _ actions: inout [Action]) {
        guard let held = self.leases[lease.shard] else { return self.begin(lease, &actions) }
        if held.isLost {
            self.leases[lease.shard]?.successor = lease
        } else if held.key.counter != lease.counter {
            self.leases[lease.shard]?.successor = lease
            // It was reset behind its end: the new one begins when the old one has stopped.
            guard !held.isEnding else { return }
            self.lose(lease.shard, Self.takenAway(lease.shard), isSuperseded: true, &actions)
        } else {
            self.leases[lease.shard]?.isWanted = lease.isToBeHandedOver
            guard lease.isToBeHandedOver else { return }
            switch held.stage {
            case .running: self.stop(lease.shard, .handOver, &actions)
            case .settling(handsOver: false): self.leases[lease.shard]?.stage = .settling(handsOver: true)
            case .resting(.failed): self.handOver(lease.shard, &actions)
            default: break
            }
        }
    }

    private mutating func begin(_ lease: AssignedLease, _ actions: inout [Action]) {
        guard self.phase == .running else { return }
        self.lives += 1
        let key = LeaseKey(shard: lease.shard, counter: lease.counter, life: self.lives)
        self.leases[lease.shard] = HeldLease(key, lease)
        if lease.isToBeHandedOver {
            self.handOver(lease.shard, &actions)
        } else {
            actions.append(.start(key, lease))
        }
    }

    /// Asks a running lease to finish.
    mutating func stop(_ shard: ShardNumber, _ reason: StopReason, _ actions: inout [Action]) {
        guard let held = self.leases[shard] else { return }
        self.leases[shard]?.successor = nil
        guard held.stage == .running else { return }
        self.leases[shard]?.stage = .stopping(reason)
        actions.append(.stop(held.key, reason))
    }

    /// Nothing may be done under this lease any more. `isSuperseded`: because the server gave it to somebody else.
    mutating func lose(_ shard: ShardNumber, _ error: WeirError, isSuperseded: Bool, _ actions: inout [Action]) {
        guard let held = self.leases[shard] else { return }
        if isSuperseded { self.superseded[shard] = max(self.superseded[shard] ?? 0, held.key.counter) }
        switch held.stage {
        case .running, .stopping:
            self.leases[shard]?.stage = .lost(error)
            for ticket in self.leases[shard]?.progress.abandon() ?? [] {
                actions.append(.settle(ticket: ticket, error))
            }
            actions.append(.stop(held.key, .lost(error)))
        case .settling, .handingOver, .resting: self.forget(shard, error, &actions)
        case .lost: break
        }
    }

    /// Nothing of it runs: its successor may begin.
    private mutating func forget(_ shard: ShardNumber, _ error: WeirError, _ actions: inout [Action]) {
        guard var held = self.leases[shard] else { return }
        self.leases[shard] = nil
        for ticket in held.progress.abandon() { actions.append(.settle(ticket: ticket, error)) }
        if let successor = held.successor { self.begin(successor, &actions) }
    }

    // MARK: What comes from a shard

    mutating func handleLease(_ event: Event, _ now: UInt64, _ actions: inout [Action]) {
        switch event {
        case .checkpoint(let key, let position, let ticket): self.ask(key, position, ticket, &actions)
        case .delivered(let key, let position):
            self.withUsable(key) { $0.progress.deliver(position) }
        case .reachedEnd(let key): self.withUsable(key) { $0.progress.reachEnd() }
        case .checkpointSaved(let key): self.saved(key, nil, now, &actions)
        case .checkpointFailed(let key, let error): self.saved(key, error, now, &actions)
        case .readingRefused(let key, let error):
            guard let held = self.leases[key.shard], held.key == key, !held.isEnding else { return }
            // It would be the same for every shard, and for ever.
            if error.code == .consumerNotFound { return self.shutdown(error, now, &actions) }
            self.lose(key.shard, error, isSuperseded: error.code == .leaseLost, &actions)
        case .shardFinished(let key, let outcome): self.finished(key, outcome, &actions)
        case .handedOver(let key): self.handedOver(key, nil, now, &actions)
        case .handOverFailed(let key, let error): self.handedOver(key, error, now, &actions)
        default: break
        }
    }

    private mutating func withUsable(_ key: LeaseKey, _ change: (inout HeldLease) -> Void) {
        guard var held = self.leases[key.shard], held.key == key, held.isUsable else { return }
        change(&held)
        self.leases[key.shard] = held
    }

    private mutating func ask(
        _ key: LeaseKey, _ position: LeaseCheckpoint?, _ ticket: UInt64?, _ actions: inout [Action]
    ) {
        guard var held = self.leases[key.shard], held.key == key, held.isUsable else {
            if let ticket { actions.append(self.refusal(key, position, ticket)) }
            return
        }
        switch held.progress.ask(position, ticket) {
        case .refused(let error): if let ticket { actions.append(.settle(ticket: ticket, error)) }
        case .settled: if let ticket { actions.append(.settle(ticket: ticket, nil)) }
        case .save(let position): actions.append(.save(key, position))
        case .waits: break
        }
        self.leases[key.shard] = held
    }

    /// For a checkpoint under a lease that is not held. Who holds it only the server knows.
    private func refusal(_ key: LeaseKey, _ position: LeaseCheckpoint?, _ ticket: UInt64) -> Action {
        let held = self.leases[key.shard].flatMap { $0.key == key ? $0 : nil }
        if let counter = self.superseded[key.shard], key.counter <= counter,
            let position = position ?? held?.progress.delivered
        {
            return .askOwner(key, position, ticket: ticket)
        }
        guard let held else {
            return .settle(ticket: ticket, Self.notHeld(key, "it was given up"))
        }
        if case .lost(let error) = held.stage { return .settle(ticket: ticket, error) }
        return .settle(ticket: ticket, Self.notHeld(key, "it has been finished"))
    }

    private mutating func saved(
        _ key: LeaseKey, _ error: WeirError?, _ now: UInt64, _ actions: inout [Action]
    ) {
        guard var held = self.leases[key.shard], held.key == key else { return }
        let (tickets, next) = error == nil ? held.progress.saveDone() : held.progress.saveFailed()
        self.leases[key.shard] = held
        for ticket in tickets { actions.append(.settle(ticket: ticket, error)) }
        if let error, error.code == .leaseLost {
            return self.lose(key.shard, error, isSuperseded: true, &actions)
        }
        // The session ended while the end of the shard was being stored. It was not, so the lease is lost after all.
        if let error, self.aliveUntil == nil, held.isUsable {
            let lost = WeirError(.leaseLost, "the end of \(key.shard) could not be stored: \(error.message)")
            return self.lose(key.shard, lost, isSuperseded: false, &actions)
        }
        if let next, !held.isLost {
            actions.append(.save(key, next))
        } else if case .settling(let handsOver) = held.stage {
            self.settle(key.shard, handsOver: handsOver, &actions)
        } else if case .after? = error?.verdict.retry {
            self.leases[key.shard]?.saveAgainAt = now + Settings.savePause
        }
    }

    /// What could not be stored: a shard that is idle from then on would show it as not processed for ever.
    mutating func retrySaves(_ now: UInt64, _ actions: inout [Action]) {
        for shard in self.leases.shards {
            guard let held = self.leases[shard], let at = held.saveAgainAt, now >= at else { continue }
            self.leases[shard]?.saveAgainAt = nil
            guard held.isUsable, let position = self.leases[shard]?.progress.saveAgain() else { continue }
            actions.append(.save(held.key, position))
        }
    }

    private mutating func finished(_ key: LeaseKey, _ outcome: ShardOutcome, _ actions: inout [Action]) {
        guard let held = self.leases[key.shard], held.key == key else { return }
        switch held.stage {
        case .lost(let error): self.forget(key.shard, error, &actions)
        case .running, .stopping:
            guard outcome == .stopped else {
                if held.isEnded, held.successor != nil {
                    return self.forget(key.shard, Self.takenAway(key.shard), &actions)
                }
                self.leases[key.shard]?.stage = .resting(outcome)
                if outcome == .failed, held.isWanted, held.progress.isSettled { self.handOver(key.shard, &actions) }
                return
            }
            self.settle(key.shard, handsOver: held.stage == .stopping(.handOver), &actions)
        case .settling, .handingOver, .resting: break
        }
    }

    /// The shard has stopped. Its last checkpoint comes before anybody else may go on from there.
    private mutating func settle(_ shard: ShardNumber, handsOver: Bool, _ actions: inout [Action]) {
        guard self.leases[shard]?.progress.isSettled == true else {
            self.leases[shard]?.stage = .settling(handsOver: handsOver)
            return
        }
        if handsOver {
            self.handOver(shard, &actions)
        } else {
            self.leases[shard]?.stage = .resting(.stopped)
        }
    }

    // MARK: Handing over

    private mutating func handOver(_ shard: ShardNumber, _ actions: inout [Action]) {
        guard let key = self.leases[shard]?.key else { return }
        self.leases[shard]?.stage = .handingOver
        self.leases[shard]?.handOverAgainAt = nil
        actions.append(.handOver(key))
    }

    mutating func retryHandOvers(_ now: UInt64, _ actions: inout [Action]) {
        for shard in self.leases.shards {
            if let at = self.leases[shard]?.handOverAgainAt, now >= at { self.handOver(shard, &actions) }
        }
    }

    private mutating func handedOver(
        _ key: LeaseKey, _ error: WeirError?, _ now: UInt64, _ actions: inout [Action]
    ) {
        guard let held = self.leases[key.shard], held.key == key, held.stage == .handingOver else { return }
        guard let error, error.code != .leaseLost else {
            // It stays known, so that an older list does not begin it again.
            self.leases[key.shard]?.stage = .resting(.stopped)
            return
        }
        if held.isWanted || self.phase != .running {
            self.leases[key.shard]?.handOverAgainAt = now + Settings.handOverPause
        } else {
            // The server has changed its mind.
            let checkpoint = held.progress.saved
            self.leases[key.shard] = nil
            self.begin(
                AssignedLease(
                    shard: key.shard, counter: key.counter, checkpoint: checkpoint, isToBeHandedOver: false), &actions)
        }
    }
}
