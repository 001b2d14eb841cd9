// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization
import WeirIO
import WeirModel
import WeirProtocol

@testable import WeirClient

/// A node for tests of the client: speaks the real protocol, keeps everything in memory, and does what a script says
/// with the puts that come.
final class FakeNode: Sendable {
    /// What becomes of a put.
    enum PutScript: Sendable {
        case store
        /// Only the first so many records of each group.
        case throttle(admit: Int, retryAfterMillis: UInt32 = 1)
        case refuse(WeirError)
        /// The connection is closed; the put may be stored before.
        case cut(storing: Bool)
        /// Stored, but no answer comes.
        case silence
        /// Stored, but the answer is one to something else.
        case wrongAnswer
    }

    struct Shard: Sendable {
        var description: ShardDescription
        /// Placement and body.
        var batches: [(placement: Placement, bytes: [UInt8])] = []
        var endIndex: UInt64 = 0
        /// Records below are trimmed.
        var horizon: UInt64 = 0
    }

    struct Stream: Sendable {
        var description: StreamDescription
        var shards: [Shard]
        var isDeleted = false
    }

    struct State {
        var streams: [StreamID: Stream] = [:]
        var connections: [FakeConnection] = []
        var sessions: [UInt64] = []
        var connectionNumbers: [UInt64] = []
        var putCount = 0
        /// Asked for each put, with its number from 1.
        var script: @Sendable (Int) -> PutScript = { _ in .store }
        /// So many of the next connections are refused.
        var refusals = 0
        var answersPings = true
        /// How a push is divided: at most so many batches.
        var batchesPerPush = 2
        var groupedPuts = 0
        var routedPuts = 0
        var groups = FakeGroups()
    }

    let state = Mutex(State())
    let putCredit: UInt32
    let features: UInt64

    init(putCredit: UInt32 = 1024, features: UInt64 = Wire.features) {
        self.putCredit = putCredit
        self.features = features
    }

    /// A client of this node.
    func client(
        clock: any Clock = SystemClock(), _ change: (inout ClientConfiguration) -> Void = { _ in }
    ) throws -> WeirClient {
        // Other tests may keep all processors busy for long: nothing here may fail for that.
        var configuration = ClientConfiguration(
            callTimeout: .seconds(100), connectTimeout: .seconds(100), pingInterval: .seconds(100),
            retry: RetryPolicy(firstPauseMillis: 1, longestPauseMillis: 5))
        change(&configuration)
        let dice = Mutex(SeededGenerator(seed: 4))
        return try WeirClient(
            configuration, transport: InProcessTransport { way throws(WeirError) in try self.accept(way) },
            clock: clock,
            dice: { dice.withLock { $0.next() } })
    }

    private func accept(_ way: any FrameConnection) throws(WeirError) -> any FrameReceiver {
        let connection = FakeConnection(self, way)
        let isRefused = self.state.withLock { state in
            state.connections.append(connection)
            guard state.refusals > 0 else { return false }
            state.refusals -= 1
            return true
        }
        if isRefused { throw WeirError(.unavailable, "nobody listens") }
        return connection
    }

    func script(_ script: @escaping @Sendable (Int) -> PutScript) { self.state.withLock { $0.script = script } }

    /// Closes all connections.
    func cutAll() {
        let connections = self.state.withLock { state in
            defer { state.connections = [] }
            return state.connections
        }
        for connection in connections { connection.way.close() }
    }

    /// Closes all connections, and refuses the next ones.
    func refuseConnections(_ count: Int) {
        self.state.withLock { $0.refusals = count }
        self.cutAll()
    }

    // MARK: Streams

    @discardableResult
    func makeStream(_ name: String, shards: Int) throws -> StreamDescription {
        let name = try StreamName(name)
        return self.state.withLock { state in
            let id = StreamID(UInt64(state.streams.count + 1))
            let description = StreamDescription(
                id: id, name: name, settings: StreamSettings(), createdAtMillis: 1000, openShards: shards,
                mapVersion: 1, horizonMillis: 0)
            let ranges = HashKeyRange.tiling(shards)
            state.streams[id] = Stream(
                description: description,
                shards: ranges.enumerated().map { number, range in
                    Shard(
                        description: ShardDescription(
                            number: ShardNumber(UInt32(number)), range: range, parents: [], creationSecond: 1,
                            firstIndex: 0, createdAtMillis: 1000, closed: nil))
                })
            return description
        }
    }

