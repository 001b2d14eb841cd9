// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import Synchronization
import WeirClient
import WeirEngine
import WeirIO
import WeirModel
import WeirProtocol
import WeirServer
import WeirStorage
import WeirTestKit

/// A node for tests of the client: the real server on the real engine, on a disk in memory. Its clients come over ways
/// that write down what they ask, and on which things can go wrong when a test says so; whatever else happens is what
/// a node does.
package final class InProcessNode: Sendable {
    /// What a client has asked, as it came.
    struct Request: Sendable {
        let type: FrameType
        let payload: [UInt8]
    }

    /// `number`: how many of this type have come, from 1.
    package typealias Script = @Sendable (_ type: FrameType, _ number: Int) -> RequestFate

    private struct State {
        var ways: [ObjectIdentifier: NodeWay] = [:]
        var requests: [Request] = []
        var counts: [FrameType: Int] = [:]
        var script: Script = { _, _ in .pass }
        /// So many of the next connections are refused.
        var refusals = 0
        /// Requests whose answers have not been heard.
        var unanswered = 0
        var pushes = 0
        var pushedBytes = 0
        var losesPushes = false
        var sendsWait = false
    }

    private let node: Node
    private let state = Mutex(State())

    private init(_ node: Node) { self.node = node }

    /// Starts a node, which goes down with the test: `RunningNodes.during`.
    package static func start(
        clock: any Clock = SystemClock(), _ change: (inout NodeConfiguration) -> Void = { _ in }
    ) async throws -> InProcessNode {
        var storage = StorageConfiguration(folder: "(memory)")
        storage.freeBytesFloor = 0
        storage.segmentBytesMin = 1 << 20
        storage.segmentBytesMax = 4 << 20
        var configuration = NodeConfiguration(storage: storage, cores: 1)
        configuration.serverName = "a node in memory"
        // Hundreds of tests begin at once: a Hello may wait for a processor for longer than a server waits for it.
        configuration.helloTimeoutMillis = 3_600_000
        configuration.stallTimeoutMillis = 3_600_000
        configuration.unreadTimeoutMillis = 3_600_000
        change(&configuration)
        var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        let node = try await Node.start(
            configuration, on: SimFileSystem(), clock: clock, listens: false, logger: logger)
        let made = InProcessNode(node)
        guard let nodes = RunningNodes.current else {
            await made.shutDown()
            throw NodeError("a node is started where RunningNodes would not end it")
        }
        nodes.add(made)
        return made
    }

    func shutDown() async { await self.node.shutdown(drain: .zero) }

    // MARK: Clients

    /// A client of this node.
    package func client(
        clock: any Clock = SystemClock(), _ change: (inout ClientConfiguration) -> Void = { _ in }
    ) throws -> WeirClient {
        // Other tests may keep all processors busy for long, and a test's own clock may run ahead of them: nothing here
        // may fail for that.
        var configuration = ClientConfiguration(
            callTimeout: .seconds(3600), connectTimeout: .seconds(3600), pingInterval: .seconds(3600),
            retry: RetryPolicy(firstPauseMillis: 1, longestPauseMillis: 5))
        change(&configuration)
        let dice = Mutex(SplitMix64(seed: 4))
        return try WeirClient(
            configuration, transport: NodeTransport(self), clock: clock, dice: { dice.withLock { $0.next() } })
    }

    fileprivate func connect(_ receiver: any FrameReceiver) async throws(WeirError) -> any FrameConnection {
        let isRefused = self.state.withLock { state in
            guard state.refusals > 0 else { return false }
            state.refusals -= 1
            return true
        }
        if isRefused { throw WeirError(.unavailable, "nobody listens") }
        // Until the client has said Hello.
        self.began()
        do {
            return try await self.node.loop.submit {
                let way = NodeWay(self, receiver, on: self.node.loop)
                self.state.withLock { $0.ways[ObjectIdentifier(way)] = way }
                way.open { self.node.welcome($0) }
                return way
            }.get()
        } catch {
            self.settled(1)
            throw WeirError(.unavailable, "the node is gone: \(error)")
        }
    }

    // MARK: What goes wrong

    /// Asks for the fate of every request from now on.
    package func script(_ script: @escaping Script) { self.state.withLock { $0.script = script } }

    /// The same for one type; the others pass.
    package func script(_ type: FrameType, _ script: @escaping @Sendable (_ number: Int) -> RequestFate) {
        self.script { $0 == type ? script($1) : .pass }
    }

    /// The next requests of this type are refused, with an error each; what comes then passes.
    package func refuse(_ type: FrameType, _ errors: [WeirError]) {
        let before = self.count(of: type)
        self.script(type) { number in
            errors.indices.contains(number - before - 1) ? .refuse(errors[number - before - 1]) : .pass
        }
    }

    /// From here on no push arrives.
    package func losePushes() { self.state.withLock { $0.losesPushes = true } }

    /// From here on whoever sends goes on only when all that was asked is answered, as with a server that is faster
    /// than its client, and a connection that is closed is heard to end later.
    package func answerFirst() { self.state.withLock { $0.sendsWait = true } }
    var sendsWait: Bool { self.state.withLock { $0.sendsWait } }

    /// Closes all connections.
    package func cutAll() { for way in self.state.withLock({ Array($0.ways.values) }) { way.close() } }

    /// Closes all connections, and refuses the next ones.
    package func refuseConnections(_ count: Int) {
        self.state.withLock { $0.refusals = count }
        self.cutAll()
    }

    // MARK: What was asked

    package func count(of type: FrameType) -> Int { self.state.withLock { $0.counts[type] ?? 0 } }
    package var putCount: Int { self.count(of: .putRecords) }

    /// The types that were asked, but for Hello and Ping.
    package var asked: [FrameType] {
        self.state.withLock { $0.requests.map(\.type) }.filter { $0 != .hello && $0 != .ping }
    }

    package func requests<R: WireRequest>(_ type: R.Type = R.self) -> [R] {
        self.payloads(of: R.type).compactMap { payload in payload.withUnsafeBytes { try? R(payload: $0) } }
    }

    package func payloads(of type: FrameType) -> [[UInt8]] {
        self.state.withLock { $0.requests }.filter { $0.type == type }.map(\.payload)
    }

    /// Pushes of records that arrived, and the bytes of batches in them.
    package var pushes: (count: Int, bytes: Int) { self.state.withLock { ($0.pushes, $0.pushedBytes) } }

    /// Whether every client has heard the answers to all that it asked.
    package var isQuiet: Bool { self.state.withLock { $0.unanswered == 0 } }

    // MARK: The node itself

    /// Subscriptions and reads that wait.
    package var waiters: Int { self.node.engine.waiterCount }

    /// Carries out a call of an operator, who has a connection of his own.
    @discardableResult
    package func operate<Value: Sendable>(_ call: @escaping @Sendable (Lane) -> Told<Value>) throws -> Value {
        let node = self.node
        if node.loop.inEventLoop { return try call(node.lane).value.get() }
        return try node.loop.submit { call(node.lane).value }.wait().get()
    }

    /// As `operate`; returns when the answer may be told.
    @discardableResult
    package func settle<Value: Sendable>(_ call: @escaping @Sendable (Lane) -> Told<Value>) async throws -> Value {
        let node = self.node
        return try await node.loop.flatSubmit {
            let promise = node.loop.makePromise(of: Value.self)
            let lane = node.lane
            let told = call(lane)
            lane.learn(told.watermark)
            lane.whenDurable(told.mark) {
                promise.completeWith(told.value.mapError { $0 })
            } onFailure: {
                promise.fail(WeirError(.unavailable, "a write of the log failed"))
            }
            return promise.futureResult
        }.get()
    }

    @discardableResult
    package func makeStream(
        _ name: String, shards: Int, _ settings: StreamSettings = StreamSettings(limits: .open)
    ) async throws -> StreamDescription {
        let name = try StreamName(name)
        return try await self.settle { $0.createStream(name, shards: shards, settings: settings) }
    }

    package func split(_ stream: StreamID, _ shard: ShardNumber) throws {
        try self.operate { $0.splitShard(ShardRef(stream: stream, shard: shard), at: nil) }
    }

    package func merge(_ stream: StreamID, _ first: ShardNumber, _ second: ShardNumber) throws {
        try self.operate { $0.mergeShards(of: stream, first, second) }
    }

    package func delete(_ stream: StreamID) throws { try self.operate { $0.deleteStream(stream) } }

    package func shards(_ stream: StreamID) throws -> [ShardDescription] {
        try self.operate { $0.listShards(of: stream, .fromTrimHorizon, after: nil, limit: 10_000) }.shards
    }

    /// The data of all records of a stream as texts, shard by shard, as the log has them.
    package func texts(_ stream: StreamID) async throws -> [ShardNumber: [String]] {
        var texts: [ShardNumber: [String]] = [:]
        for shard in try self.shards(stream) {
            let ref = ShardRef(stream: stream, shard: shard.number)
            var (next, isAtEnd) = (shard.firstIndex, false)
            while !isAtEnd {
                let request = ReadRequest(
                    shard: ref, fromIndex: next, maxRecords: 10_000, maxBytes: 10 << 20,
                    nowMillis: self.node.engine.clock.wallMillis)
                let found = try await withCheckedThrowingContinuation { continuation in
                    self.node.engine.log.read(request) { continuation.resume(with: $0) }
                }
                for chunk in found.chunks {
                    texts[shard.number, default: []] += chunk.withBytes { Self.texts($0, found.firstIndex) }
                }
                isAtEnd = found.nextIndex == next || found.endOfShard != nil
                next = found.nextIndex
            }
        }
        return texts
    }

    private static func texts(_ raw: UnsafeRawBufferPointer, _ from: UInt64) -> [String] {
        var texts: [String] = []
        var offset = 0
        while offset < raw.count, let placement = try? Placement(reading: raw.slice(offset, raw.count - offset)) {
            let records = raw.slice(
                offset + Placement.bytes + BatchBody.headerBytes, placement.bodyLength - BatchBody.headerBytes)
            var cursor = RecordCursor(records: records)
            var index = placement.firstIndex
            while let record = try? cursor.next() {
                if index >= from { texts.append(String(decoding: record.data, as: UTF8.self)) }
                index += 1
            }
            offset += placement.totalLength
        }
        return texts
    }
}

