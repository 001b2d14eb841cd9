// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import Synchronization
import WeirIO
import WeirModel
import WeirProtocol

/// One connection to a node, from Hello to its end: what is asked over it, and who hears the answers.
final class ClientConnection: FrameReceiver {
    enum Context: Sendable {
        case call(PendingCall)
        case put(any PutSink, sequence: UInt64)
        case subscribe(any SubscriptionSink)
        case ping
    }

    struct Settings: Sendable {
        let hello: Hello
        let clock: any Clock
        let connectTimeout: Duration
        let pingInterval: Duration
        let logger: Logger?
        /// Hears how attempts to connect went.
        var watch: ConnectionWatch?
        /// Hears of the end, if anybody puts over this connection.
        var putSink: (any PutSink)?
    }

    private struct State {
        var session: ClientSession<Context>
        var frames: (any FrameConnection)?
        /// By correlation id, those that may run out of time.
        var calls: [UInt64: PendingCall] = [:]
        var subscriptions: [UInt32: any SubscriptionSink] = [:]
        var pushPool = BufferPool()
        var lastHeard: UInt64
        var isPinging = false
        /// Why it ends, when that is known before the network says so.
        var reason: WeirError?
    }

    private let settings: Settings
    private let opening: PendingCall
    private let state: Mutex<State>
    /// Set once, before anything happens.
    private let alarm = Mutex<Alarm?>(nil)

    private init(_ settings: Settings) {
        self.settings = settings
        let now = settings.clock.monotonicNanos
        self.opening = PendingCall(deadline: now + settings.connectTimeout.nanos)
        self.state = Mutex(State(session: ClientSession(hello: settings.hello), lastHeard: now))
        let alarm = Alarm(clock: settings.clock) { [weak self] in self?.timeHasPassed() }
        self.alarm.withLock { $0 = alarm }
    }

    /// Connects and says hello. Throws `unavailable`, `timedOut`, `unsupportedVersion`, `notAuthorized`.
    static func open(_ transport: any Transport, _ settings: Settings) async throws -> ClientConnection {
        do {
            let connection = try await Self.connect(transport, settings)
            settings.watch?.attempted(nil)
            return connection
        } catch {
            settings.watch?.attempted(error as? WeirError)
            throw error
        }
    }

    private static func connect(_ transport: any Transport, _ settings: Settings) async throws -> ClientConnection {
        let connection = ClientConnection(settings)
        let frames = try await transport.connect(to: connection, timeout: settings.connectTimeout)
        connection.arm(at: connection.opening.deadline)
        do {
            _ = try await connection.opening.wait {
                let hello = connection.state.withLock { state in
                    state.frames = frames
                    return state.session.connected()
                }
                frames.send(ByteBuffer(bytes: hello))
            }
        } catch {
            frames.close()
            throw error
        }
        connection.arm(at: settings.clock.monotonicNanos + settings.pingInterval.nanos)
        return connection
    }

    private func arm(at nanoseconds: UInt64) {
        self.alarm.withLock { $0 }?.arm(at: nanoseconds)
    }

    /// What the server said in Hello; `nil` when the connection is not open.
    var helloAnswer: HelloAnswer? {
        self.state.withLock { if case .open(let answer) = $0.session.state { answer } else { nil } }
    }

    /// Whether Hello was answered and no reason to end it has come up.
    var isOpen: Bool {
        self.state.withLock { state in
            guard case .open = state.session.state else { return false }
            return state.reason == nil
        }
    }

    /// Why it has ended or is about to; `nil` while it is open.
    var endReason: WeirError? { self.state.withLock { $0.reason } }

    /// Subscriptions that are running.
    var subscriptionCount: Int { self.state.withLock { $0.subscriptions.count } }

    /// Ends it. Everybody who waits hears `reason`.
    func close(_ reason: WeirError = WeirError(.unavailable, "the client closed the connection")) {
        let frames = self.state.withLock { state in
            if state.reason == nil { state.reason = reason }
            return state.frames
        }
        frames?.close()
    }
}

// MARK: - Sending

extension ClientConnection {
    /// Sends a request and waits for its answer until `deadline`, in nanoseconds.
    func call<C: WireCall>(_ request: C, deadline: UInt64) async throws -> C.Answer {
        let payload = try await self.exchange(request, deadline: deadline)
        do {
            return try payload.withUnsafeReadableBytes { raw throws(MalformedBytes) in try C.Answer(payload: raw) }
        } catch {
            throw self.violated("the answer to \(C.self) does not read: \(error)")
        }
    }

