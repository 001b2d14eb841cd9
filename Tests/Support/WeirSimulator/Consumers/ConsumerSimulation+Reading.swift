// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// What is pushed to a lease, from the server's end. As `Lane` runs it: the decisions are those of `ReadMachine`.
final class Push {
    let worker: SimWorker
    let task: LeaseTask
    /// Of the server: the subscription does not outlive its connection.
    let era: Int
    var machine: ReadMachine
    var isOver = false
    /// It will look again by itself.
    var isScheduled = false

    /// Bytes that may be under way to a task.
    private static let credit: UInt32 = 4096

    init(_ worker: SimWorker, _ task: LeaseTask, in era: Int, from index: UInt64) {
        self.worker = worker
        self.task = task
        self.era = era
        self.machine = ReadMachine(.pushed(SubscriptionCredit(bytes: Push.credit)), from: index)
    }
}

/// How the records of a lease come to its worker: it asks for them, or has them pushed. Both quote the lease.
extension ConsumerSimulation {
    struct Batch: Sendable {
        let records: [SeenRecord]
        let next: UInt64
        let isEnd: Bool
        let bytes: Int
    }

    typealias BatchAnswer = (Result<Batch, WeirError>) throws(Violation) -> Void

    /// A processor's bug is that of the machine: it reads under the counter that it was given.
    func read(_ worker: SimWorker, _ task: LeaseTask, _ answer: @escaping BatchAnswer) {
        if worker.isPolling { return self.poll(worker, task, answer) }
        guard task.inbox.isEmpty else {
            let next = task.inbox.removeFirst()
            if case .success(let batch) = next { self.grant(task, batch.bytes) } else { task.isSubscribed = false }
            // As any answer: not on the stack of who asks.
            return self.after(0, at: .worker(worker)) { () throws(Violation) in try answer(next) }
        }
        task.awaiting = answer
        task.awaits += 1
        if !task.isSubscribed { self.subscribe(worker, task) }
        self.waitOn(worker, task, task.awaits)
    }

    /// Nothing tells somebody to whom records are pushed that there are none: who checkpoints now and then looks at the
    /// end whether there is something left to checkpoint.
    private func waitOn(_ worker: SimWorker, _ task: LeaseTask, _ number: Int) {
        self.after(self.plan.session / 10, at: .worker(worker)) { () throws(Violation) in
            guard task.awaiting != nil, task.awaits == number else { return }
            if !worker.isAutomatic, self.isEnding { try self.handle(worker, .checkpoint(task.key, nil, ticket: nil)) }
            if task.awaiting != nil, task.awaits == number { self.waitOn(worker, task, number) }
        }
    }

    /// Whether reading under the task's lease is refused, as `Reader` judges it.
    private func refusal(_ task: LeaseTask) -> WeirError? {
        if self.breakage == .readsWithoutFence { return nil }
        let row = self.core.leases.row(self.ref, task.key.shard)
        let counter = self.breakage == .keepsCounter ? row?.counter : nil
        let reader = Reader(lease: .init(application: self.ref, counter: counter ?? task.key.counter))
        return reader.refusal(ShardRef(stream: self.stream, shard: task.key.shard), self.core.leases)
    }

    private func begin(_ task: LeaseTask) -> Result<UInt64, WeirError> {
        if let error = self.core.unavailable() { return .failure(error) }
        if let error = self.refusal(task) { return .failure(error) }
        if let next = task.next { return .success(next) }
        return self.start(of: task.lease.checkpoint, in: ShardRef(stream: self.stream, shard: task.key.shard))
    }

    private func lookUp(_ task: LeaseTask, from index: UInt64) throws(Violation) -> Batch? {
        let place = ShardRef(stream: self.stream, shard: task.key.shard)
        guard let result = try self.node.readOnce(place, from: index, maxBytes: 1 << 16, maxRecords: 20) else {
            return nil
        }
        let records = try self.seen(result, task.key.shard)
        if !records.isEmpty { try self.checkMayRead(task) }
        return Batch(
            records: records, next: result.nextIndex,
            isEnd: result.recordCount == 0 && result.endOfShard != nil,
            bytes: result.chunks.reduce(0) { $0 + $1.count })
    }

    /// Nobody is given records under a lease that has gone to somebody else for good.
    private func checkMayRead(_ task: LeaseTask) throws(Violation) {
        guard let row = self.leases.durable[task.key.shard], row.counter > task.key.counter else { return }
        throw Violation("records are given under \(task.key), whose counter is \(row.counter) by now")
    }

    // MARK: Asking

