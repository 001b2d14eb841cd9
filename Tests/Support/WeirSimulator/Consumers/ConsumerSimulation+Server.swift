// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

extension ConsumerSimulation {
    /// An answer that waits until what it tells is durable.
    struct PendingAnswer {
        let mark: Mark
        let release: () throws(Violation) -> Void
        let fail: (WeirError) -> Void
    }

    /// As the server keeps it.
    struct HeartbeatUnderWay {
        let worker: SimWorker
        let seen: UInt64
        let deadlineNanos: UInt64
        let answer: (Result<Assignment, WeirError>) throws(Violation) -> Void
    }

    typealias Groups = NodeGroups<UInt64>

    /// Does something with the groups and the log; afterwards the heartbeats that it concerns are looked at.
    func withGroups<R>(
        _ cause: (R) -> LeaseAuditor.Cause?, _ body: (inout Groups, LogCore, GroupMoment) -> R
    ) throws(Violation) -> R {
        let moment = GroupMoment(wallMillis: self.node.now, nanos: self.nanos)
        self.groups.begin(self.core, moment)
        let before = self.groups.groups[self.ref]
        let result = body(&self.groups, self.core, moment)
        self.scheduleRest()
        // Whom to wake comes in no order.
        for id in Set(self.groups.takeWakes()).sorted() {
            self.after(self.within(0...1), at: .server) { () throws(Violation) in try self.look(at: id, isNew: false) }
        }
        try self.observe(cause(result) ?? .tick, before)
        return result
    }

    /// What one stay under the log's lock leaves for the next one, while others come between.
    private func scheduleRest() {
        guard self.groups.hasMore else { return }
        self.after(self.within(0...2), at: .server) { () throws(Violation) in
            guard self.isUp else { return }
            _ = try self.withGroups({ (_: Bool) in nil }) { groups, log, moment in groups.carryOn(log, moment) }
        }
    }

    /// The auditor looks at the lease table.
    func observe(_ cause: LeaseAuditor.Cause, _ group: Group? = nil) throws(Violation) {
        let core = self.core
        guard let rows = core.leases.application(self.ref)?.rows else { return }
        if self.leases.ahead.isEmpty || cause == .reset {
            for (shard, row) in rows where row != self.leases.ahead[shard] {
                self.records.skipped(shard, to: row.checkpoint)
            }
            if !self.leases.ahead.isEmpty { self.records.reset(self.leases.ahead, rows) }
        }
        if case .checkpoint(let hold, let position) = cause { try self.checkCovered(hold.shard, position) }
        try self.leases.observe(
            rows, cause, lsn: max(core.leaseLSN, core.catalogLSN), ancestors: self.ancestors(of:),
            isExcused: { owner, shard in
                // Not a member any more: whether that is right is judged when it expires.
                guard let group, group.member(owner) != nil,
                    self.groups.groups[self.ref]?.member(owner) != nil
                else { return true }
                return group.handOvers[shard].map { $0.deadlineNanos <= self.nanos } ?? false
            })
    }

    // MARK: What happens by itself

    func scheduleTick() {
        self.after(self.plan.tick, at: .server) { () throws(Violation) in
            if self.isUp { try self.tick() }
            self.scheduleTick()
        }
    }

    private func tick() throws(Violation) {
        try self.node.tick()
        if self.node.upkeep == nil || self.random.chance(1, of: 3) { try self.node.doUpkeep() }
        guard !self.node.disk.isDown, self.groups.takeTick(nowNanos: self.nanos) else { return }
        guard self.breakage != .neverExpires else { return try self.checkHolders() }
        try self.tickGroups(nanos: self.nanos)
        try self.assignChildrenEarly()
        try self.checkHolders()
    }

    func tickGroups(nanos: UInt64) throws(Violation) {
        let members = self.groups.groups[self.ref]?.members ?? [:]
        try self.withGroups({ _ in nil }) { groups, log, moment in
            groups.tick(log, GroupMoment(wallMillis: moment.wallMillis, nanos: nanos))
        }
        // A failed write may have taken the application itself: then nobody has expired, and all join anew.
        guard self.core.leases.application(self.ref) != nil else { return }
        let left = self.groups.groups[self.ref]?.members ?? [:]
        for member in members.values.sorted(by: { $0.owner.worker < $1.owner.worker })
        where left[member.owner.worker] == nil {
            self.tally.expired += 1
            self.note("\(member.owner) has expired")
            if let worker = self.workers.first(where: { $0.owner == member.owner }), self.isWell(worker) {
                throw Violation("\(member.owner) expires, which is there and was heard of all the time")
            }
        }
    }

