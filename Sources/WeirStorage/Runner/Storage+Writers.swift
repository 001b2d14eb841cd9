// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirLog

extension Storage {
    private enum Taken {
        case job(WriteJob)
        /// A task that is done.
        case again
        case nothing
        case ended
    }

    /// One of the two writer threads: take and seal in order, write and sync in parallel.
    func runWriter() {
        while let job = self.nextJob() {
            let start = self.clock.monotonicNanos
            do throws(FileError) {
                try self.write(job)
                try job.sync()
            } catch {
                self.writeFailed(error)
                continue
            }
            self.wrote(job, startNanos: start)
        }
        self.monitor.withLock { $0.writers -= 1 }
        self.monitor.wakeAll()
    }

    /// File systems that copy what they write, quotas and thin volumes may refuse a block although the file has it.
    /// Nothing of such a write counts, so the same bytes go to the same place again until the disk takes them. A sync
    /// that fails for want of space is a failed write: what it lost, nobody knows.
    private func write(_ job: WriteJob) throws(FileError) {
        var waited = false
        while true {
            do throws(FileError) {
                try job.write()
                if waited { self.handler(.notice("the disk takes commits again")) }
                return
            } catch {
                guard error.kind == .noSpace else { throw error }
                if !waited { self.handler(.notice("the disk takes no commit, which waits: \(error)")) }
                waited = true
                guard self.waitForRoom(error) else { throw error }
            }
        }
    }

    /// Whether the write may be tried again: a while later, unless the node ends or another write failed.
    private func waitForRoom(_ error: FileError) -> Bool {
        self.monitor.withLock { $0.core.commits.pipeline.refused(error.description) }
        guard self.waitsOut(error.kind) else { return false }
        return self.monitor.withLock { $0.core.pipeline.phase == .running }
    }

    private func wrote(_ job: WriteJob, startNanos: UInt64) {
        let end = self.clock.monotonicNanos
        self.syncTimes.record(nanos: end - startNanos)
        let result = self.monitor.withLock { running -> (acknowledged: Acknowledged?, changed: Bool) in
            running.busy -= 1
            // The other write in flight failed meanwhile: this one counts for nothing.
            guard case .running = running.core.pipeline.phase else { return (nil, true) }
            let acknowledged = running.core.written(job, nowNanos: end)
            // The empty commit that begins a term proves little of the next one.
            if job.hasContent, acknowledged.durable >= job.lsn { running.failures = 0 }
            return (acknowledged, running.closing)
        }
        if result.changed { self.monitor.wakeAll() }
        if let acknowledged = result.acknowledged {
            self.handler(.durable(acknowledged.watermark, shards: acknowledged.shards))
        }
    }

    /// The next sealed commit; `nil` at the end. Nobody sleeps while it holds the order of commits: a writer that comes
    /// from the disk goes on with what is there instead of waking the other one for it.
    private func nextJob() -> WriteJob? {
        while true {
            switch self.sealing.withLock({ self.take(&$0) }) {
            case .job(let job): return job
            case .ended: return nil
            case .again: break
            case .nothing: self.waitForWork()
            }
        }
    }

    /// Takes the next task. Whoever gets one is busy until it has reported.
    private func take(_ seal: inout SealState) -> Taken {
        let (task, more, ended) = self.monitor.withLock { running -> (WriterTask?, Bool, Bool) in
            guard let task = running.core.takeTask() else { return (nil, false, running.writersMayEnd) }
            running.busy += 1
            return (task, running.core.hasTask, false)
        }
        if more { self.monitor.wakeWorker() }
        switch task {
        case nil: return ended ? .ended : .nothing
        case .write(let job):
            if seal.term != job.term { seal = SealState(previous: job.cut, term: job.term) }
            seal.previous = job.seal(previous: seal.previous)
            return .job(job)
        case .prepare(let preparation): self.prepare(preparation)
        case .blocked(let error): self.blocked(error)
        }
        return .again
    }

    /// Sleeps until there is something to take, or nothing will come any more.
    private func waitForWork() {
        self.monitor.waitForWork { $0.core.hasTask || $0.writersMayEnd ? () : nil }
    }

    /// Makes a segment on the calling thread and reports it.
    private func prepare(_ preparation: SegmentPreparation) {
        let task = UpkeepTask.prepare(preparation)
        let result = task.result(self.fileSystem)
        self.tell(result, of: task)
        self.monitor.withLock { running in
            running.core.finished(task, result)
            running.busy -= 1
        }
        self.monitor.wakeAll()
    }

    /// There is work and no segment for it. Without space or descriptors nothing is lost by waiting: what was admitted
    /// stays in memory, new puts are refused, and it goes on when there are some again. Any other failure is one of the
    /// disk.
    private func blocked(_ error: FileError) {
        guard error.isShortage else { return self.writeFailed(error) }
        self.monitor.withLock { $0.busy -= 1 }
        self.monitor.wakeAll()
        guard self.waitsOut(error.kind) else {
            return self.stop("what was not yet written could not be: \(error)")
        }
        self.monitor.withLock { $0.core.unblock() }
    }

    /// A pause before the next attempt at what the system was short of; false when none is to be made.
    func waitsOut(_ kind: FileError.Kind) -> Bool {
        let (again, wasClosing) = self.monitor.withLock { running in
            let again = running.shortage.mayTryAgain(
                isClosing: running.closing, comesBack: kind == .noDescriptors)
            return (again, running.closing)
        }
        guard again else { return false }
        _ = self.monitor.wait(milliseconds: ShortageWait.pauseMillis) { running -> Bool? in
            if case .stopped = running.core.state { return true }
            return running.closing && !wasClosing ? true : nil
        }
        return true
    }

    private func writeFailed(_ error: FileError) {
        let (first, ends) = self.monitor.withLock { running -> (Bool, Bool) in
            running.busy -= 1
            guard case .running = running.core.pipeline.phase else { return (false, false) }
            if running.closing, error.kind == .noSpace { return (false, true) }
            running.core.failed()
            return (true, false)
        }
        self.monitor.wakeAll()
        if ends { return self.stop("there is no space for what was not yet written: \(error)") }
        // Only the first of the writes in flight starts the recovery; the other one's result counts for nothing.
        if first { self.recoverFromFailure(error.description) }
    }
}
