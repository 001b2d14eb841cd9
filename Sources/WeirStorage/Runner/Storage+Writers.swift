// SPDX-License-Identifier: Apache-2.0
import WeirLog

extension Storage {
    private enum Taken {
        case task(WriterTask)
        case ended
    }

    /// One of the two writer threads: take and seal in order, write and sync in parallel.
    func runWriter() {
        while let job = self.nextJob() {
            let start = self.clock.monotonicNanos
            do throws(FileError) {
                try job.perform()
            } catch {
                self.writeFailed(job, error)
                continue
            }
            let end = self.clock.monotonicNanos
            self.syncTimes.record(nanos: end - start)
            let result = self.monitor.withLock { running -> (Acknowledged?, Bool) in
                // A write of a term that failed meanwhile counts for nothing.
                guard running.core.term == job.segment.header.term, case .running = running.core.pipeline.phase else {
                    return (nil, false)
                }
                let acknowledged = running.core.written(job.commit, nowNanos: end)
                if !acknowledged.shards.isEmpty { running.failures = 0 }
                return (acknowledged, running.core.hasWork)
            }
            if result.1 { self.monitor.wakeWorker() }
            if self.monitor.withLock({ $0.closing }) { self.monitor.wakeAll() }
            if let acknowledged = result.0 {
                self.handler(.durable(acknowledged.durable, shards: acknowledged.shards))
            }
        }
        self.monitor.withLock { $0.writers -= 1 }
        self.monitor.wakeAll()
    }

    /// The next sealed commit; `nil` at the end.
    private func nextJob() -> WriteJob? {
        while true {
            let taken: WriteJob?? = self.sealing.withLock { seal in
                guard let task = self.waitForTask() else { return .some(nil) }
                switch task {
                case .write(let job):
                    if seal.term != job.segment.header.term {
                        seal = SealState(previous: job.segment.header.cut, term: job.segment.header.term)
                    }
                    seal.previous = job.seal(previous: seal.previous)
                    return .some(job)
                case .prepare(let preparation):
                    self.prepare(preparation)
                    return .none
                case .blocked(let error):
                    self.blocked(error)
                    return .none
                }
            }
            if let job = taken { return job }
        }
    }

    private func waitForTask() -> WriterTask? {
        let taken: Taken = self.monitor.waitForWork { running in
            if let task = running.core.takeTask() { return .task(task) }
            if case .stopped = running.core.state { return .ended }
            return running.closing && running.background == 0 && !running.core.hasWork ? .ended : nil
        }
        if case .task(let task) = taken { return task }
        return nil
    }

    /// Makes a segment on the calling thread and reports it.
    func prepare(_ preparation: SegmentPreparation) {
        let result: Result<any File, FileError>
        do throws(FileError) {
            result = .success(try preparation.perform(self.fileSystem))
        } catch {
            result = .failure(error)
            self.handler(.notice("a log segment could not be made: \(error)"))
        }
        self.monitor.withLock { $0.core.prepared(preparation, result) }
    }

    /// There is work and no segment for it. Without space nothing is lost by waiting: what was admitted stays in memory, new
    /// puts are refused, and it goes on when there is space again. Any other failure is one of the disk.
    private func blocked(_ error: FileError) {
        guard error.kind == .noSpace else {
            self.monitor.withLock { $0.core.failed() }
            self.recoverFromFailure(error.description)
            return
        }
        _ = self.monitor.wait(milliseconds: 200) { running -> Bool? in
            if case .stopped = running.core.state { return true }
            return nil
        }
        self.monitor.withLock { $0.core.preparationFailure = nil }
    }

    private func writeFailed(_ job: WriteJob, _ error: FileError) {
        let first = self.monitor.withLock { running -> Bool in
            guard running.core.term == job.segment.header.term, case .running = running.core.pipeline.phase else {
                return false
            }
            running.core.failed()
            return true
        }
        // Only the first of the writes in flight starts the recovery; the other one's result counts for nothing.
        if first { self.recoverFromFailure(error.description) }
    }
}
