// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization

/// A node's end of a connection whose bytes stay in memory: what the node writes goes to `onWrite`, and what `receive`
/// is given comes to the node as if a socket had been read. The other end takes everything at once.
final class MemoryChannel: Channel, ChannelCore, @unchecked Sendable {
    // Unchecked: all but the constants and `phase` is touched on the event loop only.
    let eventLoop: any EventLoop
    let allocator = ByteBufferAllocator()
    private var madePipeline: ChannelPipeline!
    private let closing: EventLoopPromise<Void>
    private let phase = Atomic<Phase>(.made)
    private var isReading = true
    /// Came while the node did not read.
    private var held: [ByteBuffer] = []
    private var written: [(bytes: ByteBuffer, promise: EventLoopPromise<Void>?)] = []
    /// Of `written`, what is to be sent.
    private var flushed = 0
    private var isFlushing = false
    private let onWrite: (ByteBuffer) -> Void
    private let onClose: () -> Void

    private enum Phase: UInt8, AtomicRepresentable {
        case made
        case active
        case closed
    }

    init(
        on eventLoop: any EventLoop, onWrite: @escaping (ByteBuffer) -> Void, onClose: @escaping () -> Void
    ) {
        self.eventLoop = eventLoop
        self.closing = eventLoop.makePromise()
        self.onWrite = onWrite
        self.onClose = onClose
        self.madePipeline = ChannelPipeline(channel: self)
    }

    // MARK: The other end

    /// The connection is made. Its handler is there already.
    func open() {
        self.pipeline.syncOperations.fireChannelRegistered()
        self.phase.store(.active, ordering: .sequentiallyConsistent)
        self.pipeline.syncOperations.fireChannelActive()
    }

    /// Bytes come for the node.
    func receive(_ bytes: ByteBuffer) {
        guard self.isActive else { return }
        guard self.isReading, self.held.isEmpty else { return self.held.append(bytes) }
        self.pipeline.syncOperations.fireChannelRead(NIOAny(bytes))
        self.pipeline.syncOperations.fireChannelReadComplete()
    }

    private func setReading(_ isOn: Bool) {
        self.isReading = isOn
        guard isOn, !self.held.isEmpty else { return }
        self.eventLoop.execute {
            guard self.isReading else { return }
            let held = self.held
            self.held = []
            for bytes in held { self.receive(bytes) }
        }
    }

    // MARK: Channel

    var pipeline: ChannelPipeline { self.madePipeline }
    var closeFuture: EventLoopFuture<Void> { self.closing.futureResult }
    var localAddress: SocketAddress? { nil }
    var remoteAddress: SocketAddress? { nil }
    var parent: (any Channel)? { nil }
    var isWritable: Bool { true }
    var isActive: Bool { self.phase.load(ordering: .sequentiallyConsistent) == .active }
    var _channelCore: any ChannelCore { self }
    var syncOptions: (any NIOSynchronousChannelOptions)? { Options(channel: self) }

    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        self.eventLoop.makeCompletedFuture { try Options(channel: self).setOption(option, value: value) }
    }

    func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        self.eventLoop.makeCompletedFuture { try Options(channel: self).getOption(option) }
    }

    /// Those that a node's connections ask for.
    private struct Options: NIOSynchronousChannelOptions {
        let channel: MemoryChannel

        func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) throws {
            guard option is ChannelOptions.Types.AutoReadOption, let isOn = value as? Bool else {
                throw ChannelError.operationUnsupported
            }
            self.channel.setReading(isOn)
        }

        func getOption<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
            let waiting = self.channel.written.reduce(0) { $0 + $1.bytes.readableBytes }
            guard option is ChannelOptions.Types.BufferedWritableBytesOption, let value = waiting as? Option.Value
            else { throw ChannelError.operationUnsupported }
            return value
        }
    }

    // MARK: ChannelCore

    func localAddress0() throws -> SocketAddress { throw ChannelError.unknownLocalAddress }
    func remoteAddress0() throws -> SocketAddress { throw ChannelError.unknownLocalAddress }
    func register0(promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }
    func bind0(to: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }
    func connect0(to: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }
    func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }
    func read0() {}
    func channelRead0(_ data: NIOAny) {}
    func errorCaught0(error: any Error) {}

    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard self.isActive else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        self.written.append((self.unwrapData(data), promise))
    }

    func flush0() {
        self.flushed = self.written.count
        // What hears the bytes may lead to more.
        guard !self.isFlushing else { return }
        self.isFlushing = true
        while self.flushed > 0, !self.written.isEmpty {
            self.flushed -= 1
            let next = self.written.removeFirst()
            if next.bytes.readableBytes > 0 { self.onWrite(next.bytes) }
            next.promise?.succeed(())
        }
        self.isFlushing = false
    }

    /// Ends both directions whichever is asked for: a client that hears of the end closes, too.
    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard self.phase.exchange(.closed, ordering: .sequentiallyConsistent) != .closed else {
            promise?.fail(ChannelError.alreadyClosed)
            return
        }
        let lost = self.written
        self.written = []
        self.held = []
        for entry in lost { entry.promise?.fail(ChannelError.ioOnClosedChannel) }
        promise?.succeed(())
        self.pipeline.syncOperations.fireChannelInactive()
        self.pipeline.syncOperations.fireChannelUnregistered()
        // Whoever closes may still be on its way through the pipeline.
        self.eventLoop.execute {
            self.removeHandlers(pipeline: self.pipeline)
            self.closing.succeed(())
            self.onClose()
        }
    }
}
