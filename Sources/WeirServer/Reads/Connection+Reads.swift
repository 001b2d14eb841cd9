// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirCatalog
import WeirLog
import WeirModel
import WeirProtocol
import WeirStorage

/// What a look at the log under its lock says of a read.
enum ReadOutcome {
    case found(ReadResult, Mark)
    /// Not in memory.
    case onDisk
    case refused(WeirError, Mark)
}

extension Connection {
    // MARK: GetShardIterator

    func getShardIterator(_ correlation: UInt64, _ payload: UnsafeRawBufferPointer) {
        let request: GetShardIterator
        do {
            request = try GetShardIterator(request: payload)
        } catch {
            return self.answer(.none, error, correlation)
        }
        let shard = ShardRef(stream: request.stream, shard: request.shard)
        self.resolve(request.start, in: shard, correlation) { connection, index, mark in
            let token = IteratorToken(
                stream: shard.stream, shard: shard.shard, index: index,
                issuedAtMillis: connection.node.clock.wallMillis, nodeID: connection.node.nodeID)
            let answer = GetShardIteratorAnswer(iterator: token.encode())
            connection.answer(mark, answer.frame(.getShardIteratorAnswer, correlation: correlation))
        }
    }

    /// Finds where reading begins; `body` runs when it is known. Refusals are answered.
    func resolve(
        _ start: ShardIteratorType, in shard: ShardRef, _ correlation: UInt64,
        _ body: @escaping @Sendable (Connection, UInt64, Mark) -> Void
    ) {
        let (missing, mark) = self.loop.withLog { log in (log.unreadable(shard), log.refusalMark) }
        if let missing { return self.answer(mark, missing, correlation) }
        guard self.reads.count + self.deferredAnswers < self.node.configuration.waitingRequestsMax else {
            return self.answer(.none, self.tooManyWait(self.reads.count + self.deferredAnswers), correlation)
        }
        guard let handle = self.loop.handle(of: self) else { return }
        self.deferredAnswers += 1
        self.node.storage.resolve(start, in: shard, nowMillis: self.node.clock.wallMillis) { result in
            handle.loop.run { loop in
                guard let connection = loop.connection(handle.id) else { return }
                connection.deferredAnswers -= 1
                switch result {
                case .success(let index): body(connection, index, mark)
                case .failure(let error): connection.answer(mark, error, correlation)
                }
                loop.flush()
            }
        }
    }

    // MARK: GetRecords

    func getRecords(_ correlation: UInt64, _ payload: UnsafeRawBufferPointer) {
        do throws(WeirError) {
            let request = try GetRecords(request: payload)
            let token = try IteratorToken(parsing: request.iterator)
            try token.check(nodeID: self.node.nodeID, nowMillis: self.node.clock.wallMillis)
            guard self.reads.count < self.node.configuration.waitingRequestsMax else {
                throw self.tooManyWait(self.reads.count)
            }
            try self.node.takeWaiter()
            let id = self.reads.nextID()
            self.reads[id] = ReadUnderWay(
                id: id, correlation: correlation, shard: ShardRef(stream: token.stream, shard: token.shard),
                limit: Int(request.limit), maxBytes: Int(request.maxBytes),
                deadlineNanos: self.node.clock.monotonicNanos + UInt64(request.waitMillis) * 1_000_000,
                index: token.index)
            self.continueRead(id)
        } catch {
            self.answer(.none, error, correlation)
        }
    }

    /// Tries a read, for the first time or again.
    func continueRead(_ id: UInt64) {
        guard var read = self.reads[id], !read.isOnDisk else { return }
        guard self.loop.reserveReadMemory(read.maxBytes, for: .read(connection: self.id, id)) else { return }
        let request = ReadRequest(
            shard: read.shard, fromIndex: read.index, maxRecords: read.limit, maxBytes: read.maxBytes,
            nowMillis: self.node.clock.wallMillis)
        let outcome = self.loop.withLog { log in self.look(request, &read, log) }
        self.reads[id] = read
        switch outcome {
        case .refused(let error, let mark):
            self.node.readMemory.release(read.maxBytes)
            self.endRead(id)
            self.answer(mark, error, read.correlation)
        case .found(let result, let mark): self.found(id, result, mark)
        case .onDisk: self.readDisk(id, request)
        }
    }

    private func look(_ request: ReadRequest, _ read: inout ReadUnderWay, _ log: LogCore) -> ReadOutcome {
        if let error = log.unreadable(request.shard) {
            return .refused(error, log.refusalMark)
        }
        if !read.isAdmitted, let settings = log.catalog.stream(request.shard.stream)?.settings {
            read.settings = settings
            if let wait = self.admitRead(request.shard, settings) {
                Counters.add(1, to: self.loop.counters.throttledReads)
                let error = WeirError(
                    .throughputExceeded, "the read rate of \(request.shard.shard) is used up",
                    verdict: RetryAfter.verdict(nanos: wait))
                return .refused(error, log.catalogMark)
            }
            read.isAdmitted = true
        }
        do {
            guard let result = try log.readFromMemory(request) else { return .onDisk }
            return .found(result, log.catalogMark)
        } catch {
            return .refused(error, log.catalogMark)
        }
    }

    private func admitRead(_ shard: ShardRef, _ settings: StreamSettings) -> UInt64? {
        guard settings.limits.readsOut != nil || settings.limits.bytesOut != nil else { return nil }
        let now = self.node.clock.monotonicNanos
        return self.node.admission.withLock {
            $0.with(shard, settings, nowNanos: now) { $0.admitRead(nowNanos: now) }
        }
    }

