// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirConsumer
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// What runs of a lease, step by step, as `LeaseRun` does: reads, processes, checkpoints, and stops when it is asked.
extension Workers {
    func begin(_ worker: SimWorker, _ key: LeaseKey, _ lease: AssignedLease) throws(Violation) {
        self.note("\(worker.owner) begins \(key) at \(lease.checkpoint)")
        let task = LeaseTask(key, lease)
        worker.tasks[key] = task
        try self.goOn(worker, task)
    }

    private func later(_ worker: SimWorker, _ task: LeaseTask, _ millis: UInt64) {
        task.isBusy = true
        self.after(millis, at: .worker(worker)) { () throws(Violation) in
            task.isBusy = false
            try self.goOn(worker, task)
        }
    }

    /// The next step, when nothing of the lease is under way.
    func goOn(_ worker: SimWorker, _ task: LeaseTask) throws(Violation) {
        guard !task.isBusy, !task.isFinished, worker.isAlive else { return }
        if let reason = task.stop { return try self.wind(down: worker, task, reason) }
        task.isBusy = true
        self.read(worker, task) { result throws(Violation) in
            task.isBusy = false
            guard task.stop == nil else { return try self.goOn(worker, task) }
            switch result {
            case .success(let batch): try self.take(batch, worker, task)
            case .failure(let error) where error.code == .leaseLost:
                try self.handle(worker, .readingRefused(task.key, error))
                try self.goOn(worker, task)
            case .failure: self.later(worker, task, self.within(50...200))
            }
        }
    }

    private func take(_ batch: Batch, _ worker: SimWorker, _ task: LeaseTask) throws(Violation) {
        task.next = batch.next
        guard let last = batch.records.last else {
            if batch.isEnd { return try self.endShard(worker, task) }
            if !worker.isAutomatic, self.isEnding { try self.handle(worker, .checkpoint(task.key, nil, ticket: nil)) }
            return self.later(worker, task, self.within(self.plan.session / 40...self.plan.session / 15))
        }
        let position = LeaseCheckpoint.sequenceNumber(last.number, subSequence: nil)
        try self.handle(worker, .delivered(task.key, position))
        guard worker.machine.isUsable(task.key, now: self.nanos) else {
            return try self.finish(worker, task, .stopped)
        }
        task.inHand = batch.records
        task.isBusy = true
        let isSlow =
            !self.isEnding && self.plan.slowProcessorEvery > 0
            && self.simulation.random.chance(1, of: self.plan.slowProcessorEvery)
        // Goes on with what it has, whatever happens meanwhile, a pause of the process too.
        self.after(self.within(1...(isSlow ? 12_000 : 20)), at: .worker(worker)) { () throws(Violation) in
            try self.processed(worker, task, task.inHand.count)
            task.isBusy = false
            task.inHand = []
            if !task.isLost {
                task.processed = position
                try self.checkpointNowAndThen(worker, task, batch)
            } else if self.simulation.random.chance(1, of: 2) {
                // A processor that does not hear: it tells the server what it did.
                self.checkpoint(worker, worker.hold(task.key), at: position) { _ throws(Violation) in }
            }
            try self.goOn(worker, task)
        }
    }

    /// The first `count` of what the processor has.
    func processed(_ worker: SimWorker, _ task: LeaseTask, _ count: Int) throws(Violation) {
        guard count > 0 else { return }
        let hold = LeaseAuditor.Hold(shard: task.key.shard, counter: task.key.counter)
        let start = self.leases.holdings[hold].map(\.start) ?? task.lease.checkpoint
        self.note("\(worker.owner) has processed \(count) records of \(task.key.shard) at \(task.inHand[0].index)")
        for record in task.inHand.prefix(count) {
            try self.records.processed(record, of: hold, start: start, by: "\(worker.owner)")
        }
    }

    private func checkpointNowAndThen(
        _ worker: SimWorker, _ task: LeaseTask, _ batch: Batch
    ) throws(Violation) {
        if worker.isAutomatic || self.isEnding {
            try self.handle(worker, .checkpoint(task.key, nil, ticket: nil))
        } else if self.simulation.random.chance(1, of: 4) {
            let number = self.simulation.random.pick(batch.records).number
            try self.handle(
                worker, .checkpoint(task.key, .sequenceNumber(number, subSequence: nil), ticket: nil))
        }
    }

    // MARK: Ends

    private func endShard(_ worker: SimWorker, _ task: LeaseTask) throws(Violation) {
        try self.handle(worker, .reachedEnd(task.key))
        try self.storeEnd(worker, task)
    }

    private func storeEnd(_ worker: SimWorker, _ task: LeaseTask) throws(Violation) {
        task.isBusy = true
        try self.checkpoint(worker, task.key) { error throws(Violation) in
            if error == nil { return try self.finish(worker, task, .ended) }
            if task.isLost { return try self.finish(worker, task, .stopped) }
            self.after(self.within(20...200), at: .worker(worker)) { () throws(Violation) in
                if task.stop == nil {
                    try self.storeEnd(worker, task)
                } else {
                    try self.finish(worker, task, .stopped)
                }
            }
        }
    }

    private func wind(
        down worker: SimWorker, _ task: LeaseTask, _ reason: WorkerMachine.StopReason
    ) throws(Violation) {
        if case .lost = reason { return try self.finish(worker, task, .stopped) }
        try self.handle(worker, .delivered(task.key, task.processed))
        guard worker.isAutomatic || self.simulation.random.chance(1, of: 2) else {
            return try self.finish(worker, task, .stopped)
        }
        task.isBusy = true
        try self.checkpoint(worker, task.key) { _ throws(Violation) in try self.finish(worker, task, .stopped) }
    }

    private func finish(
        _ worker: SimWorker, _ task: LeaseTask, _ outcome: WorkerMachine.ShardOutcome
    ) throws(Violation) {
        guard !task.isFinished else { return }
        task.isFinished = true
        task.awaiting = nil
        task.inbox.removeAll()
        if task.isSubscribed { self.after(1, at: .node) { () throws(Violation) in self.unsubscribe(task) } }
        worker.tasks[task.key] = nil
        self.note("\(worker.owner) is done with \(task.key): \(outcome)")
        try self.handle(worker, .shardFinished(task.key, outcome))
    }
}
