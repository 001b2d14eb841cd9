// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirCatalog
import WeirLog
import WeirModel
import WeirProtocol
import WeirStorage

extension Connection {
    /// Bytes of batches in one push, unless a single batch is larger.
    private static let pushBytes = 1 << 20
    /// Pushes to one subscription before others have their turn.
    private static let pushesInTurn = 8
    /// How long an empty answer of a reader thread is believed, in nanoseconds: something may have come meanwhile.
    private static let secondLookNanos: UInt64 = 20_000_000

    // MARK: Beginning and ending

    func subscribe(_ correlation: UInt64, _ payload: UnsafeRawBufferPointer) {
        let request: Subscribe
        let reader: SubscriptionReader
        do throws(WeirError) {
            request = try Subscribe(request: payload)
            reader = try SubscriptionReader(request)
            guard self.subscriptions.count < self.node.configuration.subscriptionsMax else {
                throw WeirError(
                    .limitExceeded,
                    "this connection has \(self.subscriptions.count) subscriptions; "
                        + "\(self.node.configuration.subscriptionsMax) are allowed")
            }
        } catch {
            return self.answer(.none, error, correlation)
        }
        let shard = ShardRef(stream: request.stream, shard: request.shard)
        let (refusal, leaseMark) = self.loop.withLog { log in
            (reader.refusal(shard, log.leases), log.leaseMark)
        }
        if let refusal { return self.answer(leaseMark, refusal, correlation) }
        let credit = SubscriptionCredit(bytes: request.creditBytes)
        switch request.start {
        case .iterator(let start):
            self.resolve(start, in: shard, correlation) { connection, index, mark in
                connection.begin(shard, reader, at: index, credit: credit, mark, correlation)
            }
        case .index(let index):
            let (missing, mark) = self.loop.withLog { log in
                (log.unreadable(shard, from: index), log.refusalMark)
            }
            if let missing { return self.answer(mark, missing, correlation) }
            self.begin(shard, reader, at: index, credit: credit, mark, correlation)
        }
    }

    /// The answer goes first, so that the client knows what the pushes belong to.
    private func begin(
        _ shard: ShardRef, _ reader: SubscriptionReader, at index: UInt64, credit: SubscriptionCredit, _ mark: Mark,
        _ correlation: UInt64
    ) {
        self.whenDurable(mark, correlation: correlation) { connection in
            do throws(WeirError) {
                guard connection.isOpen, !connection.isGoingDown else { throw Connection.goingDown }
                try connection.node.takeWaiter()
            } catch {
                return connection.answer(.none, error, correlation)
            }
            let id = connection.subscriptions.nextID()
            connection.subscriptions[id] = Subscription(
                id: id, shard: shard, reader: reader, index: index, credit: credit)
            let answer = SubscribeAnswer(subscription: id)
            connection.answer(.none, answer.frame(.subscribeAnswer, correlation: correlation))
            connection.continueSubscription(id)
        }
    }

    func unsubscribe(_ correlation: UInt64, _ payload: UnsafeRawBufferPointer) {
        do throws(WeirError) {
            let request = try Unsubscribe(request: payload)
            guard self.subscriptions.wasGivenOut(request.subscription) else {
                throw WeirError(
                    .invalidArgument, "subscription \(request.subscription) does not exist on this connection")
            }
            // It may be over, and its end have crossed the request.
            self.remove(request.subscription)
            self.answer(.none, Empty().frame(.unsubscribeAnswer, correlation: correlation))
        } catch {
            self.answer(.none, error, correlation)
        }
    }

    private func remove(_ id: UInt32) {
        guard self.subscriptions[id] != nil else { return }
        self.subscriptions[id] = nil
        self.loop.stopWaiting(.subscription(connection: self.id, id))
        self.node.releaseWaiter()
    }

    private func end(_ id: UInt32, _ error: WeirError) {
        guard self.subscriptions[id] != nil else { return }
        self.remove(id)
        self.loop.counters.count(error: error.code)
        self.write(ByteBuffer(bytes: SubscriptionEnded(subscription: id, error: error).frame()))
    }

