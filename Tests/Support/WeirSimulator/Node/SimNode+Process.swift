// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

extension SimNode: LogHolder {
    var fileSystem: any FileSystem { self.disk }

    func withCore<R, E: Error>(_ body: (LogCore) throws(E) -> R) throws(E) -> R { try body(self.core) }

    /// Bytes never change on this disk by themselves.
    func tellDamage(_ sentence: String) { self.trouble.damageTold.append(sentence) }

    // MARK: Writers

    /// One of the writer threads takes a commit, touches the disk, or reports.
    func write() throws(Violation) {
        // A writer that has a commit goes on with it; a free one takes one.
        var choices: [Int?] = Array(self.life.writers.indices)
        if self.life.writers.count < LogFormat.depthMax, self.core.hasWork { choices.append(nil) }
        guard !choices.isEmpty else { return }
        guard let position = self.random.pick(choices) else { return try self.takeCommit() }
        if self.life.writers[position].result == nil { self.touchDisk(position) } else { try self.report(position) }
    }

    private func takeCommit() throws(Violation) {
        switch self.core.takeTask() {
        case .write(let job):
            if self.life.chainTerm != job.term { (self.life.chain, self.life.chainTerm) = (job.cut, job.term) }
            self.life.chain = job.seal(previous: self.life.chain)
            let number = self.life.writers.contains { $0.number == 0 } ? 1 : 0
            self.life.writers.append(Writer(number: number, job: job))
            self.trace.note("writer \(number) takes \(job)")
            if let fault = job.fault { throw Violation("\(job.lsn) was sealed, and \(fault)") }
            if self.breakage == .acknowledgesBeforeWriting { try self.tellDurable(job.lsn) }
        case .prepare(let preparation):
            let task = UpkeepTask.prepare(preparation)
            self.trace.note("a writer makes \(preparation)")
            let result = task.result(self.fileSystem)
            guard !self.disk.isDown else { return }
            self.finish(task, result)
        case .blocked(let error):
            self.tally[.full] += 1
            self.trace.note("blocked: \(error)")
            if error.isShortage { self.core.unblock() } else { try self.fail(error) }
        case nil: break
        }
    }

    /// Writes the commit, or syncs it.
    func touchDisk(_ position: Int) {
        let writer = self.life.writers[position]
        do throws(FileError) {
            if writer.isWritten { try writer.job.sync() } else { try writer.job.write() }
            self.trace.note("writer \(writer.number) has \(writer.isWritten ? "synced" : "written") \(writer.job.lsn)")
            if writer.isWritten { self.life.writers[position].result = .success(()) }
            self.life.writers[position].isWritten = true
        } catch {
            self.life.writers[position].result = .failure(error)
            self.trace.note("writer \(writer.number) failed with \(writer.job.lsn): \(error)")
        }
    }

    private func report(_ position: Int) throws(Violation) {
        let writer = self.life.writers.remove(at: position)
        switch writer.result {
        case .success:
            let acknowledged = self.core.written(writer.job, nowNanos: self.clock.monotonicNanos)
            self.tally[.commits] += 1
            self.trace.note("writer \(writer.number) reports \(writer.job.lsn): durable \(acknowledged.durable)")
            let durable = self.breakage == .acknowledgesOutOfOrder ? writer.job.lsn : acknowledged.durable
            try self.tellDurable(durable)
            self.report?(.durable(acknowledged.watermark, shards: acknowledged.shards))
        case .failure(let error): try self.fail(error)
        case nil: break
        }
    }

    /// Whatever waited for this is answered.
    func tellDurable(_ lsn: LSN) throws(Violation) {
        try self.checker.durable(lsn.rawValue)
        while let first = self.tellings.untold.first, first.lsn <= lsn {
            self.tellings.told = first.catalog
            self.tellings.untold.removeFirst()
        }
        self.tellings.leases.durable(lsn)
    }

    /// A client is told that its record is stored.
    func judgeAcknowledgement(of id: Int) throws(Violation) {
        guard self.checker.isSettled(id) else {
            throw Violation("record \(id) is acknowledged before it is durable")
        }
    }

    // MARK: Upkeep

    func doUpkeep() throws(Violation) {
        guard let now = self.life.upkeep else {
            guard let task = self.core.nextUpkeep(nowNanos: self.clock.monotonicNanos) else { return }
            self.trace.note("upkeep: \(task)")
            self.life.upkeep = Upkeep(task: task)
            return
        }
        if let result = now.result {
            self.life.upkeep = nil
            self.finish(now.task, result)
        } else {
            self.performUpkeep()
        }
    }

