// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirStorage
import WeirTestKit

/// What goes wrong, and what people do.
extension ConsumerSimulation {
    private static let workersMax = 5

    func scheduleTrouble() {
        self.after(self.within(1...self.plan.session * 2 / 3)) { () throws(Violation) in
            guard !self.isEnding else { return }
            try self.trouble()
            self.scheduleTrouble()
        }
    }

    private func trouble() throws(Violation) {
        let alive = self.workers.filter { $0.isAlive && !$0.isLeaving && self.now >= $0.pausedUntil }
        let worker = alive.isEmpty ? nil : self.random.pick(alive)
        switch self.random.weighted([10, 8, 14, 8, 4, 4, 4, 4, 12, 4, 3]) {
        case 0: if let worker { self.pause(worker) }
        case 1: if let worker { try self.kill(worker) }
        case 2: if alive.count < Self.workersMax { try self.startWorker() }
        case 3: if let worker { try self.shutDown(worker) }
        case 4: if let worker { self.disconnect(worker) }
        case 5: self.pauseServer()
        case 6:
            if self.isUp {
                self.note("a crash is due")
                self.node.armed = (self.random.within(1...4), .crash)
            }
        case 7: if self.isUp, self.now >= self.serverPausedUntil { self.goDown("been stopped") }
        case 8: if self.now >= self.serverPausedUntil { try self.reshard() }
        case 9: if self.plan.resets { try self.reset() }
        default:
            // Two workers with one id.
            if let worker, alive.count < Self.workersMax { try self.startWorker(worker.owner.worker.description) }
        }
        if self.plan.skipsGenerations, self.random.chance(1, of: 4) { try self.skipGeneration() }
        if self.node.plan.clockJumps, self.random.chance(1, of: 10) {
            self.node.setClock(by: Int64(self.random.within(-3_600_000...3_600_000)))
        }
    }

    private func pause(_ worker: SimWorker) {
        let millis = self.within(self.plan.session / 4...3 * self.plan.session)
        self.tally.pauses += 1
        self.note("\(worker.owner) is paused for \(millis) ms")
        worker.pausedUntil = self.now + millis
        worker.unwellUntil = max(worker.unwellUntil, worker.pausedUntil)
    }

    /// The process is gone; of what it had in hand some was processed.
    private func kill(_ worker: SimWorker) throws(Violation) {
        self.tally.kills += 1
        self.note("\(worker.owner) is killed")
        for task in worker.leases where !task.inHand.isEmpty {
            try self.processed(worker, task, self.random.within(0...task.inHand.count))
        }
        if self.now >= worker.pausedUntil {
            self.watch.heard(Set(self.leases.ahead.filter { $0.value.owner == worker.owner }.map(\.key)))
        }
        worker.isAlive = false
        // A machine that loses its power says nothing.
        if self.random.chance(2, of: 3) { self.disconnect(worker) }
        if self.random.chance(1, of: 2) {
            self.scheduleWorker(self.random.chance(1, of: 2) ? worker.owner.worker.description : nil)
        }
    }

    private func shutDown(_ worker: SimWorker) throws(Violation) {
        self.tally.leaves += 1
        self.note("\(worker.owner) is shut down")
        worker.isLeaving = true
        try self.handle(worker, .shutdown)
    }

    private func pauseServer() {
        guard self.isUp, self.now >= self.serverPausedUntil else { return }
        self.tally.serverPauses += 1
        let millis = self.within(100...2 * self.plan.session)
        self.note("the server is paused for \(millis) ms")
        self.serverPausedUntil = self.now + millis
        self.watch.reset()
        guard self.breakage == .expiresInPauses else { return }
        let start = self.nanos
        // Before it hears what has come meanwhile.
        self.after(millis - 1) { () throws(Violation) in try self.expireInPause(since: start) }
    }

    private func reset() throws(Violation) {
        guard self.isUp, self.now >= self.serverPausedUntil, let rows = self.core.leases.application(self.ref)?.rows,
            let shard = rows.keys.sorted().randomElement(using: &self.random)
        else { return }
        let targets: [ResetTarget] = [
            .trimHorizon, .latest, .atTimestamp(max(0, self.node.now - Int64(self.within(0...self.plan.session)))),
        ]
        let reset = ResetOrder(
            shard: self.random.chance(1, of: 2) ? shard : nil, target: self.random.pick(targets),
            isForced: self.random.chance(2, of: 3), isDryRun: false, reason: "drill")
        try self.reset(reset)
    }

    /// A shard is processed again from its beginning, and so is its grandparent, but not the parent between them: the
    /// shard must wait for the grandparent all the same.
    private func skipGeneration() throws(Violation) {
        guard self.isUp, self.now >= self.serverPausedUntil, let rows = self.core.leases.application(self.ref)?.rows,
            let stream = self.core.catalog.stream(self.stream)
        else { return }
        for shard in rows.keys.sorted() {
            guard let parent = stream.shard(shard)?.parents.first(where: { rows[$0] != nil }),
                let grandparent = stream.shard(parent)?.parents.first(where: { rows[$0] != nil })
            else { continue }
            let steps: [(ShardNumber, ResetTarget)] = [
                (grandparent, .trimHorizon), (parent, .latest), (shard, .trimHorizon),
            ]
            for (number, target) in steps {
                try self.reset(
                    ResetOrder(shard: number, target: target, isForced: true, isDryRun: false, reason: "drill"))
            }
            return
        }
    }

    private func reset(_ reset: ResetOrder) throws(Violation) {
        let ref = self.ref!
        let begun: Told<LogDraft?> = try self.withGroups({ _ in nil }) { groups, log, moment in
            log.tell(of: ref.stream) { _ throws(WeirError) in try groups.draftToReset(ref, by: reset, log, moment) }
        }
        if case .success(let draft?) = begun.value { return self.drawUp(draft, reset) }
        let outcome: Told<[LeaseReset]> = try self.withGroups({ (told: Told<[LeaseReset]>) in
            if case .success = told.value { .reset } else { nil }
        }) { groups, log, moment in
            log.tell(of: ref.stream) { _ throws(WeirError) in try groups.reset(ref, reset, log, moment) }
        }
        self.note("reset of \(reset.shard.map { "\($0)" } ?? "all") to \(reset.target): \(outcome.value)")
        if case .success = outcome.value { self.tally.resets += 1 }
    }

    /// A reset of many leases is drawn up in parts, and comes to be in one. Between them everything else happens, and
    /// the node may die.
    private func drawUp(_ begun: LogDraft, _ reset: ResetOrder) {
        let era = self.era
        self.after(self.within(0...3), at: .server) { () throws(Violation) in
            guard self.isUp, self.era == era else { return }
            var draft = begun
            let asked = draft.asks(atMost: self.plan.slice)
            if !asked.isEmpty {
                draft.learn(self.core.nextIndexes(of: asked, in: draft.application.stream))
                return self.drawUp(draft, reset)
            }
            draft.finish()
            let drawn = draft
            let outcome: Told<Bool> = try self.withGroups({ (told: Told<Bool>) in
                if case .success(true) = told.value { .reset } else { nil }
            }) { groups, log, moment in
                log.tell(of: drawn.application.stream) { _ throws(WeirError) in
                    try groups.commit(drawn, log, moment) != nil
                }
            }
            self.note("reset of all, in parts, to \(reset.target): \(outcome.value)")
            switch outcome.value {
            case .success(true): self.tally.resets += 1
            case .success(false): try self.reset(reset)
            case .failure: break
            }
        }
    }
}