    func streamDeleted(_ stream: StreamID) {
        guard self.isOpen else { return }
        for subscription in self.subscriptions.all where subscription.shard.stream == stream {
            self.end(subscription.id, WeirError(.streamDeleted, "the stream was deleted"))
        }
        for read in self.reads.all where read.shard.stream == stream { self.continueRead(read.id) }
    }

    /// The node goes down: long polls are answered, subscriptions end.
    func endAllReading(_ error: WeirError) {
        for subscription in self.subscriptions.all { self.end(subscription.id, error) }
        for read in self.reads.all { self.continueRead(read.id) }
        self.answerHeartbeats()
    }

    var isGoingDown: Bool {
        if case .draining = self.session.state { return true }
        return false
    }

    // MARK: Pushing

    func grant(_ credit: Credit) {
        guard var subscription = self.subscriptions[credit.subscription] else { return }
        subscription.credit.grant(bytes: credit.bytes)
        self.subscriptions[credit.subscription] = subscription
        if subscription.state == .wantsCredit { self.continueSubscription(credit.subscription) }
    }

    /// The client reads again.
    func pumpBlocked() {
        for subscription in self.subscriptions.all where subscription.state == .wantsRoom {
            self.continueSubscription(subscription.id)
        }
    }

    /// Pushes what there is, as far as credit, the client's reading, the shard's rate and memory go.
    func continueSubscription(_ id: UInt32) {
        for _ in 0..<Self.pushesInTurn {
            guard let subscription = self.subscriptions[id], subscription.state != .reading, self.isOpen else { return }
            guard subscription.credit.mayPush else { return self.set(id, .wantsCredit) }
            guard self.isWritable else { return self.set(id, .wantsRoom) }
            guard
                self.loop.reserveReadMemory(
                    Self.pushBytes, for: .subscription(connection: self.id, subscription.id))
            else { return self.set(id, .waiting) }
            let request = ReadRequest(
                shard: subscription.shard, fromIndex: subscription.index, maxRecords: Int(Int32.max),
                maxBytes: Self.pushBytes, nowMillis: self.node.clock.wallMillis)
            let (outcome, settings) = self.loop.withLog { log in self.look(request, subscription.reader, log) }
            switch outcome {
            case .wait(let nanos):
                self.node.readMemory.release(Self.pushBytes)
                return self.wait(subscription, nanos: nanos)
            case .refused(let error):
                self.node.readMemory.release(Self.pushBytes)
                return self.end(id, error)
            case .onDisk: return self.readDisk(id, request, settings)
            case .found(let result):
                guard self.push(id, result, settings) else { return self.rest(id, result.nextIndex) }
            }
        }
        // There may be more: others first.
        if let subscription = self.subscriptions[id] { self.wait(subscription, nanos: 1) }
    }

    private enum Look {
        case found(ReadResult)
        case onDisk
        case wait(nanos: UInt64)
        case refused(WeirError)
    }

    private func look(
        _ request: ReadRequest, _ reader: SubscriptionReader, _ log: LogCore
    ) -> (Look, StreamSettings?) {
        if let error = log.unavailable() {
            // While the node recovers, the subscription lives on: what was pushed is durable.
            if case .after(let millis) = error.verdict.retry { return (.wait(nanos: UInt64(millis) * 1_000_000), nil) }
            return (.refused(error), nil)
        }
        // A deletion or an expiry that is not durable yet is not told: the sweep after it does.
        guard let stream = log.catalog.stream(request.shard.stream), stream.shard(request.shard.shard) != nil else {
            let error = log.unreadable(request.shard) ?? WeirError(.shardNotFound, "\(request.shard) is gone")
            return log.mayTell(log.catalogMark) ? (.refused(error), nil) : (.wait(nanos: 1_000_000), nil)
        }
        let settings = stream.settings
        // What a power cut could undo is not told: the next look is.
        if let error = reader.refusal(request.shard, log.leases) {
            return log.mayTell(log.leaseMark) ? (.refused(error), nil) : (.wait(nanos: 1_000_000), nil)
        }
        if settings.limits.bytesOut != nil, let wait = self.bytesOutWait(request.shard, settings, reader.consumer) {
            return (.wait(nanos: wait), settings)
        }
        do {
            guard let result = try log.readFromMemory(request) else { return (.onDisk, settings) }
            return (.found(result), settings)
        } catch {
            return (.refused(error), settings)
        }
    }