    /// As `call`, for an answer that is not a message of its own. Returns its payload.
    func exchange<R: WireRequest>(_ request: R, deadline: UInt64) async throws -> ByteBuffer {
        try request.validate()
        let call = PendingCall(deadline: deadline)
        return try await call.wait { self.send(request, .call(call)) }
    }

    /// Asks for a subscription; `sink` hears what comes of it.
    func subscribe(_ request: Subscribe, _ sink: any SubscriptionSink) {
        self.send(request, .subscribe(sink))
    }

    func grant(_ subscription: UInt32, bytes: UInt32) {
        let frames = self.state.withLock { $0.subscriptions[subscription] == nil ? nil : $0.frames }
        frames?.send(ByteBuffer(bytes: Credit(subscription: subscription, bytes: bytes).frame()))
    }

    /// Wants nothing more of a subscription. Its sink hears nothing any more.
    func unsubscribe(_ subscription: UInt32) {
        let isThere = self.state.withLock { $0.subscriptions.removeValue(forKey: subscription) != nil }
        guard isThere else { return }
        self.send(Unsubscribe(subscription: subscription), .call(PendingCall(deadline: .max)))
    }

    private func send<R: WireRequest>(_ request: R, _ context: Context) {
        let request = request.told(to: self.helloAnswer?.features ?? 0)
        let bytes = request.encode().count
        let admission = self.state.withLock { state -> (ClientSession<Context>.Admission, (any FrameConnection)?) in
            let admission = state.session.request(R.type, bytes: bytes, context: context)
            if case .send(let correlation) = admission, case .call(let call) = context, call.deadline < .max {
                state.calls[correlation] = call
            }
            return (admission, state.frames)
        }
        switch admission.0 {
        case .send(let correlation):
            if case .call(let call) = context, call.deadline < .max { self.arm(at: call.deadline) }
            admission.1?.send(ByteBuffer(bytes: request.frame(correlation: correlation)))
        case .wait:
            Self.fail(context, WeirError(.limitExceeded, "too many requests wait for an answer on one connection"))
        case .refuse(let error): Self.fail(context, error)
        }
    }

    private static func fail(_ context: Context, _ error: WeirError) {
        switch context {
        case .call(let call): call.finish(.failure(error))
        case .subscribe(let sink): sink.ended(error)
        case .put(let sink, let sequence): sink.putRefused(sequence, error)
        case .ping: break
        }
    }

    /// Whether the server's credit allows a put with so many payload bytes now.
    func mayPut(_ bytes: Int) -> Bool { self.state.withLock { $0.session.mayPut(bytes) } }

    /// Sends a put; `frame` makes it for a correlation id. False when the connection is closed or has no credit.
    func put(
        bytes: Int, sequence: UInt64, _ sink: any PutSink, _ frame: (_ correlation: UInt64) -> ByteBuffer
    ) -> Bool {
        let (admission, frames) = self.state.withLock { state in
            (
                state.session.request(.putRecords, bytes: bytes, context: .put(sink, sequence: sequence)),
                state.frames
            )
        }
        guard case .send(let correlation) = admission else { return false }
        frames?.send(frame(correlation))
        return true
    }
}

// MARK: - Receiving

extension ClientConnection {
    func received(_ header: FrameHeader, _ frame: ByteBuffer, isOwned: Bool) {
        var payload = frame
        payload.moveReaderIndex(forwardBy: FrameHeader.bytes)
        let now = self.settings.clock.monotonicNanos
        let received = self.state.withLock { state -> ClientSession<Context>.Received in
            state.lastHeard = now
            state.isPinging = false
            if !state.calls.isEmpty { state.calls[header.correlation] = nil }
            return state.session.received(header)
        }
        switch received {
        case .helloAnswer: self.helloAnswered(payload)
        case .helloRefused: self.close(Self.error(in: payload))
        case .answer(_, let context): self.answered(context, payload, isOwned: isOwned)
        case .failure(_, let context): Self.fail(context, Self.error(in: payload))
        case .push(.recordsPush): self.pushed(payload, isOwned: isOwned)
        case .push(.subscriptionEnded): self.subscriptionEnded(payload)
        case .push: self.close(Self.error(in: payload))
        case .violation(let error): self.close(error)
        }
    }

    /// The error in an `ErrorAnswer` or a `Closing`, which have the same form.
    private static func error(in payload: ByteBuffer) -> WeirError {
        let error = payload.withUnsafeReadableBytes { try? ErrorAnswer(payload: $0).error }
        return error ?? WeirError(.malformedRequest, "the server sent an error that does not read")
    }

    private func helloAnswered(_ payload: ByteBuffer) {
        do {
            try self.state.withLock { state throws(WeirError) in
                _ = try payload.withUnsafeReadableBytes { raw throws(WeirError) in
                    try state.session.helloAnswered(payload: raw)
                }
            }
            self.opening.finish(.success(payload))
        } catch {
            self.close(error)
        }
    }