    private func readDisk(_ id: UInt64, _ request: ReadRequest) {
        guard let handle = self.loop.handle(of: self) else { return }
        self.reads[id]?.isOnDisk = true
        let node = self.node
        node.storage.read(request) { result in
            handle.loop.run { loop in
                guard let connection = loop.connection(handle.id), connection.reads[id] != nil else {
                    node.readMemory.release(request.maxBytes)
                    return
                }
                connection.reads[id]?.isOnDisk = false
                switch result {
                case .success(let result): connection.found(id, result, .none)
                case .failure(let error):
                    node.readMemory.release(request.maxBytes)
                    let correlation = connection.reads[id]?.correlation ?? 0
                    connection.endRead(id)
                    connection.answer(.none, error, correlation)
                }
                loop.flush()
            }
        }
    }

    /// Something or nothing was found; memory is reserved for `maxBytes`.
    private func found(_ id: UInt64, _ result: ReadResult, _ mark: Mark) {
        guard var read = self.reads[id] else { return }
        let now = self.node.clock.monotonicNanos
        if result.recordCount == 0, result.missed == 0, result.endOfShard == nil, now < read.deadlineNanos,
            !self.isDraining
        {
            self.node.readMemory.release(read.maxBytes)
            read.index = result.nextIndex
            self.reads[id] = read
            return self.loop.wait(.read(connection: self.id, id), for: read.shard, until: read.deadlineNanos)
        }
        self.endRead(id, isEmpty: result.recordCount == 0)
        // What was found stays counted until it has left, also while it may not be told.
        let node = self.node
        let bytes = result.chunks.reduce(0) { $0 + $1.count }
        node.readMemory.reserveAnyway(bytes)
        node.readMemory.release(read.maxBytes)
        if self.loop.watermark.judge(mark) == .reached { return self.answer(read, result, reserved: bytes) }
        self.whenDurable(mark, correlation: read.correlation, orElse: { node.readMemory.release(bytes) }) {
            connection in
            connection.answer(read, result, reserved: bytes)
        }
    }

    private var isDraining: Bool {
        if case .draining = self.session.state { return true }
        return false
    }

    /// Not under way any more.
    private func endRead(_ id: UInt64, isEmpty: Bool = true) {
        guard let read = self.reads[id] else { return }
        self.reads[id] = nil
        self.loop.stopWaiting(.read(connection: self.id, id))
        self.node.releaseWaiter()
        if isEmpty, read.isAdmitted, let settings = read.settings, settings.limits.readsOut != nil {
            let now = self.node.clock.monotonicNanos
            self.node.admission.withLock {
                $0.with(read.shard, settings, nowNanos: now) { $0.giveBackRead() }
            }
        }
    }

    /// Memory is reserved for `reserved` bytes.
    private func answer(_ read: ReadUnderWay, _ result: ReadResult, reserved: Int) {
        let settings = read.settings
        let answer: ReadAnswer
        do {
            answer = try ReadAnswer(result, exact: settings?.limits.bytesOut != nil)
        } catch {
            self.node.readMemory.release(reserved)
            return self.answer(.none, WeirError(.damaged, error.description), read.correlation)
        }
        let isEnd = result.endOfShard != nil
        let token = IteratorToken(
            stream: read.shard.stream, shard: read.shard.shard, index: result.nextIndex,
            issuedAtMillis: self.node.clock.wallMillis, nodeID: self.node.nodeID)
        let header = RecordsHeader(
            stream: read.shard.stream, shard: read.shard.shard, firstIndex: result.firstIndex,
            nextIndex: result.nextIndex, millisBehindLatest: result.millisBehindLatest, missedRecords: result.missed,
            shardCreationSecond: result.shardCreationSecond, batchBytes: UInt32(answer.batchBytes),
            nextIterator: isEnd ? nil : token.encode(), isEndOfShard: isEnd, children: result.endOfShard ?? [])
        self.charge(read.shard, settings, answer.payload)
        self.send(answer, header.answerHead(correlation: read.correlation), reserved: reserved, result.recordCount)
    }

    /// Counts bytes against the shard's rate.
    func charge(_ shard: ShardRef, _ settings: StreamSettings?, _ payload: Int, consumer: ConsumerName? = nil) {
        guard let settings, settings.limits.bytesOut != nil, payload > 0 else { return }
        let now = self.node.clock.monotonicNanos
        self.node.reading(shard, settings, consumer, nowNanos: now) { $0.charge(bytesOut: payload, nowNanos: now) }
    }

    /// Writes records. `reserved` is what was reserved for them; what they take stays reserved until they have left.
    func send(_ answer: ReadAnswer, _ head: [UInt8], reserved: Int, _ records: Int) {
        let node = self.node
        let bytes = answer.batchBytes
        if bytes <= reserved {
            node.readMemory.release(reserved - bytes)
        } else {
            node.readMemory.reserveAnyway(bytes - reserved)
        }
        Counters.add(records, to: self.loop.counters.recordsOut)
        Counters.add(answer.payload, to: self.loop.counters.bytesOut)
        guard let context, self.isOpen else { return node.readMemory.release(bytes) }
        let promise = context.eventLoop.makePromise(of: Void.self)
        self.reads.bytesOnTheWay += bytes
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { _ in
            bound.value.reads.bytesOnTheWay -= bytes
            node.readMemory.release(bytes)
        }
        self.write(answer.frame(head, context.channel.allocator), promise: promise)
    }
}