    func split(_ id: StreamID, _ shard: ShardNumber) {
        self.reshard(id, [shard]) { ranges in
            let middle = ranges[0].lower.value + (ranges[0].upper.value - ranges[0].lower.value) / 2
            return [
                HashKeyRange(ranges[0].lower, HashKey(middle)), HashKeyRange(HashKey(middle + 1), ranges[0].upper),
            ]
        }
    }

    /// `first` is the lower one.
    func merge(_ id: StreamID, _ first: ShardNumber, _ second: ShardNumber) {
        self.reshard(id, [first, second]) { [HashKeyRange($0[0].lower, $0[1].upper)] }
    }

    private func reshard(
        _ id: StreamID, _ parents: [ShardNumber], _ divide: ([HashKeyRange]) -> [HashKeyRange]
    ) {
        self.change(id) { stream in
            let old = parents.map { stream.shards[Int($0.rawValue)] }
            let ranges = divide(old.map(\.description.range))
            let numbers = ranges.indices.map { ShardNumber(UInt32(stream.shards.count + $0)) }
            let first = old.map(\.endIndex).max() ?? 0
            for parent in old {
                let number = parent.description.number
                stream.shards[Int(number.rawValue)].description = ShardDescription(
                    number: number, range: parent.description.range, parents: parent.description.parents,
                    creationSecond: parent.description.creationSecond, firstIndex: parent.description.firstIndex,
                    createdAtMillis: parent.description.createdAtMillis,
                    closed: .init(endIndex: parent.endIndex, atMillis: 2000, children: numbers))
            }
            for (number, range) in zip(numbers, ranges) {
                var shard = Shard(
                    description: ShardDescription(
                        number: number, range: range, parents: parents,
                        creationSecond: (old.map(\.description.creationSecond).max() ?? 0) + 1, firstIndex: first,
                        createdAtMillis: 2000, closed: nil))
                shard.endIndex = first
                stream.shards.append(shard)
            }
            let before = stream.description
            stream.description = StreamDescription(
                id: before.id, name: before.name, settings: before.settings, createdAtMillis: before.createdAtMillis,
                openShards: stream.shards.filter(\.description.isOpen).count, mapVersion: before.mapVersion + 1,
                horizonMillis: 0)
        }
    }

    func delete(_ id: StreamID) { self.change(id) { $0.isDeleted = true } }

    func trim(_ id: StreamID, _ shard: ShardNumber, before index: UInt64) {
        self.change(id) { $0.shards[Int(shard.rawValue)].horizon = index }
    }

    /// Changes a stream, and lets the subscriptions see what became of it.
    func change(_ id: StreamID, _ change: (inout Stream) -> Void) {
        let connections = self.state.withLock { state in
            guard var stream = state.streams[id] else { return [FakeConnection]() }
            change(&stream)
            state.streams[id] = stream
            return state.connections
        }
        for connection in connections { connection.pushAll() }
    }

    /// The data of all records of a stream as texts, shard by shard.
    func texts(_ id: StreamID) -> [ShardNumber: [String]] {
        let shards = self.state.withLock { $0.streams[id]?.shards ?? [] }
        var texts: [ShardNumber: [String]] = [:]
        for shard in shards {
            texts[shard.description.number] = shard.batches.flatMap { batch in
                batch.bytes.withUnsafeBytes { raw -> [String] in
                    var texts: [String] = []
                    var cursor = RecordCursor(
                        records: raw.slice(
                            Placement.bytes + BatchBody.headerBytes, batch.placement.bodyLength - BatchBody.headerBytes)
                    )
                    while let record = try? cursor.next() { texts.append(String(decoding: record.data, as: UTF8.self)) }
                    return texts
                }
            }
        }
        return texts
    }
}
