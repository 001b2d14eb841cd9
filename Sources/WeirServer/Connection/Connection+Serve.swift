// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirLog
import WeirModel
import WeirProtocol

/// A request that came while there was no room for its answer.
struct ParkedRequest {
    let type: FrameType
    let correlation: UInt64
    let payload: [UInt8]

    /// What it costs to keep it.
    var heldBytes: Int { self.payload.count + Holdings.requestBytes }
}

extension Connection {
    /// Serves any request except puts and those that keep a connection going. While the client does not read, or
    /// answers wait for the log, the node keeps a new request and serves it later. It never keeps the answer instead,
    /// so that a few small requests cannot make it hold many large answers.
    func serve(_ type: FrameType, _ correlation: UInt64, _ payload: UnsafeRawBufferPointer) {
        switch type {
        case .unsubscribe: return self.unsubscribe(correlation, payload)
        // A sign of life waits behind nothing.
        case .heartbeat: return self.heartbeat(correlation, payload)
        default: break
        }
        if self.parked.isEmpty, self.mayAnswer { return self.serveNow(type, correlation, payload) }
        guard self.parked.count < self.node.configuration.waitingRequestsMax else {
            return self.answer(.none, self.tooManyWait(self.parked.count), correlation)
        }
        guard self.holdings.mayGrow else { return self.answer(.none, self.noMemoryToWait, correlation) }
        let request = ParkedRequest(type: type, correlation: correlation, payload: [UInt8](payload))
        self.parked.append(request)
        self.holdings.change(.parked, by: request.heldBytes)
    }

    /// Whether there is room for one more answer.
    private var mayAnswer: Bool {
        self.isWritable && self.pending.otherBytes < Holdings.waitingBytesMax && self.holdings.mayGrow
            && self.deferredAnswers < self.node.configuration.waitingRequestsMax
    }

    /// Whether there is room for the answer to a heartbeat, which has room of its own that other requests cannot take.
    var mayAnswerHeartbeat: Bool {
        max(self.pending.otherBytes, self.holdings[.unread]) < Holdings.heartbeatBytesMax && self.holdings.mayGrow
    }

    /// Whether something waits for that room.
    var hasParked: Bool { !self.parked.isEmpty || !self.parkedHeartbeats.isEmpty }

    func countUnderWay() {
        let count = self.reads.count + self.subscriptions.count + self.heartbeats.count + self.deferredAnswers
        self.holdings.set(.underWay, count * Holdings.requestBytes)
    }

    func tooManyWait(_ count: Int) -> WeirError {
        WeirError(
            .limitExceeded,
            "\(count) requests of this connection wait; \(self.node.configuration.waitingRequestsMax) may",
            verdict: .init(maybeStored: false, retry: .after(100)))
    }

    var noMemoryToWait: WeirError {
        WeirError(
            .unavailable,
            "requests and answers of all connections hold \(self.node.heldMemory.reservedBytes) bytes while they wait; "
                + "\(self.node.heldMemory.bytesMax) are allowed",
            verdict: .init(maybeStored: false, retry: .after(100)))
    }

    /// There may be room again.
    func serveParked() {
        while self.isOpen, self.mayAnswerHeartbeat, let id = self.parkedHeartbeats.popFirst() {
            self.answerParkedHeartbeat(id)
        }
        while self.isOpen, self.mayAnswer, let request = self.parked.popFirst() {
            self.holdings.change(.parked, by: -request.heldBytes)
            request.payload.withUnsafeBytes { self.serveNow(request.type, request.correlation, $0) }
        }
        if self.parked.isEmpty { self.parked.removeAll(keepingCapacity: false) }
    }

    private func serveNow(_ type: FrameType, _ correlation: UInt64, _ payload: UnsafeRawBufferPointer) {
        switch type {
        case .getShardIterator: self.getShardIterator(correlation, payload)
        case .getRecords: self.getRecords(correlation, payload)
        case .subscribe: self.subscribe(correlation, payload)
        case .deleteStream: self.deleteStream(correlation, payload)
        default:
            if self.serveGroups(type, correlation, payload) { return }
            let answer = ControlCalls(loop: self.loop).answer(type, correlation, payload)
            if let error = answer.error { self.loop.counters.count(error: error) }
            self.answer(answer.mark, answer.frame)
        }
    }

    private func deleteStream(_ correlation: UInt64, _ payload: UnsafeRawBufferPointer) {
        let answer = ControlCalls(loop: self.loop).answer(.deleteStream, correlation, payload)
        if let error = answer.error { self.loop.counters.count(error: error) }
        self.answer(answer.mark, answer.frame)
        if answer.error == nil, let request = try? DeleteStream(request: payload) {
            self.node.streamDeleted(request.stream, answer.mark)
        }
    }

    /// Does `body` once `mark` is reached; the connection counts it as something to be finished before it closes.
    /// `orElse`: instead of it, when the mark is lost or the connection is not open any more.
    func whenDurable(
        _ mark: Mark, correlation: UInt64, orElse: @escaping () -> Void = {}, _ body: @escaping (Connection) -> Void
    ) {
        self.deferredAnswers += 1
        self.loop.whenDurable(mark) { [self] in
            self.deferredAnswers -= 1
            if self.isOpen { body(self) } else { orElse() }
            if self.hasParked { self.resumeSoon() }
        } onFailure: { [self] in
            self.deferredAnswers -= 1
            orElse()
            self.answer(
                .none, WeirError(.unavailable, "a write failed before this could be answered; try again"), correlation)
        }
    }

    /// Nothing waits any more: the connection ends.
    func endAllWaiting() {
        self.pending = PendingAnswers()
        self.parked.removeAll()
        self.parkedHeartbeats.removeAll()
        self.holdings.set(.waiting, 0)
        self.holdings.set(.parked, 0)
        for read in self.reads.removeAll() {
            self.loop.stopWaiting(.read(connection: self.id, read.id))
            self.node.releaseWaiter()
        }
        self.endHeartbeats()
        for subscription in self.subscriptions.removeAll() {
            self.loop.stopWaiting(.subscription(connection: self.id, subscription.id))
            self.node.releaseWaiter()
        }
    }

    /// A time or a shard that somebody of this connection waited for has come.
    func woken(_ waiter: LoopContext.Waiter) {
        guard self.isOpen else { return }
        switch waiter {
        case .read(_, let id): self.continueRead(id)
        case .subscription(_, let id): self.continueSubscription(id)
        case .heartbeat(_, let id): self.continueHeartbeat(id)
        }
    }
}