    private func answered(_ context: Context, _ payload: ByteBuffer, isOwned: Bool) {
        switch context {
        // Whoever called may keep it for long.
        case .call(let call): call.finish(.success(isOwned ? payload : self.copy(payload)))
        case .put(let sink, let sequence): sink.putAnswered(sequence, payload)
        case .ping: break
        case .subscribe(let sink):
            guard let answer = payload.withUnsafeReadableBytes({ try? SubscribeAnswer(payload: $0) }) else {
                _ = self.violated("the answer to Subscribe does not read")
                return
            }
            self.state.withLock { $0.subscriptions[answer.subscription] = sink }
            sink.subscribed(answer.subscription)
        }
    }

    private func pushed(_ payload: ByteBuffer, isOwned: Bool) {
        guard let subscription = payload.getInteger(at: payload.readerIndex, endianness: .little, as: UInt32.self)
        else {
            _ = self.violated("a push without a subscription")
            return
        }
        // What was wanted no more may still have been on its way.
        guard let sink = self.state.withLock({ $0.subscriptions[subscription] }) else { return }
        let goesOn = sink.received(isOwned ? payload : self.copy(payload))
        if !goesOn { self.state.withLock { _ = $0.subscriptions.removeValue(forKey: subscription) } }
    }

    /// A copy that holds nothing else: what was read from the network lies in larger memory.
    private func copy(_ payload: ByteBuffer) -> ByteBuffer {
        var copy = self.state.withLock { $0.pushPool.take(capacity: payload.readableBytes) }
        copy.writeImmutableBuffer(payload)
        self.state.withLock { $0.pushPool.giveBack(copy) }
        return copy
    }

    private func subscriptionEnded(_ payload: ByteBuffer) {
        guard let ended = payload.withUnsafeReadableBytes({ try? SubscriptionEnded(payload: $0) }) else {
            _ = self.violated("the end of a subscription does not read")
            return
        }
        self.state.withLock { $0.subscriptions.removeValue(forKey: ended.subscription) }?.ended(ended.error)
    }

    func violated(_ what: String) -> WeirError {
        let error = WeirError(.malformedRequest, "the server does not keep to the protocol: \(what)")
        self.close(error)
        return error
    }
}

// MARK: - Time and the end

extension ClientConnection {
    private func timeHasPassed() {
        let now = self.settings.clock.monotonicNanos
        let interval = self.settings.pingInterval.nanos
        let (expired, next, silence) = self.state.withLock { state -> ([PendingCall], UInt64?, UInt64) in
            let expired = state.calls.filter { $0.value.deadline <= now }
            for (correlation, _) in expired { state.calls[correlation] = nil }
            guard case .open = state.session.state else { return (expired.map(\.value), nil, 0) }
            let silence = now - state.lastHeard
            let nextPing = silence < interval ? state.lastHeard + interval : now + interval
            return (expired.map(\.value), min(nextPing, state.calls.values.map(\.deadline).min() ?? .max), silence)
        }
        for call in expired { call.finish(.failure(WeirError(.timedOut, "no answer came in time"))) }
        if self.opening.deadline <= now, !self.isOpen {
            let error = WeirError(
                .timedOut, "the server did not answer Hello in time",
                verdict: .init(maybeStored: false, retry: .after(millis: 100)))
            self.opening.finish(.failure(error))
            self.close(error)
        }
        if silence >= 2 * interval, next != nil {
            self.close(
                WeirError(.unavailable, "nothing was heard of the server for \(silence / 1_000_000) ms"))
        } else if silence >= interval {
            let shouldPing = self.state.withLock { state in
                defer { state.isPinging = true }
                return !state.isPinging
            }
            if shouldPing { self.send(Ping(), .ping) }
        }
        if let next { self.arm(at: next) }
    }

    func closed(_ reason: WeirError) {
        let (error, ended, sinks) = self.state.withLock { state in
            let error = state.reason ?? reason
            state.reason = error
            let sinks = Array(state.subscriptions.values)
            state.subscriptions = [:]
            state.calls = [:]
            state.frames = nil
            return (error, state.session.closed(error), sinks)
        }
        self.settings.logger?.debug("connection closed: \(error.message)")
        self.opening.finish(.failure(error))
        for request in ended {
            // Puts are told once, by the end of the connection.
            if case .put = request.context { continue }
            Self.fail(request.context, request.error)
        }
        for sink in sinks { sink.ended(error) }
        self.settings.putSink?.connectionClosed(error)
    }
}
