// SPDX-License-Identifier: Apache-2.0
import CWeir
import NIOCore
import NIOPosix
import Synchronization
import WeirClient
import WeirModel
import WeirProtocol

/// Single records at a fixed rate over one connection, whether they are answered or not: the time of day is in each.
/// Lives on one event loop.
final class LatencyLoad: LoadConnection.Owner {
    struct Plan: Sendable {
        var inFlight: Int
        var size: Int
        /// Records a second.
        var rate: Int
        var warmupNanos: UInt64
        var nanos: UInt64
        var serverPID: Int32?
        var stream: StreamID
        var mapVersion: UInt64
    }

    struct Result: Sendable {
        var records = 0
        var seconds = 0.0
        var latencies = Latencies()
        /// Sends for which all slots were taken.
        var overrun = 0
        var refused = 0
        var firstError: WeirError?
        /// Records sent before are not measured; nanoseconds of the monotonic clock.
        var begin: UInt64 = 0
        var used = UsageWindow.Used(own: 0, server: nil, serverPeakBytes: nil)
    }

    /// The first bytes of each record: a mark of this run, and when it was sent, in nanoseconds of the monotonic clock.
    static let stampBytes = 16

    private let plan: Plan
    private let mark: UInt64
    private let eventLoop: any EventLoop
    private let promise: EventLoopPromise<Result>
    private var connection: LoadConnection?
    private var records: [[UInt8]] = []
    private var keys: RandomKeys
    private var free: [Int]
    private var sentAt: [UInt64]
    private var start: UInt64 = 0
    private var offered = 0
    private var isEnding = false
    private var isDone = false
    private var result = Result()
    private var window: UsageWindow?
    private var ticker: RepeatedTask?

    private init(_ plan: Plan, mark: UInt64, _ eventLoop: any EventLoop) {
        self.plan = plan
        self.mark = mark
        self.eventLoop = eventLoop
        self.promise = eventLoop.makePromise()
        self.free = Array(0..<plan.inFlight)
        self.sentAt = Array(repeating: 0, count: plan.inFlight)
        self.keys = RandomKeys(seed: mark)
        var records = LoadRecords(size: plan.size, seed: mark)
        for _ in 0..<plan.inFlight { records.next { _, data in self.records.append(Array(data)) } }
    }

    static func run(_ plan: Plan, mark: UInt64, server: ServerAddress, stop: StopSwitch) async throws -> Result {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let eventLoop = group.next()
        let future = try await eventLoop.submit {
            let load = LatencyLoad(plan, mark: mark, eventLoop)
            let bound = NIOLoopBound(load, eventLoop: eventLoop)
            LoadDialer.dial(server, on: eventLoop) {
                let connection = LoadConnection(bound.value, number: 0)
                bound.value.connection = connection
                return connection
            } onFailure: {
                bound.value.failed($0)
            }
            // The timers hold the load; a connection does not.
            let every = TimeAmount.milliseconds(1)
            load.ticker = eventLoop.scheduleRepeatedTask(initialDelay: every, delay: every) { _ in bound.value.tick() }
            stop.arm { eventLoop.execute { bound.value.stop() } }
            return load.promise.futureResult
        }.get()
        let result: Swift.Result<Result, any Error>
        do { result = .success(try await future.get()) } catch { result = .failure(error) }
        try await group.shutdownGracefully()
        return try result.get()
    }

    // MARK: Events

    func greeted(_ connection: LoadConnection, _ answer: HelloAnswer) {
        self.start = weir_monotonic_nanoseconds()
    }

    /// Ends early with what there is.
    private func stop() {
        guard !self.isDone else { return }
        if self.result.begin > 0 {
            self.end(weir_monotonic_nanoseconds())
        } else {
            self.failed(Failure(.failed, "interrupted before anything was measured"))
        }
    }