    private func performUpkeep() {
        guard let task = self.life.upkeep?.task else { return }
        self.trouble.nesting = .allowed
        let result = task.result(self.fileSystem)
        self.trouble.nesting = .forbidden
        self.life.upkeep?.result = result
        if case .failure(let error) = result { self.trace.note("upkeep failed: \(error)") }
    }

    private func finish(_ task: UpkeepTask, _ result: Result<UpkeepDone, FileError>) {
        self.core.finished(task, result)
        guard case .success = result else { return }
        switch task {
        case .prepare(let preparation):
            self.tally[.rolls] += 1
            if preparation.recycled { self.tally[.recycled] += 1 }
        case .footer: self.tally[.footers] += 1
        case .snapshot: self.tally[.snapshots] += 1
        case .fill: self.tally[.filled] += 1
        case .remove: break
        }
    }

    func tick() throws(Violation) {
        let nanos = self.clock.monotonicNanos
        let before = self.leasesBefore
        defer { self.noteLeases(since: before) }
        if self.core.retentionIsDue(nowNanos: nanos) {
            let space = try? self.fileSystem.space()
            if self.breakage == .destroysByTheClock { self.core.watchClock(self.farFuture) }
            if self.breakage != .stopsWithTheClock || self.trueTime.isRight,
                let held = self.core.retain(self.moment, space: space)
            {
                self.trace.note("deletion by age waits: \(held)")
            }
            if self.breakage == .recyclesEarly { self.recycleEarly() }
            if self.breakage == .storesWhatItHides { self.storeWhatIsHidden() }
            if self.breakage == .capsTakeWhatFillsThem { self.capTooMuch() }
            try self.judgeCaps()
        }
        self.core.closeIdle(nowNanos: nanos, after: 50_000_000)
        self.noteCatalog()
    }

    /// The catalog as it is now will be told when its last event is durable.
    func noteCatalog() {
        let lsn = self.core.catalogLSN
        guard self.core.catalog.version != (self.tellings.untold.last?.catalog ?? self.tellings.told).version else {
            return
        }
        self.tellings.untold.append((lsn, self.core.catalog))
        if self.breakage == .describesTooEarly {
            self.tellings.told = self.core.catalog
            self.tellings.untold.removeAll()
        }
    }

    // MARK: Ends and beginnings

    /// A write failed: the node recovers in the process.
    private func fail(_ error: FileError) throws(Violation) {
        self.tally[.failures] += 1
        self.trace.note("FAILED above \(self.core.durableLSN): \(error)")
        self.core.failed()
        self.report?(.failed(self.core.watermark, reason: error.description))
        // What is under way ends; nobody listens to it.
        for position in self.life.writers.indices {
            while self.life.writers[position].result == nil { self.touchDisk(position) }
        }
        if self.life.upkeep?.result == nil { self.performUpkeep() }
        guard !self.disk.isDown else { return }
        self.life.writers.removeAll()
        self.life.upkeep = nil
        self.checker.lostTrack()
        let faults = self.trouble.count
        switch self.recover(.continuing(self.core.continuation)) {
        case .success(let recovered):
            try self.adopt(recovered.core, recovered.report)
            self.report?(.recovered(recovered.core.watermark))
        case .failure(let error):
            if self.disk.isDown { return }
            try self.excuse(error, faultsBefore: faults)
            self.trace.note("STOPPED: \(error)")
            self.disk.restart(powerCut: false)
            try self.boot()
        }
    }

    /// After an operation in which the machine stopped: a new process.
    func surviveCrash() throws(Violation) {
        guard self.disk.isDown else { return }
        let powerCut = self.random.chance(2, of: 3)
        self.tally[.crashes] += 1
        if powerCut { self.tally[.powerCuts] += 1 }
        self.trace.note(powerCut ? "POWER CUT" : "KILLED")
        self.disk.restart(powerCut: powerCut)
        try self.boot()
    }

    /// Starts a process; again and again when it crashes in its recovery.
    func boot() throws(Violation) {
        self.life.boots += 1
        self.life.writers.removeAll()
        self.life.upkeep = nil
        self.checker.lostTrack()
        self.life.nextLogID += 1
        if self.plan.clockJumpsAtStarts, self.life.boots > 1, self.random.chance(1, of: 3) { self.jumpClock() }
        for attempt in 0..<50 {
            if self.plan.crashEvery > 0, attempt < 4, self.random.chance(1, of: 3) {
                self.trouble.armed = (self.random.within(1...12), self.random.chance(3, of: 4) ? .crash : .failed)
            }
            try self.verifyFolder()
            let faults = self.trouble.count
            switch self.recover(.process(newLogID: self.life.nextLogID)) {
            case .success(let recovered):
                try self.adopt(recovered.core, recovered.report)
                return
            case .failure(let error):
                self.trace.note("does not start: \(error)")
                if self.disk.isDown {
                    self.tally[.crashes] += 1
                    self.disk.restart(powerCut: self.random.chance(1, of: 2))
                } else {
                    try self.excuse(error, faultsBefore: faults)
                    self.disk.restart(powerCut: false)
                }
            }
        }
        throw Violation("the node does not start in 50 attempts")
    }