    /// One of the node's threads does something, again and again while there is something to do.
    func scheduleTurn() {
        guard !self.isTurnScheduled, self.isUp,
            self.core.hasWork || !self.node.writers.isEmpty || self.node.upkeep != nil
        else { return }
        self.isTurnScheduled = true
        self.after(self.within(1...5), at: .server) { () throws(Violation) in
            self.isTurnScheduled = false
            guard self.isUp else { return }
            if !self.isEnding { self.node.armFaults() }
            if self.node.upkeep != nil, self.random.chance(1, of: 3) {
                try self.node.doUpkeep()
            } else {
                try self.node.write()
            }
        }
    }

    func afterEvent() throws(Violation) {
        if self.isUp, self.node.disk.isDown { return self.goDown("crashed") }
        guard self.isUp else { return }
        if self.node.boots != self.boots {
            // It stopped in a recovery, and was started again at once.
            self.goDown("stopped")
            return try self.started()
        }
        if self.core.term != self.term {
            self.note("the server has recovered")
            try self.recovered()
        }
        try self.leases.becameDurable(self.core.durableLSN)
        try self.settleAnswers()
        self.scheduleTurn()
    }

    /// As the loops of the server: what is reached is told, and what is lost is told as unknown.
    private func settleAnswers() throws(Violation) {
        guard !self.answers.isEmpty else { return }
        let watermark = self.core.watermark
        let settled = self.answers.filter { watermark.judge($0.mark) != .pending }
        guard !settled.isEmpty else { return }
        self.answers.removeAll { watermark.judge($0.mark) != .pending }
        let error = WeirError(
            .unavailable, "whether this was done is not known",
            verdict: .init(maybeStored: true, retry: .after(millis: 200)))
        for answer in settled {
            if watermark.judge(answer.mark) == .reached { try answer.release() } else { answer.fail(error) }
        }
    }

    func failAnswers(_ why: String) {
        let failed = self.answers
        self.answers.removeAll()
        let error = WeirError(.unavailable, why, verdict: .init(maybeStored: true, retry: .after(millis: 200)))
        for answer in failed { answer.fail(error) }
    }

    // MARK: Ends and beginnings of the server

    /// The process ends; connections end with it.
    func goDown(_ why: String) {
        self.note("the server has \(why)")
        self.isUp = false
        self.era += 1
        self.serverPausedUntil = 0
        self.failAnswers("the connection was closed")
        let waiting = self.heartbeats.sorted { $0.key < $1.key }
        self.heartbeats.removeAll()
        for (_, underWay) in waiting { self.failed(underWay.worker, underWay.answer) }
        self.endPushes()
        guard self.node.boots == self.boots else { return }
        let millis = self.within(20...(self.isEnding ? 100 : 2 * self.plan.session))
        self.after(millis) { () throws(Violation) in
            guard !self.isUp else { return }
            if self.isEnding { self.node.forgetFaults() }
            if !self.node.disk.isDown { try self.node.stopAndStart() }
            // Also one in the midst of the stop.
            try self.node.surviveCrash()
            try self.started()
        }
    }

    private func started() throws(Violation) {
        self.isUp = true
        self.groups = Groups(slice: self.plan.slice)
        self.boots = self.node.boots
        self.tally.serverStarts += 1
        self.note("the server has started")
        try self.recovered()
        try self.checkExpected()
        if self.breakage == .expiresAtRestart { try self.expireAtRestart() }
    }

    /// A start forgets nothing: whoever holds leases has as long to come back as it said.
    private func checkExpected() throws(Violation) {
        self.groups.begin(self.core, GroupMoment(wallMillis: self.node.now, nanos: self.nanos))
        for member in self.groups.groups[self.ref]?.members.values.sorted(by: { $0.owner.worker < $1.owner.worker })
            ?? []
        where member.timeoutNanos != self.plan.session * 1_000_000 {
            throw Violation("a start has forgotten the session timeout of \(member.owner)")
        }
    }

    private func recovered() throws(Violation) {
        self.term = self.core.term
        self.watch.reset()
        try self.leases.recovered(self.core.leases.application(self.ref)?.rows ?? [:])
    }
}
