// SPDX-License-Identifier: Apache-2.0
import CWeir
import NIOCore
import NIOPosix
import WeirModel
import WeirProtocol

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A closed loop of puts: each connection keeps so many requests under way, and sends the next one when one is
/// answered. Lives on one event loop.
final class PutLoad: LoadConnection.Owner {
    struct Plan: Sendable {
        var connections: Int
        var inFlight: Int
        /// Records of one request.
        var batch: Int
        /// Not measured, at the beginning; in nanoseconds.
        var warmupNanos: UInt64
        /// Measured; in nanoseconds.
        var nanos: UInt64
        /// Ends when so many records have been sent; then there is no warm-up.
        var recordsMax: Int?
        /// The server's process, for its CPU time.
        var serverPID: Int32?
        /// A frame for each slot of each connection; connections take turns when there are fewer.
        var frames: [[ByteBuffer]]
    }

    struct Result: Sendable {
        /// Acknowledged in the measured time.
        var records = 0
        var seconds = 0.0
        var latencies = Latencies()
        /// Acknowledged with the warm-up and what came in late.
        var recordsTotal = 0
        /// Records that were refused, and why the first was.
        var refused = 0
        var firstError: WeirError?
        var used = UsageWindow.Used(own: 0, server: nil, serverPeakBytes: nil)
    }

    private enum Phase {
        case greeting
        case warmup
        case measuring
        /// Nothing more is sent.
        case ending
        case done
    }

    private let plan: Plan
    private let eventLoop: any EventLoop
    private let promise: EventLoopPromise<Result>
    private let address: ServerAddress
    private var connections: [LoadConnection] = []
    private var sentAt: [[UInt64]]
    private var phase = Phase.greeting
    private var greeted = 0
    private var outstanding = 0
    private var recordsSent = 0
    private var begin: UInt64 = 0
    private var lastAnswer: UInt64 = 0
    private var window: UsageWindow?
    private var result = Result()
    private var watchdog: RepeatedTask?
    private var timers: [Scheduled<Void>] = []

    private init(_ plan: Plan, _ address: ServerAddress, _ eventLoop: any EventLoop) {
        self.plan = plan
        self.address = address
        self.eventLoop = eventLoop
        self.promise = eventLoop.makePromise()
        self.sentAt = Array(repeating: Array(repeating: 0, count: plan.inFlight), count: plan.connections)
    }

    // MARK: From outside

    /// Runs the plan. `stop` of the handle, given before it begins, ends it early with what there is.
    static func run(
        _ plan: Plan, server: ServerAddress, onStart: @Sendable (Handle) -> Void
    ) async throws -> Result {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let eventLoop = group.next()
        let (load, future) = try await eventLoop.submit {
            let load = PutLoad(plan, server, eventLoop)
            return (NIOLoopBound(load, eventLoop: eventLoop), load.promise.futureResult)
        }.get()
        onStart(Handle(load: load, eventLoop: eventLoop))
        eventLoop.execute { load.value.connect() }
        let result: Swift.Result<Result, any Error>
        do { result = .success(try await future.get()) } catch { result = .failure(error) }
        try await group.shutdownGracefully()
        return try result.get()
    }

    struct Handle: Sendable {
        fileprivate let load: NIOLoopBound<PutLoad>
        fileprivate let eventLoop: any EventLoop

        func stop() {
            self.eventLoop.execute { self.load.value.end() }
        }

        /// Ends it with what there is, without the answers that are still to come.
        func giveUp() {
            self.eventLoop.execute { self.load.value.giveUp() }
        }
    }

    // MARK: The run

    private func connect() {
        self.lastAnswer = weir_monotonic_nanoseconds()
        let every = TimeAmount.seconds(1)
        let bound = NIOLoopBound(self, eventLoop: self.eventLoop)
        self.watchdog = self.eventLoop.scheduleRepeatedTask(initialDelay: every, delay: every) { _ in
            bound.value.watch()
        }
        for number in 0..<self.plan.connections {
            LoadDialer.dial(self.address, on: self.eventLoop) {
                let connection = LoadConnection(bound.value, number: number)
                bound.value.connections.append(connection)
                return connection
            } onFailure: {
                bound.value.failed($0)
            }
        }
    }

    func greeted(_ connection: LoadConnection, _ answer: HelloAnswer) {
        let bytes = self.frames(of: connection).reduce(0) { $0 + $1.readableBytes - FrameHeader.bytes }
        guard bytes <= Int(answer.putCreditBytes), self.plan.inFlight <= Int(answer.putCreditRequests) else {
            return self.failed(
                Failure(
                    .failed,
                    "\(CountText.describe(self.plan.inFlight, "request")) of together "
                        + "\(SizeText.rounded(Int64(bytes))) in flight are more than the server allows "
                        + "a connection: \(answer.putCreditRequests) and "
                        + SizeText.rounded(Int64(answer.putCreditBytes))))
        }
        self.greeted += 1
        if self.greeted == self.plan.connections { self.start() }
    }

