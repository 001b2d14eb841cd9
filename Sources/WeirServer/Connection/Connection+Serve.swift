// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirLog
import WeirModel
import WeirProtocol

/// A request that came while the client was not reading its answers.
struct ParkedRequest {
    let type: FrameType
    let correlation: UInt64
    let payload: [UInt8]
}

extension Connection {
    /// Any request but puts and what keeps a connection going. One that comes while answers are not read waits, so that
    /// a few small requests cannot make the node hold many large answers.
    func serve(_ type: FrameType, _ correlation: UInt64, _ payload: UnsafeRawBufferPointer) {
        if type == .unsubscribe { return self.unsubscribe(correlation, payload) }
        guard !self.isWritable || !self.parked.isEmpty else { return self.serveNow(type, correlation, payload) }
        guard self.parked.count < self.node.configuration.waitingRequestsMax else {
            return self.answer(.none, self.tooManyWait(self.parked.count), correlation)
        }
        self.parked.append(ParkedRequest(type: type, correlation: correlation, payload: [UInt8](payload)))
    }

    func tooManyWait(_ count: Int) -> WeirError {
        WeirError(
            .limitExceeded,
            "\(count) requests of this connection wait; \(self.node.configuration.waitingRequestsMax) may",
            verdict: .init(maybeStored: false, retry: .after(100)))
    }

    /// The client reads again.
    func serveParked() {
        while self.isWritable, let request = self.parked.popFirst() {
            request.payload.withUnsafeBytes { self.serveNow(request.type, request.correlation, $0) }
        }
        if !self.parked.isEmpty { return }
        self.parked.removeAll(keepingCapacity: false)
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
    func whenDurable(_ mark: Mark, correlation: UInt64, _ body: @escaping (Connection) -> Void) {
        self.deferredAnswers += 1
        self.loop.whenDurable(mark) { [self] in
            self.deferredAnswers -= 1
            if self.isOpen { body(self) }
        } onFailure: { [self] in
            self.deferredAnswers -= 1
            self.answer(
                .none, WeirError(.unavailable, "a write failed before this could be answered; try again"), correlation)
        }
    }

    /// Nothing waits any more: the connection ends.
    func endAllWaiting() {
        self.pending = PendingAnswers()
        self.parked.removeAll()
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