    private func tick() {
        guard self.start > 0, !self.isDone else { return }
        let now = weir_monotonic_nanoseconds()
        let elapsed = now - self.start
        if self.result.begin == 0, elapsed >= self.plan.warmupNanos {
            self.result.begin = now
            self.window = UsageWindow(pid: self.plan.serverPID)
        }
        if elapsed >= self.plan.warmupNanos + self.plan.nanos {
            self.end(now)
            return
        }
        guard !self.isEnding else { return }
        let due = Int(Double(elapsed) * Double(self.plan.rate) / 1e9)
        while self.offered < due {
            self.offered += 1
            if let slot = self.free.popLast() {
                self.send(slot)
            } else if self.result.begin > 0 {
                self.result.overrun += 1
            }
        }
        self.connection?.flush()
    }

    private func send(_ slot: Int) {
        let now = weir_monotonic_nanoseconds()
        self.sentAt[slot] = now
        self.records[slot].withUnsafeMutableBytes {
            $0.store(self.mark, at: 0)
            $0.store(now, at: 8)
        }
        var body = BatchBodyBuilder(capacity: 64 + self.plan.size)
        self.records[slot].withUnsafeBytes { body.append(key: self.keys.next(), data: $0) }
        var writer = PutRecordsWriter(
            PutRecords.Header(stream: self.plan.stream, mapVersion: self.plan.mapVersion),
            capacity: 256 + self.plan.size)
        writer.append(shard: nil, body: body.finish())
        let frame = writer.finish(correlation: LoadConnection.firstCorrelation + UInt64(slot))
        self.connection?.send(ByteBuffer(bytes: frame))
    }

    func answered(
        _ connection: LoadConnection, slot: Int, stored: Int, refused: Int, error: WeirError?, now: UInt64
    ) {
        guard self.sentAt.indices.contains(slot), !self.isDone else { return }
        self.free.append(slot)
        self.result.refused += refused
        if let error, self.result.firstError == nil { self.result.firstError = error }
        if stored > 0, self.result.begin > 0, self.sentAt[slot] >= self.result.begin {
            self.result.records += stored
            self.result.latencies.record(nanos: now - self.sentAt[slot])
        }
        if self.isEnding, self.free.count == self.plan.inFlight { self.finish() }
    }

    /// Sends nothing more, and waits for the last answers.
    private func end(_ now: UInt64) {
        guard !self.isEnding else {
            let deadline = self.start + self.plan.warmupNanos + self.plan.nanos + 10_000_000_000
            if now > deadline { self.failed(Failure(.tryAgain, "the server has not answered for 10 s")) }
            return
        }
        self.isEnding = true
        self.result.seconds = Double(now - self.result.begin) / 1e9
        if let window { self.result.used = window.end() }
        if self.free.count == self.plan.inFlight { self.finish() }
    }

    private func finish() {
        self.close()
        self.promise.succeed(self.result)
    }

    func failed(_ reason: Failure) {
        guard !self.isDone else { return }
        self.close()
        self.promise.fail(reason)
    }

    private func close() {
        self.isDone = true
        self.ticker?.cancel()
        self.connection?.close()
    }
}

/// Reads what `LatencyLoad` sends, and measures how long it took from there.
final class LatencyReceiver: Sendable {
    private struct State {
        var latencies: [(sentAt: UInt64, nanos: UInt64)] = []
    }

    private let mark: UInt64
    private let state = Mutex(State())

    init(mark: UInt64) {
        self.mark = mark
    }

    /// Receives until the task is cancelled.
    func run(_ client: WeirClient, _ stream: StreamID) async throws {
        for try await batch in client.records(stream, from: .latest, until: .forever) {
            let now = weir_monotonic_nanoseconds()
            self.state.withLock { state in
                batch.forEach { record in
                    guard record.data.count >= LatencyLoad.stampBytes,
                        record.data.integer(UInt64.self, at: 0) == self.mark
                    else { return }
                    let sentAt = record.data.integer(UInt64.self, at: 8)
                    state.latencies.append((sentAt, now - min(now, sentAt)))
                }
            }
        }
    }

    /// Of the records that were sent from `begin` on.
    func latencies(from begin: UInt64) -> Latencies {
        var latencies = Latencies()
        self.state.withLock { state in
            for one in state.latencies where one.sentAt >= begin { latencies.record(nanos: one.nanos) }
        }
        return latencies
    }
}