    private func frames(of connection: LoadConnection) -> [ByteBuffer] {
        self.plan.frames[connection.number % self.plan.frames.count]
    }

    private func start() {
        guard self.phase == .greeting else { return }
        self.phase = .warmup
        if self.plan.recordsMax != nil || self.plan.warmupNanos == 0 {
            self.measure()
        } else {
            self.after(self.plan.warmupNanos) { $0.measure() }
        }
        let now = weir_monotonic_nanoseconds()
        for connection in self.connections {
            for slot in 0..<self.plan.inFlight { self.send(connection, slot, now) }
            connection.flush()
        }
    }

    private func after(_ nanos: UInt64, _ body: @escaping @Sendable (PutLoad) -> Void) {
        let bound = NIOLoopBound(self, eventLoop: self.eventLoop)
        self.timers.append(self.eventLoop.scheduleTask(in: .nanoseconds(Int64(nanos))) { body(bound.value) })
    }

    private func measure() {
        guard self.phase == .warmup else { return }
        self.phase = .measuring
        self.window = UsageWindow(pid: self.plan.serverPID)
        self.begin = weir_monotonic_nanoseconds()
        self.after(self.plan.nanos) { $0.end() }
    }

    private func send(_ connection: LoadConnection, _ slot: Int, _ now: UInt64) {
        if let recordsMax = self.plan.recordsMax, self.recordsSent >= recordsMax { return }
        self.sentAt[connection.number][slot] = now
        self.outstanding += 1
        self.recordsSent += self.plan.batch
        connection.send(self.frames(of: connection)[slot])
    }

    func answered(
        _ connection: LoadConnection, slot: Int, stored: Int, refused: Int, error: WeirError?, now: UInt64
    ) {
        guard slot < self.plan.inFlight, self.phase != .done else { return }
        self.outstanding -= 1
        self.lastAnswer = now
        self.result.recordsTotal += stored
        self.result.refused += refused
        if let error, self.result.firstError == nil { self.result.firstError = error }
        if self.phase == .measuring {
            self.result.records += stored
            self.result.latencies.record(nanos: now - self.sentAt[connection.number][slot])
        }
        switch self.phase {
        case .warmup, .measuring:
            if refused == 0 {
                self.send(connection, slot, now)
            } else {
                self.resendLater(connection.number, slot)
            }
            // All records are sent and answered.
            if self.outstanding == 0, self.plan.recordsMax != nil { self.end() }
        case .ending: if self.outstanding == 0 { self.finish() }
        case .greeting, .done: break
        }
    }

    /// A refusal is not to be met by the same request at once, for ever.
    private func resendLater(_ number: Int, _ slot: Int) {
        self.after(10_000_000) { load in
            guard load.phase == .warmup || load.phase == .measuring else { return }
            load.send(load.connections[number], slot, weir_monotonic_nanoseconds())
            load.connections[number].flush()
        }
        if self.timers.count > 65_536 { self.timers.removeFirst(32_768) }
    }

    private func end() {
        switch self.phase {
        case .greeting: self.failed(Failure(.failed, "interrupted"))
        case .warmup, .measuring:
            if self.phase == .measuring {
                self.result.seconds = Double(weir_monotonic_nanoseconds() - self.begin) / 1e9
                if let window { self.result.used = window.end() }
            }
            self.phase = .ending
            if self.outstanding == 0 { self.finish() }
        case .ending, .done: break
        }
    }

    private func giveUp() {
        self.end()
        if self.phase == .ending { self.finish() }
    }

    private func finish() {
        self.close()
        self.promise.succeed(self.result)
    }

    func failed(_ reason: Failure) {
        guard self.phase != .done else { return }
        self.close()
        self.promise.fail(reason)
    }

    private func close() {
        self.phase = .done
        self.watchdog?.cancel()
        for timer in self.timers { timer.cancel() }
        for connection in self.connections { connection.close() }
    }

    private func watch() {
        guard weir_monotonic_nanoseconds() - self.lastAnswer > 15_000_000_000 else { return }
        self.failed(Failure(.tryAgain, "the server has not answered for 15 s"))
    }
}

/// Opens connections of the load generator.
enum LoadDialer {
    /// `makeHandler` and `onFailure` run on the event loop.
    static func dial(
        _ address: ServerAddress, on eventLoop: any EventLoop,
        makeHandler: @escaping @Sendable () -> LoadConnection, onFailure: @escaping @Sendable (Failure) -> Void
    ) {
        ClientBootstrap(group: eventLoop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 64 << 10))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(makeHandler())
                }
            }
            .connect(host: address.host, port: address.port)
            .whenFailure { onFailure(Failure(.tryAgain, "cannot connect to \(address): \(Self.reason($0))")) }
    }

    /// The system's own words where it gave the error.
    static func reason(_ error: any Error) -> String {
        let first = (error as? NIOConnectionError)?.connectionErrors.first?.error ?? error
        return (first as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? String(describing: first)
    }
}
