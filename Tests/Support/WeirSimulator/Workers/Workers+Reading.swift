// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// How the records of a lease come to its worker: it asks for them, or has them pushed. Both quote the lease.
extension Workers {
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

    /// Under which lease the task reads.
    private func reader(of task: LeaseTask) -> Reader {
        if self.breakage == .readsWithoutFence { return Reader() }
        let row = self.core.leases.row(self.ref, task.key.shard)
        let counter = self.breakage == .keepsCounter ? row?.counter : nil
        return Reader(lease: .init(application: self.ref, counter: counter ?? task.key.counter))
    }

    private func place(_ task: LeaseTask) -> ShardRef { ShardRef(stream: self.stream, shard: task.key.shard) }

    /// Finds where reading goes on.
    private func lookUp(
        _ task: LeaseTask, by connection: WorkerConnection, then: @escaping (Result<UInt64, WeirError>) -> Void
    ) {
        let type: ShardIteratorType
        switch task.lease.checkpoint {
        case _ where task.next != nil: return then(.success(task.next ?? 0))
        case .sequenceNumber(let number, _): return then(.success(number.index + 1))
        case .shardEnd: return then(.success(.max))
        case .trimHorizon: type = .trimHorizon
        case .at(let time): type = .at(time)
        }
        connection.lane.resolve(type, in: self.place(task), connection.caller, then: then)
    }

    private func batch(_ found: FoundRecords) throws(Violation) -> Batch {
        _ = try self.node.judge(found)
        var records: [SeenRecord] = []
        var isWhole = true
        found.forEachPiece { raw in
            guard let piece = try? Self.decode(raw, found.shard.shard, found.shardCreationSecond) else {
                isWhole = false
                return
            }
            records += piece.filter { $0.index >= found.firstIndex && $0.index < found.nextIndex }
        }
        guard isWhole else { throw Violation("a read of \(found.shard) returns what is no batch") }
        return Batch(
            records: records, next: found.nextIndex, isEnd: found.recordCount == 0 && found.endOfShard != nil,
            bytes: found.batchBytes)
    }

    /// The bytes have left a little later, whatever becomes of the connection.
    private func leaves(_ found: FoundRecords, by connection: WorkerConnection) {
        self.simulation.at(self.now + self.within(0...6), inEra: connection.era) { connection.lane.left(found) }
    }

    /// Nobody is given records under a lease that has gone to somebody else for good.
    private func checkMayRead(_ task: LeaseTask, _ counter: UInt64?) throws(Violation) {
        guard let counter, counter > task.key.counter else { return }
        throw Violation("records are given under \(task.key), whose counter is \(counter) by now")
    }

    // MARK: Asking

    private func poll(_ worker: SimWorker, _ task: LeaseTask, _ answer: @escaping BatchAnswer) {
        let era = self.era
        self.after(self.within(1...6), at: .node) { () throws(Violation) in
            guard let connection = self.connection(of: worker, in: era) else { return self.failed(worker, answer) }
            let number = connection.asked { [unowned self] in self.failed(worker, answer) }
            let give = { [unowned self] (result: Result<Batch, WeirError>) in
                guard connection.answered(number) else { return }
                self.simulation.tally[.leasePolls] += 1
                if case .failure(let error) = result, error.code == .leaseLost {
                    self.simulation.tally[.lostReads] += 1
                }
                self.sendBack(worker, .session) { () throws(Violation) in try answer(result) }
            }
            self.lookUp(task, by: connection) { [unowned self] start in
                guard connection.isOpen else { return }
                switch start {
                case .success(let index): self.poll(task, from: index, by: connection, give)
                case .failure(let error): give(.failure(error))
                }
            }
        }
    }

    private func poll(
        _ task: LeaseTask, from index: UInt64, by connection: WorkerConnection,
        _ give: @escaping (Result<Batch, WeirError>) -> Void
    ) {
        let call = ReadCall(shard: self.place(task), reader: self.reader(of: task), maxRecords: 20, maxBytes: 1 << 16)
        let due = self.nanos + self.simulation.random.pick([0, 0, self.plan.session / 15]) * 1_000_000
        // Whose the lease was when it was asked: what is found may wait until it may be told.
        let counter = self.leases.durable[task.key.shard]?.counter
        connection.lane.read(call, from: index, until: due, connection.caller) { [unowned self] result in
            switch result {
            case .success(let found):
                self.leaves(found, by: connection)
                self.simulation.guarded { () throws(Violation) in
                    let batch = try self.batch(found)
                    if !batch.records.isEmpty { try self.checkMayRead(task, counter) }
                    give(.success(batch))
                }
            case .failure(let error): give(.failure(error))
            }
        }
    }

