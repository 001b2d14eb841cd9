// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirEngine
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
        guard self.caller.holdings.mayGrow else { return self.answer(.none, self.noMemoryToWait, correlation) }
        let request = ParkedRequest(type: type, correlation: correlation, payload: [UInt8](payload))
        self.parked.append(request)
        self.caller.holdings.change(.parked, by: request.heldBytes)
    }

    /// Whether there is room for one more answer.
    private var mayAnswer: Bool {
        self.isWritable && self.output.pending.otherBytes < Holdings.waitingBytesMax && self.caller.holdings.mayGrow
            && self.caller.deferred < self.node.configuration.waitingRequestsMax
    }

    /// Whether there is room for the answer to a heartbeat, which has room of its own that other requests cannot take.
    var mayAnswerHeartbeat: Bool {
        max(self.output.pending.otherBytes, self.caller.holdings[.unread]) < Holdings.heartbeatBytesMax
            && self.caller.holdings.mayGrow
    }

    /// Whether something waits for that room.
    var hasParked: Bool { !self.parked.isEmpty || !self.heartbeats.parked.isEmpty }

    func tooManyWait(_ count: Int) -> WeirError {
        WeirError(
            .limitExceeded,
            "\(count) requests of this connection wait; \(self.node.configuration.waitingRequestsMax) may",
            verdict: .init(maybeStored: false, retry: .after(millis: 100)))
    }

    var noMemoryToWait: WeirError {
        let memory = self.node.engine.heldMemory
        return WeirError(
            .unavailable,
            "requests and answers of all connections hold \(memory.reservedBytes) bytes while they wait; "
                + "\(memory.bytesMax) are allowed",
            verdict: .init(maybeStored: false, retry: .after(millis: 100)))
    }

    /// There may be room again.
    func serveParked() {
        while self.isOpen, self.mayAnswerHeartbeat, let id = self.heartbeats.parked.popFirst() {
            self.answerParkedHeartbeat(id)
        }
        while self.isOpen, self.mayAnswer, let request = self.parked.popFirst() {
            self.caller.holdings.change(.parked, by: -request.heldBytes)
            request.payload.withUnsafeBytes { self.serveNow(request.type, request.correlation, $0) }
        }
        if self.parked.isEmpty { self.parked.removeAll(keepingCapacity: false) }
    }

    private func serveNow(_ type: FrameType, _ correlation: UInt64, _ payload: UnsafeRawBufferPointer) {
        switch type {
        case .getShardIterator: self.getShardIterator(correlation, payload)
        case .getRecords: self.getRecords(correlation, payload)
        case .subscribe: self.subscribe(correlation, payload)
        default:
            if self.serveGroups(type, correlation, payload) || self.serveStreams(type, correlation, payload)
                || self.serveDeliveries(type, correlation, payload)
            {
                return
            }
            self.answer(.none, WeirError(.malformedRequest, "type \(type.rawValue) is no request"), correlation)
        }
    }

    /// Nothing waits any more: the connection ends.
    func endAllWaiting() {
        self.output.pending = PendingAnswers()
        self.parked.removeAll()
        self.heartbeats.parked.removeAll()
        self.caller.holdings.set(.waiting, 0)
        self.caller.holdings.set(.parked, 0)
        self.endHeartbeats()
        self.lane.endAllReads(of: self.caller)
    }
}

extension Connection: LaneMember {
    var hasRoom: Bool { self.isWritable && self.isOpen }

    /// The time has come for a heartbeat, or there is news for its worker.
    func woken(_ wait: UInt64) { self.continueHeartbeat(wait) }

    func lookAgain() {
        if self.hasParked { self.resumeSoon() }
        self.closeWhenDrained()
    }
}
