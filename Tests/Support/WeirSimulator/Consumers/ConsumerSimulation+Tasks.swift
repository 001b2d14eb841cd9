// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirConsumer
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// What runs of a lease, step by step, as `LeaseRun` does: reads, processes, checkpoints, and stops when it is asked.
extension ConsumerSimulation {
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
            && self.random.chance(1, of: self.plan.slowProcessorEvery)
        // Goes on with what it has, whatever happens meanwhile, a pause of the process too.
        self.after(self.within(1...(isSlow ? 12_000 : 20)), at: .worker(worker)) { () throws(Violation) in
            try self.processed(worker, task, task.inHand.count)
            task.isBusy = false
            task.inHand = []
            if !task.isLost {
                task.processed = position
                try self.checkpointNowAndThen(worker, task, batch)
            } else if self.random.chance(1, of: 2) {
                // A processor that does not hear: it tells the server what it did.
                self.checkpoint(worker, worker.hold(task.key), position) { _ throws(Violation) in }
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
        } else if self.random.chance(1, of: 4) {
            let number = self.random.pick(batch.records).number
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
        guard worker.isAutomatic || self.random.chance(1, of: 2) else { return try self.finish(worker, task, .stopped) }
        task.isBusy = true
        try self.checkpoint(worker, task.key) { _ throws(Violation) in try self.finish(worker, task, .stopped) }
    }

    private func finish(
        _ worker: SimWorker, _ task: LeaseTask, _ outcome: WorkerMachine.ShardOutcome
    ) throws(Violation) {
        guard !task.isFinished else { return }
        task.isFinished = true
        worker.tasks[task.key] = nil
        self.note("\(worker.owner) is done with \(task.key): \(outcome)")
        try self.handle(worker, .shardFinished(task.key, outcome))
    }

    // MARK: Reading

    struct Batch: Sendable {
        let records: [SeenRecord]
        let next: UInt64
        let isEnd: Bool
    }

    /// A fenced read. A processor's bug is that of the machine: it reads under the counter that it was given.
    private func read(
        _ worker: SimWorker, _ task: LeaseTask, _ answer: @escaping (Result<Batch, WeirError>) throws(Violation) -> Void
    ) {
        let era = self.era
        self.after(self.within(1...6), at: .server) { () throws(Violation) in
            guard self.isUp, self.era == era else { return self.failed(worker, answer) }
            let result = try self.serveRead(task)
            self.sendBack(worker, .session) { () throws(Violation) in try answer(result) }
        }
    }

    private func serveRead(_ task: LeaseTask) throws(Violation) -> Result<Batch, WeirError> {
        if let error = self.core.unavailable() { return .failure(error) }
        let shard = task.key.shard
        let counter = self.breakage == .keepsCounter ? self.core.leases.row(self.ref, shard)?.counter : nil
        if let loss = self.core.leases.loss(self.ref, shard, counter: counter ?? task.key.counter) {
            return .failure(loss)
        }
        let place = ShardRef(stream: self.stream, shard: shard)
        var next = task.next
        if next == nil {
            switch self.start(of: task.lease.checkpoint, in: place) {
            case .success(let index): next = index
            case .failure(let error): return .failure(error)
            }
        }
        let away = Result<Batch, WeirError>.failure(WeirError(.unavailable, "the disk failed"))
        guard let index = next else { return away }
        guard let result = try self.node.readOnce(place, from: index, maxBytes: 1 << 16, maxRecords: 20) else {
            return away
        }
        let isEnd = result.recordCount == 0 && result.endOfShard != nil
        return .success(Batch(records: try self.seen(result, shard), next: result.nextIndex, isEnd: isEnd))
    }

    func start(of checkpoint: LeaseCheckpoint, in place: ShardRef) -> Result<UInt64, WeirError> {
        switch checkpoint {
        case .trimHorizon: self.node.resolveNow(.trimHorizon, in: place, nowMillis: self.node.now)
        case .atTimestamp(let millis): self.node.resolveNow(.atTimestamp(millis), in: place, nowMillis: self.node.now)
        case .sequenceNumber(let number, _): .success(number.index + 1)
        case .shardEnd: .success(.max)
        }
    }

    func seen(_ result: ReadResult, _ shard: ShardNumber) throws(Violation) -> [SeenRecord] {
        var records: [SeenRecord] = []
        for chunk in result.chunks {
            let whole: [SeenRecord]? = chunk.withBytes { raw in
                try? Self.decode(raw, shard, result.shardCreationSecond)
            }
            guard let whole else { throw Violation("a read of \(shard) returns what is no batch") }
            records += whole.filter { $0.index >= result.firstIndex && $0.index < result.nextIndex }
        }
        return records
    }

    private static func decode(
        _ raw: UnsafeRawBufferPointer, _ shard: ShardNumber, _ second: UInt64
    ) throws -> [SeenRecord] {
        var records: [SeenRecord] = []
        var offset = 0
        while offset < raw.count {
            let placement = try Placement(reading: raw.slice(offset, Placement.bytes))
            let body = raw.slice(offset + Placement.bytes, placement.bodyLength)
            let header = try BatchBody.header(of: body)
            var cursor = RecordCursor(records: body.slice(BatchBody.headerBytes, header.recordsLength))
            for index in placement.firstIndex..<placement.endIndex {
                guard let record = try cursor.next(), let id = SimRecord.id(in: record.data) else { break }
                records.append(
                    SeenRecord(
                        index: index, id: id, key: String(decoding: record.key, as: UTF8.self),
                        arrivalMillis: placement.arrivalMillis,
                        number: SequenceNumber(
                            shardCreationSecond: second, shard: shard, index: index,
                            arrivalSecond: UInt64(placement.arrivalMillis) / 1000)))
            }
            offset += placement.totalLength
        }
        return records
    }
}
