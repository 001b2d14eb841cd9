// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import WeirEngine
import WeirModel
import WeirProtocol

/// The memory of a frame that came in pieces.
struct HeldFrame {
    let memory: UnsafeMutableRawBufferPointer
    let length: Int
    /// Where its length is reserved.
    let budget: MemoryBudget?
}

/// What has come and was not taken up.
struct ConnectionInput {
    var assembly = FrameAssembly()
    /// Memory of a frame that came in pieces, until its puts are committed.
    var frame: HeldFrame?
    /// Came while an older connection of the session was being fenced, or while input was paused.
    var held: ByteBuffer?
    /// The client has ended its input behind what is held.
    var isLast = false
    /// Waits until the client has read its answers.
    var isPaused = false
}

/// What is to be sent and has not left.
struct ConnectionOutput {
    var pending = PendingAnswers()
    /// Bytes of records that were written and have not left.
    var recordBytes = 0
    /// Since when the client has not read what waits for it.
    var unreadSinceMillis: Int64?
    var needsFlush = false
    var isResuming = false
}

/// One client: the only handler in its channel's pipeline. Parses frames where they arrived, keeps what is under way,
/// writes answers when the log lets them go. Touched only on its event loop.
final class Connection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let loop: LoopContext
    /// What the engine keeps for this client.
    let caller: LaneCaller
    var session: ServerSession
    var input = ConnectionInput()
    var output = ConnectionOutput()
    var subscriptions = Subscriptions()
    var heartbeats = Heartbeats() {
        didSet { self.caller.otherUnderWay = self.heartbeats.count }
    }
    /// Requests that are kept until they may be answered.
    var parked = CircularBuffer<ParkedRequest>()
    var fencing = Fencing()
    private(set) var context: ChannelHandlerContext?
    var phase = Phase.open
    var closeDeadlineMillis: Int64?
    let peer: String
    /// Why the node takes no more connections; told at once.
    private let refusal: WeirError?

    enum Phase {
        case open
        /// Hello has come; an older connection of its session is being fenced.
        case fencing(HelloAnswer, correlation: UInt64)
        /// Closing is said; what comes is dropped.
        case closing
        case gone
    }

    init(_ loop: LoopContext, peer: String, refusal: WeirError?) {
        let node = loop.node
        self.loop = loop
        self.caller = LaneCaller(id: node.nextConnectionID(), on: node.engine)
        self.session = ServerSession(node.sessionConfiguration, now: node.nowMillis)
        self.peer = peer
        self.refusal = refusal
    }

    var id: UInt64 { self.caller.id }
    var node: NodeCore { self.loop.node }
    var lane: Lane { self.loop.lane }

    /// Input that waits for the connection to go on.
    var heldInput: ByteBuffer? {
        get { self.input.held }
        set {
            self.input.held = newValue
            self.caller.holdings.set(.input, newValue?.readableBytes ?? 0)
        }
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
        case .open where self.input.isPaused: self.hold(buffer)
        case .open: self.receive(buffer)
        case .fencing: self.hold(buffer)
        case .closing, .gone: break
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { self.inputEnded() }
    }

    func channelReadComplete(context: ChannelHandlerContext) { self.flushNow() }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            self.output.unreadSinceMillis = nil
            self.resumeSoon()
        } else {
            self.output.unreadSinceMillis = self.output.unreadSinceMillis ?? self.node.nowMillis
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
        self.caller.holdings.close()
        // One that waits for its predecessor stays known until that is fenced: its successor waits for both.
        if !self.fencing.isAwaitingOlder { self.leave() }
        self.node.connectionEnded()
    }

    /// Nobody has to know of it any more.
    func leave() {
        if self.caller.identity.session != 0 {
            self.node.sessions.remove(self.caller.identity.session, connection: self.id)
        }
        self.loop.remove(self)
        self.fencedNow()
    }
}