    // MARK: Pushing

    /// Until what a thread reads from the disk is with its lane.
    private static let diskMillis: UInt64 = 20

    /// Bytes that may be under way to a task.
    private static let credit: UInt32 = 4096

    /// The node's end of a subscription.
    private final class Sink: RecordSink {
        private unowned let workers: Workers
        private let task: LeaseTask
        private let connection: WorkerConnection
        /// What fails when the connection ends.
        let number: UInt64

        init(_ workers: Workers, _ task: LeaseTask, _ connection: WorkerConnection) {
            self.workers = workers
            self.task = task
            self.connection = connection
            let worker = connection.worker
            self.number = connection.asked { [unowned workers] in
                workers.failed(worker) { result throws(Violation) in try workers.arrived(result, worker, task) }
            }
        }

        func push(_ found: FoundRecords) { self.workers.pushed(found, self.task, self.connection) }

        func ended(_ error: WeirError) {
            guard self.connection.answered(self.number) else { return }
            self.workers.endPush(error, self.connection.worker, self.task)
        }
    }

    private func subscribe(_ worker: SimWorker, _ task: LeaseTask) {
        task.isSubscribed = true
        let era = self.era
        self.after(self.within(1...6), at: .node) { () throws(Violation) in
            guard let connection = self.connection(of: worker, in: era) else {
                return self.failed(worker) { result throws(Violation) in try self.arrived(result, worker, task) }
            }
            let sink = Sink(self, task, connection)
            self.lookUp(task, by: connection) { [unowned self] start in
                guard connection.isOpen else { return }
                switch start {
                case .success(let index): self.subscribe(task, from: index, by: connection, to: sink)
                case .failure(let error): sink.ended(error)
                }
            }
        }
    }

    private func subscribe(_ task: LeaseTask, from index: UInt64, by connection: WorkerConnection, to sink: Sink) {
        let (lane, caller) = (connection.lane, connection.caller)
        let call = ReadCall.pushed(self.place(task), self.reader(of: task))
        if let (error, mark) = lane.refusal(of: call) {
            return lane.whenDurable(mark) {
                sink.ended(error)
            } onFailure: {
                sink.ended(WeirError(.unavailable, "a write failed; try again"))
            }
        }
        lane.check(index, in: call.shard, caller) { result in
            guard connection.isOpen else { return }
            do throws(WeirError) {
                _ = try result.get()
                let id = try lane.subscribe(
                    call, from: index, credit: SubscriptionCredit(bytes: Self.credit), caller, to: sink)
                task.subscription = (id, connection)
                lane.startPushing(id)
            } catch {
                sink.ended(error)
            }
        }
    }

    private func endPush(_ error: WeirError, _ worker: SimWorker, _ task: LeaseTask) {
        if error.code == .leaseLost { self.simulation.tally[.lostReads] += 1 }
        task.subscription = nil
        self.sendBack(worker, .session) { () throws(Violation) in try self.arrived(.failure(error), worker, task) }
    }

    private func pushed(_ found: FoundRecords, _ task: LeaseTask, _ connection: WorkerConnection) {
        self.leaves(found, by: connection)
        guard connection.isOpen else { return }
        self.simulation.tally[.leasePushes] += 1
        self.simulation.guarded { () throws(Violation) in
            let batch = try self.batch(found)
            if !batch.records.isEmpty {
                // A push that was on the disk began its look so much earlier, at most.
                if self.now > self.leases.countedSince[task.key.shard, default: 0] + Self.diskMillis {
                    try self.checkMayRead(task, self.leases.durable[task.key.shard]?.counter)
                }
                self.sendBack(connection.worker, .session) { () throws(Violation) in
                    try self.arrived(.success(batch), connection.worker, task)
                }
            }
            guard found.endOfShard != nil else { return }
            task.subscription = nil
            let end = Batch(records: [], next: found.nextIndex, isEnd: true, bytes: 0)
            self.sendBack(connection.worker, .session) { () throws(Violation) in
                try self.arrived(.success(end), connection.worker, task)
            }
        }
    }

    /// The worker takes so many bytes more.
    private func grant(_ task: LeaseTask, _ bytes: Int) {
        guard bytes > 0, let (id, connection) = task.subscription else { return }
        self.after(self.within(1...6), at: .node) {
            if connection.isOpen { connection.lane.grant(UInt32(clamping: bytes), to: id) }
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
        guard let (id, connection) = task.subscription else { return }
        task.subscription = nil
        if connection.isOpen { connection.lane.unsubscribe(id) }
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
