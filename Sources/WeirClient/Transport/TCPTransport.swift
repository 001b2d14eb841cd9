// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import Synchronization
import WeirModel
import WeirProtocol

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Connections over TCP, on event loops of their own.
package final class TCPTransport: Transport {
    private let host: String
    private let port: Int
    private let group: MultiThreadedEventLoopGroup
    private let attempts = Mutex(Attempts())

    /// Event loops must not be asked for anything once they end, so the end waits for attempts that are under way.
    private struct Attempts {
        var next = 0
        var underWay: [Int: [any Channel]] = [:]
        var isShutDown = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    package init(host: String, port: Int, threads: Int) {
        self.host = host
        self.port = port
        self.group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
    }

    package func connect(
        to receiver: any FrameReceiver, timeout: Duration
    ) async throws(WeirError) -> any FrameConnection {
        let connection = TCPConnection()
        guard let attempt = self.begin() else { throw Self.shutDown }
        defer { self.end(attempt) }
        do {
            let bootstrap = ClientBootstrap(group: self.group)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelOption(
                    .recvAllocator,
                    value: AdaptiveRecvByteBufferAllocator(minimum: 16 << 10, initial: 64 << 10, maximum: 1 << 20)
                )
                .channelOption(.maxMessagesPerRead, value: 4)
                .connectTimeout(.nanoseconds(Int64(clamping: timeout.nanos)))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        guard self.mayGoOn(attempt, channel) else { throw Self.shutDown }
                        try channel.pipeline.syncOperations.addHandler(FrameHandler(receiver))
                    }
                }
            connection.start(on: try await bootstrap.connect(host: self.host, port: self.port).get())
        } catch {
            throw WeirError(.unavailable, "cannot connect to \(self.host):\(self.port): \(Self.reason(error))")
        }
        return connection
    }

    private static let shutDown = WeirError(
        .unavailable, "the client is closed", verdict: .init(maybeStored: false, retry: .never))

    private func begin() -> Int? {
        self.attempts.withLock { state in
            guard !state.isShutDown else { return nil }
            state.next += 1
            state.underWay[state.next] = []
            return state.next
        }
    }

    /// Remembers a channel of an attempt, so that shutting down need not wait until it has connected.
    private func mayGoOn(_ attempt: Int, _ channel: any Channel) -> Bool {
        self.attempts.withLock { state in
            state.underWay[attempt]?.append(channel)
            return !state.isShutDown
        }
    }

    private func end(_ attempt: Int) {
        let waiting = self.attempts.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.underWay[attempt] = nil
            guard state.underWay.isEmpty else { return [] }
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Ends attempts to connect, then the event loops.
    package func shutdown() async {
        let channels = self.attempts.withLock { state in
            state.isShutDown = true
            return state.underWay.values.flatMap { $0 }
        }
        for channel in channels { channel.close(promise: nil) }
        await withCheckedContinuation { continuation in
            let isQuiet = self.attempts.withLock { state in
                if !state.underWay.isEmpty { state.waiting.append(continuation) }
                return state.underWay.isEmpty
            }
            if isQuiet { continuation.resume() }
        }
        try? await self.group.shutdownGracefully()
    }

    static func reason(_ error: any Error) -> String {
        if let error = error as? NIOConnectionError {
            return error.connectionErrors.first.map { Self.reason($0.error) } ?? "the name is not known"
        }
        if let error = error as? IOError {
            // What NIO makes of it names calls and numbers; the system has words.
            return String(cString: strerror(error.errnoCode)).lowercased()
        }
        return String(describing: error)
    }
}

/// One connection: frames wait in a list of their own, so that many are written with one system call and with one
/// wake-up of the event loop.
final class TCPConnection: FrameConnection {
    private struct State {
        var channel: (any Channel)?
        var frames: [ByteBuffer] = []
        /// Whether the event loop has been asked to write.
        var isScheduled = false
    }

    private let state = Mutex(State())

    func start(on channel: any Channel) {
        self.state.withLock { $0.channel = channel }
    }

    func send(_ frame: ByteBuffer) {
        let channel = self.state.withLock { state -> (any Channel)? in
            state.frames.append(frame)
            guard !state.isScheduled, let channel = state.channel else { return nil }
            state.isScheduled = true
            return channel
        }
        channel?.eventLoop.execute { self.write() }
    }

    private func write() {
        let (channel, frames) = self.state.withLock { state in
            defer { state.frames.removeAll(keepingCapacity: state.frames.count <= 64) }
            state.isScheduled = false
            return (state.channel, state.frames)
        }
        guard let channel else { return }
        for frame in frames { channel.write(frame, promise: nil) }
        channel.flush()
    }

    func close() {
        self.state.withLock { $0.channel }?.close(promise: nil)
    }
}

/// Where bytes become frames, on the event loop.
final class FrameHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let receiver: any FrameReceiver
    private var assembler = FrameAssembler()
    private var reason = WeirError(.unavailable, "the server closed the connection")
    private var isBroken = false

    init(_ receiver: any FrameReceiver) {
        self.receiver = receiver
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isBroken else { return }
        var buffer = self.unwrapInboundIn(data)
        do {
            try self.assembler.feed(&buffer) { self.receiver.received($0, $1, isOwned: $2) }
        } catch {
            self.reason = error
            self.isBroken = true
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !self.isBroken {
            self.reason = WeirError(.unavailable, "the connection broke: \(TCPTransport.reason(error))")
        }
        self.isBroken = true
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.receiver.closed(self.reason)
    }
}
