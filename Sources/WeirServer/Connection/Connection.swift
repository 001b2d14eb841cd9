// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import WeirLog
import WeirModel
import WeirProtocol

/// One client: the only handler in its channel's pipeline. Parses frames where they arrived, keeps what is under way,
/// writes answers when the log lets them go. Touched only on its event loop.
final class Connection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let id: UInt64
    let loop: LoopContext
    let node: NodeCore
    var session: ServerSession
    var ordered = OrderedPuts()
    var pending = PendingAnswers()
    var assembly = FrameAssembly()
    /// Memory of a frame that came in pieces, until its puts are committed.
    var heldFrame: (memory: UnsafeMutableRawBufferPointer, length: Int)?
    /// Input that came while an older connection of the session was being fenced.
    var heldInput: ByteBuffer?
    var reads = ReadsUnderWay()
    var subscriptions = Subscriptions()
    /// Requests that wait until the client reads its answers.
    var parked = CircularBuffer<ParkedRequest>()
    /// Answers of control calls that wait for the log by themselves.
    var deferredAnswers = 0

    private(set) var context: ChannelHandlerContext?
    private(set) var phase = Phase.open
    private(set) var clientName = ""
    /// Since when the client has not read what waits for it.
    private var unreadSinceMillis: Int64?
    private var closeDeadlineMillis: Int64?
    private var isAwaitingDurable = false
    private var needsFlush = false
    private var isResuming = false
    /// Why the node takes no more connections; told at once.
    private let refusal: WeirError?
    private let peer: String
    private var sessionID: UInt64 = 0
    /// An older connection of the session is being fenced.
    private var isAwaitingOlder = false
    /// Who waits for this one to be fenced.
    private var onFenced: [@Sendable () -> Void] = []

    enum Phase {
        case open
        /// Hello has come; an older connection of its session is being fenced.
        case fencing(HelloAnswer, correlation: UInt64)
        /// Closing is said; what comes is dropped.
        case closing
        case gone
    }

    init(_ loop: LoopContext, peer: String, refusal: WeirError?) {
        self.loop = loop
        self.node = loop.node
        self.id = loop.node.nextConnectionID()
        self.session = ServerSession(loop.node.sessionConfiguration, now: loop.node.nowMillis)
        self.peer = peer
        self.refusal = refusal
    }

    var isOpen: Bool {
        switch self.phase {
        case .open, .fencing: true
        case .closing, .gone: false
        }
    }

    /// Whether the client reads what it is sent, as far as this end can see.
    var isWritable: Bool { self.context?.channel.isWritable ?? false }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.loop.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        if let refusal { self.close(refusal) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = self.unwrapInboundIn(data)
        switch self.phase {
        case .open: self.receive(buffer)
        case .fencing: self.hold(buffer)
        case .closing, .gone: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) { self.flushNow() }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            self.unreadSinceMillis = nil
            self.resumeSoon()
        } else {
            self.unreadSinceMillis = self.unreadSinceMillis ?? self.node.nowMillis
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.log(.debug, "connection failed", reason: "\(error)")
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.phase = .gone
        self.dropInput()
        self.endAllWaiting()
        if self.sessionID != 0 { self.node.sessions.remove(self.sessionID, connection: self.id) }
        // One that waits for its predecessor stays known until that is fenced: its successor waits for both.
        if !self.isAwaitingOlder { self.leave() }
        self.node.connectionCount.subtract(1, ordering: .relaxed)
    }

    private func leave() {
        self.loop.remove(self)
        self.fencedNow()
    }

    // MARK: Sessions

    /// Hello was accepted: an older connection of the session is fenced first.
    func greet(_ hello: Hello, _ answer: HelloAnswer, correlation: UInt64) {
        self.clientName = hello.clientName
        self.sessionID = hello.sessionID
        guard hello.sessionID != 0, let handle = self.loop.handle(of: self) else {
            return self.answerHello(answer, correlation)
        }
        guard let older = self.node.sessions.register(hello.sessionID, connection: self.id, handle) else {
            return self.answerHello(answer, correlation)
        }
        self.phase = .fencing(answer, correlation: correlation)
        self.isAwaitingOlder = true
        self.setReading(false)
        older.loop.run { loop in
            let done: @Sendable () -> Void = { handle.loop.run { $0.fenced(handle.id) } }
            if let connection = loop.connection(older.id) { connection.fence(done) } else { done() }
        }
    }

    /// A newer connection speaks for the session: nothing that has not been taken up is taken up any more.
    func fence(_ done: @escaping @Sendable () -> Void) {
        self.onFenced.append(done)
        self.close(
            WeirError(
                .sessionFenced, "a newer connection has taken over the session",
                verdict: .init(maybeStored: false, retry: .never)))
        // Its own predecessor may still be at work; then `olderIsFenced` goes on.
        if !self.isAwaitingOlder { self.fencedNow() }
    }

    /// The older connection of the session admits nothing any more.
    func olderIsFenced() {
        self.isAwaitingOlder = false
        self.fencedNow()
        switch self.phase {
        case .gone: self.leave()
        case .open, .closing: break
        case .fencing(let answer, let correlation):
            self.phase = .open
            self.answerHello(answer, correlation)
            let held = self.heldInput
            self.heldInput = nil
            if let held { self.receive(held) }
            if self.isOpen { self.setReading(true) }
            self.flushNow()
        }
    }

    private func fencedNow() {
        let waiting = self.onFenced
        self.onFenced = []
        for done in waiting { done() }
    }

    private func answerHello(_ answer: HelloAnswer, _ correlation: UInt64) {
        self.log(.debug, "connection is open", reason: "client \(self.clientName)")
        self.answer(.none, answer.frame(.helloAnswer, correlation: correlation))
    }

    private func hold(_ buffer: ByteBuffer) {
        var buffer = buffer
        if self.heldInput == nil { self.heldInput = ByteBuffer() }
        self.heldInput?.writeBuffer(&buffer)
    }

    private func setReading(_ isOn: Bool) {
        guard let context else { return }
        // Only a channel that is closed refuses the option, and such a one reads nothing.
        try? context.channel.syncOptions?.setOption(.autoRead, value: isOn)
    }

    // MARK: Closing

    /// Says why and closes. What waits for the log is not answered any more.
    func close(_ error: WeirError) {
        guard self.isOpen, let context else { return }
        _ = self.session.close()
        self.phase = .closing
        self.log(.info, "closing a connection", reason: error.description)
        self.loop.counters.count(error: error.code)
        self.dropInput()
        self.endAllWaiting()
        self.setReading(true)
        self.closeDeadlineMillis = self.node.nowMillis + self.node.configuration.lingerMillis
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(bytes: Closing(error: error).frame()))).whenComplete {
            _ in
            // The other end is left to close, so that it reads the reason before the connection is gone.
            bound.value.context?.close(mode: .output, promise: nil)
        }
    }

    /// Closes without a word.
    func abandon() {
        self.dropInput()
        self.endAllWaiting()
        self.context?.close(promise: nil)
    }

    /// The node goes down: what is under way is finished, what comes is refused.
    func drain() {
        guard self.isOpen else { return }
        if self.session.drain() {
            self.close(Self.goingDown)
            return
        }
        self.endAllReading(Self.goingDown)
        self.closeWhenDrained()
    }

    static let goingDown = WeirError(.unavailable, "the server is going down")

    private func closeWhenDrained() {
        guard case .draining = self.session.state, self.isOpen else { return }
        guard self.pending.isEmpty, self.reads.isEmpty, self.parked.isEmpty, self.deferredAnswers == 0 else { return }
        self.close(Self.goingDown)
    }

    /// Deadlines; called a few times a second.
    func tick(nowMillis now: Int64) {
        if case .closing = self.phase {
            if let deadline = self.closeDeadlineMillis, now >= deadline { self.context?.close(promise: nil) }
            return
        }
        guard self.isOpen else { return }
        if let error = self.session.deadlineReached(now: now) { return self.close(error) }
        if let since = self.unreadSinceMillis, now - since >= self.node.configuration.unreadTimeoutMillis {
            return self.close(
                WeirError(
                    .timedOut,
                    "the client has not read its answers for \(self.node.configuration.unreadTimeoutMillis) ms"))
        }
        self.closeWhenDrained()
    }

    func log(_ level: Logger.Level, _ message: Logger.Message, reason: String) {
        self.node.logger.log(
            level: level, message, metadata: ["client": "\(self.peer)", "reason": "\(reason)"])
    }

    // MARK: Answers

    var hasAnswersPending: Bool { !self.pending.isEmpty }

    /// An answer that may be given once `lsn` is durable.
    func answer(_ lsn: LSN, _ frame: [UInt8], putBytes: Int? = nil) {
        guard self.isOpen else { return }
        self.pending.append(lsn, frame: frame, putBytes: putBytes)
        self.answersAdded()
    }

    func answer(_ lsn: LSN, _ error: WeirError, _ correlation: UInt64, putBytes: Int? = nil) {
        self.loop.counters.count(error: error.code)
        self.answer(lsn, ErrorAnswer(error: error).frame(correlation: correlation), putBytes: putBytes)
    }

    /// Writes what may be written, and waits for the rest.
    func answersAdded() {
        if !self.releaseAnswers(), !self.isAwaitingDurable {
            self.isAwaitingDurable = true
            self.loop.awaitDurable(self)
        }
    }

    /// Writes the answers that the log has let go. Returns whether none is left; otherwise the loop asks again.
    func releaseAnswers() -> Bool {
        while let segment = self.pending.popReleased(self.loop.durable) { self.write(segment) }
        if self.pending.isEmpty {
            self.isAwaitingDurable = false
            self.closeWhenDrained()
        }
        return self.pending.isEmpty
    }

    /// A write of the log failed. Ordered puts behind those that were lost are refused until the client has seen it.
    func failAnswers(above durable: LSN, reason: String) {
        self.ordered.skipped()
        for segment in self.pending.fail(above: durable, reason: reason) { self.write(segment) }
        if self.pending.isEmpty { self.isAwaitingDurable = false }
    }

    private func write(_ segment: PendingAnswers.Segment) {
        if segment.puts > 0 {
            self.session.putFinished(bytes: segment.putBytes)
            for _ in 1..<segment.puts { self.session.putFinished(bytes: 0) }
        }
        self.write(segment.frames)
    }

    /// Writes whole frames; `promise` ends when they have left or the connection has.
    func write(_ frames: ByteBuffer, promise: EventLoopPromise<Void>? = nil) {
        guard let context, self.isOpen else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.write(self.wrapOutboundOut(frames), promise: promise)
        if !self.needsFlush {
            self.needsFlush = true
            self.loop.willFlush(self)
        }
        if !context.channel.isWritable { self.checkUnread(context) }
    }

    private func checkUnread(_ context: ChannelHandlerContext) {
        let allowed = self.node.configuration.answerBytesMax
        guard let waiting = try? context.channel.syncOptions?.getOption(.bufferedWritableBytes), waiting > allowed
        else {
            return
        }
        // Large answers are only written while the channel is writable, so these are many small ones.
        let own = waiting - self.reads.bytesOnTheWay
        guard own > allowed else { return }
        self.close(
            WeirError(
                .limitExceeded,
                "the client does not read its answers: \(own) bytes wait for it, at most \(allowed) may"))
    }

    func flushNow() {
        guard self.needsFlush else { return }
        self.needsFlush = false
        self.context?.flush()
    }

    // MARK: Going on

    private func resumeSoon() {
        guard !self.isResuming else { return }
        self.isResuming = true
        self.loop.resumeSoon(self)
    }

    /// The client has read on: what waited for that.
    func resume() {
        self.isResuming = false
        guard self.isOpen else { return }
        self.serveParked()
        self.pumpBlocked()
        self.closeWhenDrained()
    }
}
