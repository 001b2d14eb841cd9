// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirModel
import WeirStorage
import WeirTestKit

/// What goes wrong, and what people do.
extension Workers {
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
        let worker = alive.isEmpty ? nil : self.simulation.random.pick(alive)
        switch self.simulation.random.weighted([10, 8, 14, 8, 4, 4, 4, 4, 12, 4, 3]) {
        case 0: if let worker { self.pause(worker) }
        case 1: if let worker { try self.kill(worker) }
        case 2: if alive.count < Self.workersMax { try self.startWorker() }
        case 3: if let worker { try self.shutDown(worker) }
        case 4: if let worker { self.disconnect(worker) }
        case 5: self.pauseNode()
        case 6:
            if self.isUp {
                self.note("a crash is due")
                self.node.trouble.armed = (self.simulation.random.within(1...4), .crash)
            }
        case 7: if !self.isNodePaused { try self.simulation.goDown("been stopped", for: 20...2 * self.plan.session) }
        case 8: if !self.isNodePaused { try self.reshard() }
        case 9: if self.plan.resets { try self.reset() }
        default:
            // Two workers with one id.
            if let worker, alive.count < Self.workersMax { try self.startWorker(worker.owner.worker.description) }
        }
        if self.plan.skipsGenerations, self.simulation.random.chance(1, of: 4) { try self.skipGeneration() }
        if self.node.plan.clockJumps, self.simulation.random.chance(1, of: 10) {
            self.node.setClock(by: Int64(self.simulation.random.within(-3_600_000...3_600_000)))
        }
    }

    private func pause(_ worker: SimWorker) {
        let millis = self.within(self.plan.session / 4...3 * self.plan.session)
        self.simulation.tally[.pauses] += 1
        self.note("\(worker.owner) is paused for \(millis) ms")
        worker.pausedUntil = self.now + millis
        worker.unwellUntil = max(worker.unwellUntil, worker.pausedUntil)
    }

    /// The process is gone; of what it had in hand some was processed.
    private func kill(_ worker: SimWorker) throws(Violation) {
        self.simulation.tally[.kills] += 1
        self.note("\(worker.owner) is killed")
        for task in worker.leases where !task.inHand.isEmpty {
            try self.processed(worker, task, self.simulation.random.within(0...task.inHand.count))
        }
        if self.now >= worker.pausedUntil {
            self.watchOfHolders.heard(Set(self.leases.ahead.filter { $0.value.owner == worker.owner }.map(\.key)))
        }
        worker.isAlive = false
        // A machine that loses its power says nothing.
        if self.simulation.random.chance(2, of: 3) { self.disconnect(worker) }
        if self.simulation.random.chance(1, of: 2) {
            self.scheduleWorker(self.simulation.random.chance(1, of: 2) ? worker.owner.worker.description : nil)
        }
    }

    private func shutDown(_ worker: SimWorker) throws(Violation) {
        self.simulation.tally[.leaves] += 1
        self.note("\(worker.owner) is shut down")
        worker.isLeaving = true
        try self.handle(worker, .shutdown)
    }

    private func pauseNode() {
        guard self.isUp, !self.isNodePaused else { return }
        self.simulation.tally[.nodePauses] += 1
        let millis = self.within(100...2 * self.plan.session)
        self.simulation.pauseNode(for: millis)
        self.watchOfHolders.reset()
        guard self.breakage == .expiresInPauses else { return }
        let start = self.nanos
        // Before it hears what has come meanwhile.
        self.after(millis - 1) { () throws(Violation) in try self.expireInPause(since: start) }
    }

    private func reset() throws(Violation) {
        guard self.isUp, !self.isNodePaused, let rows = self.core.leases.application(self.ref)?.rows,
            let shard = rows.keys.sorted().randomElement(using: &self.simulation.random)
        else { return }
        let targets: [ResetTarget] = [
            .trimHorizon, .latest, .atTimestamp(max(0, self.node.now - Int64(self.within(0...self.plan.session)))),
        ]
        let reset = ResetOrder(
            shard: self.simulation.random.chance(1, of: 2) ? shard : nil, target: self.simulation.random.pick(targets),
            isForced: self.simulation.random.chance(2, of: 3), isDryRun: false, reason: "drill")
        try self.reset(reset)
    }

    /// A shard is processed again from its beginning, and so is its grandparent, but not the parent between them: the
    /// shard must wait for the grandparent all the same.
    private func skipGeneration() throws(Violation) {
        guard self.isUp, !self.isNodePaused, let rows = self.core.leases.application(self.ref)?.rows,
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
        let outcome = try self.observing(.reset) { applications in
            self.whileOthersComeBetween { applications.reset(self.ref, reset) }
        }
        self.note("reset of \(reset.shard.map { "\($0)" } ?? "all") to \(reset.target): \(outcome.value)")
        if case .success = outcome.value { self.simulation.tally[.resets] += 1 }
    }

    /// Operators divide and join the shards.
    private func reshard() throws(Violation) {
        guard let process = self.simulation.process, let state = self.core.catalog.stream(self.stream) else { return }
        let lane = self.simulation.random.pick(process.hosts).lane!
        let open = state.map.shards
        let version = state.map.version
        if open.count < 6, self.simulation.random.chance(2, of: 3) || open.count == 1 {
            let shard = self.simulation.random.pick(open).number
            _ = lane.splitShard(ShardRef(stream: self.stream, shard: shard), at: nil)
        } else if open.count > 1 {
            let position = self.simulation.random.below(open.count - 1)
            _ = lane.mergeShards(of: self.stream, open[position].number, open[position + 1].number)
        }
        if self.core.catalog.stream(self.stream)?.map.version != version { self.simulation.tally[.reshards] += 1 }
        try self.observe(.reshard)
    }
}