    /// What a crash leaves is whole for `weir verify`, as it must be for the start that follows. Not each time: it
    /// reads every byte.
    private func verifyFolder() throws(Violation) {
        guard self.life.boots % 4 == 0 else { return }
        let report: VerifyReport
        do throws(FileError) {
            report = try Verifier.run(SimFileSystem(image: self.disk.image))
        } catch {
            throw Violation("the folder cannot be looked at: \(error)")
        }
        guard report.findings.isEmpty else {
            throw Violation("verify finds damage where there was none: \(report.findings)")
        }
    }

    /// A start may fail when something went wrong with the disk in it, or when it was full.
    private func excuse(_ error: StorageError, faultsBefore: Int) throws(Violation) {
        if self.trouble.count > faultsBefore { return }
        guard self.disk.capacity < self.plan.capacity else { throw Violation("the node does not start: \(error)") }
        self.disk.capacity = self.plan.capacity
    }

    private func recover(
        _ start: Recovery.Start
    ) -> Result<(core: LogCore, report: RecoveryReport), StorageError> {
        self.breakBeforeRecovery()
        self.trouble.isRecovering = true
        defer { self.trouble.isRecovering = false }
        do throws(StorageError) {
            return .success(
                try Recovery.run(
                    self.fileSystem, self.configuration, clock: self.clock, pool: self.pool, start: start))
        } catch {
            return .failure(error)
        }
    }

    private func adopt(_ core: LogCore, _ report: RecoveryReport) throws(Violation) {
        self.tally[.recoveries] += 1
        self.life.core = core
        self.trace.note("term \(core.term) after \(core.cut.lsn), \(report.commitsReplayed) commits replayed")
        for line in report.lines { self.trace.note("report: \(line)") }
        guard report.damaged.isEmpty else {
            throw Violation("the recovery reports damage where there was none: \(report.lines)")
        }
        try self.checkCatalog()
        try self.checkLeases()
        self.checker.begin { core.catalog.shard($0) != nil }
        try self.auditAll()
    }

    /// A clean stop, then a start, perhaps much later.
    func stopAndStart() throws(Violation) {
        self.trace.note("STOP")
        self.core.beginClosing()
        try self.drain()
        guard !self.disk.isDown else { return }
        self.core.finishClosing()
        try self.drain()
        guard !self.disk.isDown else { return }
        self.disk.restart(powerCut: self.random.chance(1, of: 2))
        try self.boot()
    }

    /// Lets the threads work until nothing is left to do.
    func drain() throws(Violation) {
        // Small commits are many.
        for _ in 0..<(self.plan.hasNearBorders ? 40_000 : 2_000) {
            if self.disk.isDown { return }
            if self.life.writers.isEmpty, self.life.upkeep == nil, !self.core.hasWork {
                guard let task = self.core.nextUpkeep() else { return }
                self.life.upkeep = Upkeep(task: task)
                continue
            }
            if self.random.chance(1, of: 3) { try self.doUpkeep() } else { try self.write() }
            if self.disk.capacity < self.plan.capacity { self.disk.capacity = self.plan.capacity }
        }
        throw Violation("the node does not come to rest")
    }

    /// Everything heals; everything must come to rest, be there, and be there after a last restart.
    func end() throws(Violation) {
        self.forgetFaults()
        self.disk.capacity = self.plan.capacity
        self.trace.note("END")
        self.rightClock()
        try self.drain()
        if self.core.unavailable() != nil { throw Violation("the node does not serve at the end") }
        try self.auditAll()
        self.core.beginClosing()
        try self.drain()
        self.core.finishClosing()
        try self.drain()
        self.disk.restart(powerCut: true)
        self.life.writers.removeAll()
        self.life.upkeep = nil
        self.checker.lostTrack()
        switch self.recover(.process(newLogID: 0)) {
        case .success(let recovered): try self.adopt(recovered.core, recovered.report)
        case .failure(let error): throw Violation("the node does not start at the end: \(error)")
        }
        if self.plan.clockJumps { try self.judgeDeletion() }
        try self.checker.checkOrder()
    }
}
