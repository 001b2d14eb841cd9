// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirClient
import WeirModel
import WeirProtocol

/// What becomes of a request on its way to the node and back.
package enum RequestFate: Sendable {
    case pass
    /// The client is told this error. The node does not carry it out; of a put it gets one that it cannot read, so that
    /// it keeps the order of those behind it as with every put that it refuses.
    case refuse(WeirError)
    /// The connection ends, before the node gets the request or instead of the node's answer.
    case cut(carriedOut: Bool)
    /// No answer comes.
    case silence(carriedOut: Bool)
    /// The node gets another payload.
    case request(@Sendable (_ payload: [UInt8]) -> [UInt8])
    /// The client gets another frame instead of the answer.
    case answer(@Sendable (_ frame: [UInt8], _ correlation: UInt64) -> [UInt8])

    /// The answer is one to something else.
    package static let wrongAnswer = RequestFate.answer { _, correlation in
        PingAnswer(serverTimeMillis: 5000).frame(.pingAnswer, correlation: correlation)
    }

    /// The server says that it can do only this beyond the version.
    package static func features(_ features: UInt64) -> RequestFate {
        .answer { frame, correlation in
            guard
                let said = frame.withUnsafeBytes({
                    try? HelloAnswer(payload: $0.slice(FrameHeader.bytes, $0.count - FrameHeader.bytes))
                })
            else { return frame }
            return HelloAnswer(
                features: features, nodeID: said.nodeID, putCreditBytes: said.putCreditBytes,
                putCreditRequests: said.putCreditRequests, frameBytesMax: said.frameBytesMax,
                serverTimeMillis: said.serverTimeMillis, serverName: said.serverName
            ).frame(.helloAnswer, correlation: correlation)
        }
    }

    /// Asks for pages of three, so that putting them together is tried.
    package static let smallPages = RequestFate.request { payload in
        payload.withUnsafeBytes { raw in
            if let list = try? ListShards(payload: raw) {
                return ListShards(stream: list.stream, filter: list.filter, after: list.after, limit: 3).encode()
            }
            if let list = try? ListLeases(payload: raw) {
                return ListLeases(stream: list.stream, application: list.application, after: list.after, limit: 3)
                    .encode()
            }
            return payload
        }
    }
}

/// One connection of a client to an `InProcessNode`: the bytes go through memory, and frames meet their fate on the
/// way. Everything happens on the node's event loop, as it does on that of the real transport.
final class NodeWay: FrameConnection {
    private struct State {
        var assembler = FrameAssembler()
        /// Requests that the client waits for, and what is to become of their answers.
        var waiting: [UInt64: RequestFate] = [:]
        /// Hello has come: until then the client is on its way to it.
        var isGreeted = false
        var isClosed = false
    }

    private unowned let node: InProcessNode
    private let receiver: any FrameReceiver
    private let eventLoop: any EventLoop
    private let channel: NIOLoopBoundBox<MemoryChannel?>
    private let state: NIOLoopBoundBox<State>

    /// On the event loop.
    init(_ node: InProcessNode, _ receiver: any FrameReceiver, on eventLoop: any EventLoop) {
        self.node = node
        self.receiver = receiver
        self.eventLoop = eventLoop
        self.state = NIOLoopBoundBox(State(), eventLoop: eventLoop)
        self.channel = NIOLoopBoundBox(nil, eventLoop: eventLoop)
    }

    /// On the event loop. `welcome` gives the channel its handler.
    func open(_ welcome: (MemoryChannel) -> Void) {
        let channel = MemoryChannel(on: self.eventLoop) { [unowned self] in
            self.hear($0)
        } onClose: { [unowned self] in
            self.ended()
        }
        self.channel.value = channel
        welcome(channel)
        channel.open()
    }

    // MARK: FrameConnection

    func send(_ frame: ByteBuffer) {
        if let header = Self.header(of: frame), Self.isAnswered(header) { self.node.began() }
        self.eventLoop.execute { self.forward(frame) }
        if self.node.sendsWait, !self.eventLoop.inEventLoop { while !self.node.isQuiet {} }
    }