    private func bytesOutWait(_ shard: ShardRef, _ settings: StreamSettings, _ consumer: ConsumerName?) -> UInt64? {
        let now = self.node.clock.monotonicNanos
        return self.node.reading(shard, settings, consumer, nowNanos: now) { $0.nanosUntilBytesOut(nowNanos: now) }
    }

    private func set(_ id: UInt32, _ state: Subscription.State) { self.subscriptions[id]?.state = state }

    /// Waits for a time only.
    private func wait(_ subscription: Subscription, nanos: UInt64) {
        self.set(subscription.id, .waiting)
        self.loop.wait(
            .subscription(connection: self.id, subscription.id), for: nil,
            until: self.node.clock.monotonicNanos + nanos)
    }

    /// Waits for records behind `index`; `nanos`: looks again after that in any case.
    private func rest(_ id: UInt32, _ index: UInt64, nanos: UInt64? = nil) {
        guard let subscription = self.subscriptions[id] else { return }
        self.subscriptions[id]?.index = index
        self.set(id, .waiting)
        self.loop.wait(
            .subscription(connection: self.id, id), for: subscription.shard,
            until: nanos.map { self.node.clock.monotonicNanos + $0 })
    }

    private func readDisk(_ id: UInt32, _ request: ReadRequest, _ settings: StreamSettings?) {
        guard let handle = self.loop.handle(of: self) else { return }
        self.set(id, .reading)
        let node = self.node
        node.storage.read(request) { result in
            handle.loop.run { loop in
                guard let connection = loop.connection(handle.id), connection.subscriptions[id]?.state == .reading
                else {
                    node.readMemory.release(request.maxBytes)
                    return
                }
                connection.set(id, .waiting)
                connection.diskAnswered(id, result, settings, reserved: request.maxBytes)
                loop.flush()
            }
        }
    }

    private func diskAnswered(
        _ id: UInt32, _ result: Result<ReadResult, WeirError>, _ settings: StreamSettings?, reserved: Int
    ) {
        switch result {
        case .success(let result):
            if self.push(id, result, settings) {
                self.continueSubscription(id)
            } else {
                self.rest(id, result.nextIndex, nanos: Self.secondLookNanos)
            }
        case .failure(let error):
            self.node.readMemory.release(reserved)
            guard let subscription = self.subscriptions[id] else { return }
            if case .after(let millis) = error.verdict.retry {
                self.wait(subscription, nanos: UInt64(max(1, millis)) * 1_000_000)
            } else {
                self.end(id, error)
            }
        }
    }

    /// Pushes what was found; false when there was nothing. Memory is reserved for a whole push.
    private func push(_ id: UInt32, _ result: ReadResult, _ settings: StreamSettings?) -> Bool {
        guard var subscription = self.subscriptions[id],
            result.recordCount > 0 || result.missed > 0 || result.endOfShard != nil
        else {
            self.node.readMemory.release(Self.pushBytes)
            return false
        }
        let answer: ReadAnswer
        do {
            answer = try ReadAnswer(result, exact: settings?.limits.bytesOut != nil)
        } catch {
            self.node.readMemory.release(Self.pushBytes)
            self.end(id, WeirError(.damaged, error.description))
            return true
        }
        let header = RecordsHeader(
            stream: subscription.shard.stream, shard: subscription.shard.shard, firstIndex: result.firstIndex,
            nextIndex: result.nextIndex, millisBehindLatest: result.millisBehindLatest, missedRecords: result.missed,
            shardCreationSecond: result.shardCreationSecond, batchBytes: UInt32(answer.batchBytes),
            isEndOfShard: result.endOfShard != nil, children: result.endOfShard ?? [])
        subscription.index = result.nextIndex
        subscription.credit.take(batchBytes: header.batchBytes)
        self.subscriptions[id] = subscription
        self.charge(subscription.shard, settings, answer.payload, consumer: subscription.reader.consumer)
        self.send(answer, header.pushHead(subscription: id), reserved: Self.pushBytes, result.recordCount)
        if result.endOfShard != nil { self.remove(id) }
        return true
    }
}