    private func poll(_ worker: SimWorker, _ task: LeaseTask, _ answer: @escaping BatchAnswer) {
        let era = self.era
        self.after(self.within(1...6), at: .server) { () throws(Violation) in
            guard self.isUp, self.era == era else { return self.failed(worker, answer) }
            let result: Result<Batch, WeirError>
            switch self.begin(task) {
            case .failure(let error): result = .failure(error)
            case .success(let index):
                let away = WeirError(.unavailable, "the disk failed")
                result = try self.lookUp(task, from: index).map { .success($0) } ?? .failure(away)
            }
            self.tally.reads.polls += 1
            if case .failure(let error) = result, error.code == .leaseLost { self.tally.reads.refused += 1 }
            self.sendBack(worker, .session) { () throws(Violation) in try answer(result) }
        }
    }

    // MARK: Pushing

    private func subscribe(_ worker: SimWorker, _ task: LeaseTask) {
        task.isSubscribed = true
        let era = self.era
        self.after(self.within(1...6), at: .server) { () throws(Violation) in
            guard self.isUp, self.era == era else {
                return self.failed(worker) { result throws(Violation) in try self.arrived(result, worker, task) }
            }
            switch self.begin(task) {
            case .failure(let error): self.endPush(error, worker, task)
            case .success(let index):
                let push = Push(worker, task, in: era, from: index)
                task.push = push
                try self.pump(push)
            }
        }
    }

    private func endPush(_ error: WeirError, _ worker: SimWorker, _ task: LeaseTask) {
        if error.code == .leaseLost { self.tally.reads.refused += 1 }
        self.sendBack(worker, .session) { () throws(Violation) in try self.arrived(.failure(error), worker, task) }
    }

    /// Looks for a subscription, as `Lane.continueRead`.
    private func pump(_ push: Push) throws(Violation) {
        while !push.isOver, self.isUp, self.era == push.era, push.machine.mayLook(hasRoom: true) {
            var error: WeirError?
            var batch: Batch?
            let sight: ReadMachine.Sight
            if let away = self.core.unavailable() {
                sight = .unavailable(retryMillis: 50)
                error = away
            } else if let loss = self.refusal(push.task) {
                sight = .refused(mayTell: self.core.mayTell(self.core.leaseMark))
                error = loss
            } else if let found = try self.lookUp(push.task, from: push.machine.index) {
                batch = found
                sight = .found(nextIndex: found.next, isNews: !found.records.isEmpty || found.isEnd, isSure: true)
            } else {
                sight = .unavailable(retryMillis: 50)
            }
            switch push.machine.saw(sight, nowNanos: self.nanos) {
            case .deliver:
                guard let batch else { throw Violation("a push without records") }
                self.tally.reads.pushes += 1
                push.machine.delivered(nextIndex: batch.next, batchBytes: UInt32(batch.bytes))
                push.isOver = batch.isEnd
                self.sendBack(push.worker, .session) { () throws(Violation) in
                    try self.arrived(.success(batch), push.worker, push.task)
                }
            case .wait:
                // For news, for a time: the next look is near.
                guard !push.isScheduled else { return }
                push.isScheduled = true
                self.after(self.within(5...self.plan.session / 15), at: .server) { () throws(Violation) in
                    push.isScheduled = false
                    try self.pump(push)
                }
                return
            case .refuse:
                push.isOver = true
                self.endPush(error ?? WeirError(.unavailable, "the disk failed"), push.worker, push.task)
            case .readDisk: throw Violation("a subscription goes to the disk, where there is none")
            }
        }
    }

    /// The worker takes so many bytes more.
    private func grant(_ task: LeaseTask, _ bytes: Int) {
        let era = self.era
        self.after(self.within(1...6), at: .server) { () throws(Violation) in
            guard self.isUp, self.era == era, let push = task.push, !push.isOver else { return }
            if push.machine.grant(bytes: UInt32(bytes)) { try self.pump(push) }
        }
    }

    /// Something has come to the worker by its subscription.
    private func arrived(
        _ result: Result<Batch, WeirError>, _ worker: SimWorker, _ task: LeaseTask
    ) throws(Violation) {
        guard !task.isFinished else { return }
        task.inbox.append(result)
        guard let answer = task.awaiting else { return }
        task.awaiting = nil
        self.read(worker, task, answer)
    }

    /// Nobody takes the records any more.
    func unsubscribe(_ task: LeaseTask) {
        task.push?.isOver = true
        task.push = nil
    }

    /// The server goes down, and the connections with it.
    func endPushes() {
        for task in self.workers.flatMap(\.leases) {
            guard let push = task.push, !push.isOver else { continue }
            self.unsubscribe(task)
            self.failed(push.worker) { result throws(Violation) in
                try self.arrived(result, push.worker, task)
            }
        }
    }

    func start(of checkpoint: LeaseCheckpoint, in place: ShardRef) -> Result<UInt64, WeirError> {
        switch checkpoint {
        case .trimHorizon: self.node.resolveNow(.trimHorizon, in: place, nowMillis: self.node.now)
        case .at(let time): self.node.resolveNow(.at(time), in: place, nowMillis: self.node.now)
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