    func close() {
        guard self.node.sendsWait else {
            return self.eventLoop.execute { self.channel.value?.close(promise: nil) }
        }
        self.eventLoop.scheduleTask(in: .milliseconds(2)) { self.channel.value?.close(promise: nil) }
    }

    // MARK: To the node

    private func forward(_ frame: ByteBuffer) {
        guard let header = Self.header(of: frame) else { return }
        guard let channel = self.channel.value, !self.state.value.isClosed else {
            if Self.isAnswered(header) { self.node.settled(1) }
            return
        }
        if !self.state.value.isGreeted {
            self.state.value.isGreeted = true
            self.node.settled(1)
        }
        let payload = Array(frame.readableBytesView.dropFirst(FrameHeader.bytes))
        let fate = header.type.map { self.node.fate(of: $0, payload) } ?? .pass
        if Self.isAnswered(header) { self.state.value.waiting[header.correlation] = fate }
        switch fate {
        case .pass, .cut(true), .silence(true), .answer: channel.receive(frame)
        case .cut(false): channel.close(promise: nil)
        case .silence(false): self.settled(header.correlation)
        case .request(let change): channel.receive(Self.frame(header, change(payload)))
        case .refuse(let error):
            if header.type == .putRecords { return channel.receive(Self.frame(header, [])) }
            self.settled(header.correlation)
            self.give(ErrorAnswer(error: error).frame(correlation: header.correlation))
        }
    }

    private static func frame(_ header: FrameHeader, _ payload: [UInt8]) -> ByteBuffer {
        var writer = ByteWriter()
        FrameHeader(rawType: header.rawType, flags: 0, length: payload.count, correlation: header.correlation)
            .encode(into: &writer)
        return ByteBuffer(bytes: writer.bytes + payload)
    }

    private static func header(of frame: ByteBuffer) -> FrameHeader? {
        frame.withUnsafeReadableBytes { try? FrameHeader(reading: $0) }
    }

    private static func isAnswered(_ header: FrameHeader) -> Bool {
        header.type?.direction == .request && header.type != .credit
    }

    // MARK: To the client

    private func hear(_ bytes: ByteBuffer) {
        var bytes = bytes
        var frames: [(FrameHeader, ByteBuffer, isOwned: Bool)] = []
        do {
            try self.state.value.assembler.feed(&bytes) { frames.append(($0, $1, isOwned: $2)) }
        } catch {
            self.channel.value?.close(promise: nil)
        }
        for (header, frame, isOwned) in frames where !self.state.value.isClosed {
            self.deliver(header, frame, isOwned)
        }
    }

    private func deliver(_ header: FrameHeader, _ frame: ByteBuffer, _ isOwned: Bool) {
        if header.type == .recordsPush {
            guard self.node.pushed(header, frame) else { return }
            return self.receiver.received(header, frame, isOwned: isOwned)
        }
        let fate = header.type?.direction == .answer ? self.state.value.waiting[header.correlation] : nil
        switch fate {
        case nil, .pass, .request: self.receiver.received(header, frame, isOwned: isOwned)
        case .refuse(let error): self.give(ErrorAnswer(error: error).frame(correlation: header.correlation))
        case .answer(let change): self.give(change(Array(frame.readableBytesView), header.correlation))
        case .cut: self.channel.value?.close(promise: nil)
        case .silence: break
        }
        // Last, so that nobody takes the node for idle while the client has not heard.
        if fate != nil { self.settled(header.correlation) }
    }

    private func give(_ frame: [UInt8]) {
        guard let header = frame.withUnsafeBytes({ try? FrameHeader(reading: $0) }) else { return }
        self.receiver.received(header, ByteBuffer(bytes: frame), isOwned: true)
    }

    private func settled(_ correlation: UInt64) {
        if self.state.value.waiting.removeValue(forKey: correlation) != nil { self.node.settled(1) }
    }

    private func ended() {
        guard !self.state.value.isClosed else { return }
        self.state.value.isClosed = true
        self.receiver.closed(WeirError(.unavailable, "the connection was closed"))
        self.node.ended(self, unanswered: self.state.value.waiting.count + (self.state.value.isGreeted ? 0 : 1))
        self.state.value.waiting = [:]
        self.channel.value = nil
    }
}