// MARK: - Its ways

extension InProcessNode {
    func began() { self.state.withLock { $0.unanswered += 1 } }
    func settled(_ count: Int) { self.state.withLock { $0.unanswered -= count } }

    func ended(_ way: NodeWay, unanswered: Int) {
        self.state.withLock { state in
            state.ways[ObjectIdentifier(way)] = nil
            state.unanswered -= unanswered
        }
    }

    func fate(of type: FrameType, _ payload: [UInt8]) -> RequestFate {
        let (script, number) = self.state.withLock { state in
            state.requests.append(Request(type: type, payload: payload))
            state.counts[type, default: 0] += 1
            return (state.script, state.counts[type] ?? 0)
        }
        return script(type, number)
    }

    /// Whether the push arrives.
    func pushed(_ header: FrameHeader, _ frame: ByteBuffer) -> Bool {
        let bytes = frame.withUnsafeReadableBytes { raw in
            (try? RecordsPushView(payload: raw.slice(FrameHeader.bytes, header.length)))
                .map { Int($0.records.header.batchBytes) } ?? 0
        }
        return self.state.withLock { state in
            guard !state.losesPushes else { return false }
            state.pushes += 1
            state.pushedBytes += bytes
            return true
        }
    }
}

private struct NodeTransport: Transport {
    let node: InProcessNode

    init(_ node: InProcessNode) { self.node = node }

    func connect(
        to receiver: any FrameReceiver, timeout: Duration
    ) async throws(WeirError) -> any FrameConnection {
        try await self.node.connect(receiver)
    }

    func shutdown() async {}
}
