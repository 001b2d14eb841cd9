// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import WeirLog
import WeirModel
import WeirProtocol

/// The memory of a frame that came in pieces.
struct HeldFrame {
    let memory: UnsafeMutableRawBufferPointer
    let length: Int
    /// Where its length is reserved.
    let budget: MemoryBudget?
}

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
    var heldFrame: HeldFrame?
    /// Input that came while an older connection of the session was being fenced, or while input was paused.
    var heldInput: ByteBuffer? {
        didSet { self.holdings.set(.input, self.heldInput?.readableBytes ?? 0) }
    }
    var reads = ReadsUnderWay() {
        didSet { self.countUnderWay() }
    }
    var subscriptions = Subscriptions() {
        didSet { self.countUnderWay() }
    }
    /// Requests that are kept until they may be answered.
    var parked = CircularBuffer<ParkedRequest>()
    /// Answers of control calls that wait for the log by themselves.
    var deferredAnswers = 0 {
        didSet { self.countUnderWay() }
    }
    /// What all this makes the node hold.
    var holdings: Holdings
    /// Input waits until the client has read its answers.
    var isInputPaused = false

    private(set) var context: ChannelHandlerContext?
    var phase = Phase.open
    var clientName = ""
    /// Since when the client has not read what waits for it.
    var unreadSinceMillis: Int64?
    var closeDeadlineMillis: Int64?
    /// Those that wait for news, by their number on this connection.
    var heartbeats: [UInt64: HeartbeatUnderWay] = [:] {
        didSet { self.countUnderWay() }
    }
    /// Those of them that could be answered, once there is room for the answer.
    var parkedHeartbeats = CircularBuffer<UInt64>()
    var lastHeartbeat: UInt64 = 0
    var isAwaitingDurable = false
    var needsFlush = false
    var isResuming = false
    /// Why the node takes no more connections; told at once.
    private let refusal: WeirError?
    let peer: String
    var sessionID: UInt64 = 0
    /// An older connection of the session is being fenced.
    var isAwaitingOlder = false
    /// Who waits for this one to be fenced.
    var onFenced: [@Sendable () -> Void] = []

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
        self.holdings = Holdings(loop.node.heldMemory)
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

    /// Also of a channel that was closed before it became active.
    func handlerRemoved(context: ChannelHandlerContext) {
        self.ended()
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        if let refusal { self.close(refusal) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = self.unwrapInboundIn(data)
        switch self.phase {
        case .open where self.isInputPaused: self.hold(buffer)
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

    func channelInactive(context: ChannelHandlerContext) { self.ended() }

    private func ended() {
        if case .gone = self.phase { return }
        self.phase = .gone
        self.dropInput()
        self.endAllWaiting()
        self.holdings.clear()
        // One that waits for its predecessor stays known until that is fenced: its successor waits for both.
        if !self.isAwaitingOlder { self.leave() }
        self.node.connectionEnded()
    }

    /// Nobody has to know of it any more.
    func leave() {
        if self.sessionID != 0 { self.node.sessions.remove(self.sessionID, connection: self.id) }
        self.loop.remove(self)
        self.fencedNow()
    }
}
