// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirCatalog
import WeirEngine
import WeirLog
import WeirModel
import WeirProtocol

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
        self.lane.resolve(request.start, in: shard, self.caller) { [self] result in
            switch result {
            case .success(let index):
                let answer = GetShardIteratorAnswer(iterator: self.token(shard, index))
                self.answer(.none, answer.frame(.getShardIteratorAnswer, correlation: correlation))
            case .failure(let error): self.answer(.none, error, correlation)
            }
        }
    }

    private func token(_ shard: ShardRef, _ index: UInt64) -> [UInt8] {
        IteratorToken(
            stream: shard.stream, shard: shard.shard, index: index, issuedAtMillis: self.node.clock.wallMillis,
            nodeID: self.node.nodeID
        ).encode()
    }

    // MARK: GetRecords

    func getRecords(_ correlation: UInt64, _ payload: UnsafeRawBufferPointer) {
        do throws(WeirError) {
            let request = try GetRecords(request: payload)
            switch request.from {
            case .iterator(let bytes):
                let token = try IteratorToken(parsing: bytes)
                try token.check(nodeID: self.node.nodeID, nowMillis: self.node.clock.wallMillis)
                let call = try Self.call(request, ShardRef(stream: token.stream, shard: token.shard))
                self.read(call, from: token.index, request, correlation)
            case .place(let stream, let shard, let start):
                let call = try Self.call(request, ShardRef(stream: stream, shard: shard))
                self.locate(start, call) { [self] result in
                    switch result {
                    case .success(let index): self.read(call, from: index, request, correlation)
                    case .failure(let error): self.answer(.none, error, correlation)
                    }
                } refused: { [self] error, mark in
                    self.answer(mark, error, correlation)
                }
            }
        } catch {
            self.answer(.none, error, correlation)
        }
    }

    private static func call(_ request: GetRecords, _ shard: ShardRef) throws(WeirError) -> ReadCall {
        ReadCall(
            shard: shard, reader: try Reader(quoting: request.lease, of: shard.stream),
            maxRecords: Int(request.limit), maxBytes: Int(request.maxBytes))
    }

    private func read(_ call: ReadCall, from index: UInt64, _ request: GetRecords, _ correlation: UInt64) {
        // It may have ended while the index was looked up.
        guard self.isOpen else { return }
        let deadline = self.node.clock.monotonicNanos + UInt64(request.waitMillis) * 1_000_000
        self.lane.read(call, from: index, until: deadline, self.caller) { [self] result in
            switch result {
            case .success(let found): self.answer(found, correlation)
            case .failure(let error): self.answer(.none, error, correlation)
            }
        }
    }

    /// Finds the index that reading begins at, for those who may read at all.
    func locate(
        _ start: ReadStart, _ call: ReadCall, then: @escaping (Result<UInt64, WeirError>) -> Void,
        refused: (WeirError, Mark) -> Void
    ) {
        if let (error, mark) = self.lane.refusal(of: call) { return refused(error, mark) }
        switch start {
        case .iterator(let start): self.lane.resolve(start, in: call.shard, self.caller, then: then)
        case .index(let index): self.lane.check(index, in: call.shard, self.caller, then: then)
        }
    }

    private func answer(_ found: FoundRecords, _ correlation: UInt64) {
        let isEnd = found.endOfShard != nil
        let header = RecordsHeader(found, nextIterator: isEnd ? nil : self.token(found.shard, found.nextIndex))
        self.send(found, header.answerHead(correlation: correlation))
    }

    /// Writes records. What they take of the memory for reads is given back when they have left.
    func send(_ found: FoundRecords, _ head: [UInt8]) {
        let lane = self.lane
        guard let context, self.isOpen else { return lane.left(found) }
        let promise = context.eventLoop.makePromise(of: Void.self)
        let bytes = found.batchBytes
        self.output.recordBytes += bytes
        let memory = self.node.engine.readMemory
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { _ in
            bound.value.output.recordBytes -= bytes
            memory.release(bytes)
        }
        var frame = context.channel.allocator.buffer(capacity: head.count + bytes)
        frame.writeBytes(head)
        found.forEachPiece { frame.writeBytes($0) }
        self.write(frame, promise: promise)
    }
}

extension Reader {
    /// Under the lease that a request quotes, if it quotes one.
    init(quoting lease: ReadLease?, of stream: StreamID, consumer: ConsumerName? = nil) throws(WeirError) {
        guard let lease else {
            self.init(consumer: consumer)
            return
        }
        let application = ApplicationRef(stream: stream, name: try lease.application.get())
        self.init(lease: Lease(application: application, counter: lease.counter), consumer: consumer)
    }
}

extension RecordsHeader {
    init(_ found: FoundRecords, nextIterator: [UInt8]? = nil) {
        self.init(
            stream: found.shard.stream, shard: found.shard.shard, firstIndex: found.firstIndex,
            nextIndex: found.nextIndex, millisBehindLatest: found.millisBehindLatest, missedRecords: found.missed,
            shardCreationSecond: found.shardCreationSecond, batchBytes: UInt32(clamping: found.batchBytes),
            nextIterator: nextIterator, isEndOfShard: found.endOfShard != nil, children: found.endOfShard ?? [])
    }
}
