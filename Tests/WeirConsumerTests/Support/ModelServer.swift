// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirModel

@testable import WeirClient
@testable import WeirConsumer

/// A lease table and shards for one worker, in memory: does what a test tells it.
final class ModelServer: LeaseService, RecordSource, DeadLetters {
    struct Row {
        var counter: UInt64
        var checkpoint: LeaseCheckpoint
        var isOurs = true
        var handOver = false
        var state: [UInt8] = []
    }

    struct State {
        var rows: [ShardNumber: Row] = [:]
        var version: UInt64 = 1
        var records: [ShardNumber: [Record]] = [:]
        var closed: Set<ShardNumber> = []
        /// What was asked, in order.
        var log: [String] = []
        var heartbeats = 0
        var isDeaf = false
        var letters: [(key: String, data: [UInt8])] = []
        /// Thrown once each.
        var letterErrors: [WeirError] = []
        var checkpointErrors: [WeirError] = []
        var joinErrors: [WeirError] = []
        var readErrors: [WeirError] = []
        var batchesTaken = 0
        var waiting: [Completion<Void>] = []
    }

    private let state = Mutex(State())
    let batchRecords: Int

    init(batchRecords: Int = 10) { self.batchRecords = batchRecords }

    func change<R: Sendable>(_ body: (inout State) -> R) -> R {
        let (result, waiting) = self.state.withLock { state in
            let result = body(&state)
            defer { state.waiting = [] }
            return (result, state.waiting)
        }
        for completion in waiting { completion.finish(.success(())) }
        return result
    }

    func get<R: Sendable>(_ body: (State) -> R) -> R { self.state.withLock { body($0) } }

    /// Waits until `find` finds something.
    private func wait<R: Sendable>(_ find: (inout State) throws -> R?) async throws -> R {
        while true {
            let completion = Completion<Void>()
            let found = try self.state.withLock { state -> R? in
                let found = try find(&state)
                if found == nil { state.waiting.append(completion) }
                return found
            }
            if let found { return found }
            try await completion.wait()
        }
    }

    func until(_ isTrue: @escaping @Sendable (State) -> Bool) async {
        _ = try? await self.wait { state in isTrue(state) ? true : nil }
    }

    // MARK: What a test sets up

    func give(_ shard: UInt32, counter: UInt64 = 1, from checkpoint: LeaseCheckpoint = .trimHorizon) {
        self.change { state in
            state.rows[ShardNumber(shard)] = Row(counter: counter, checkpoint: checkpoint)
            state.version += 1
        }
    }

    func takeAway(_ shard: UInt32) {
        self.change { state in
            state.rows[ShardNumber(shard)]?.isOurs = false
            state.rows[ShardNumber(shard)]?.counter += 1
            state.version += 1
        }
    }

    func ask(for shard: UInt32) {
        self.change { state in
            state.rows[ShardNumber(shard)]?.handOver = true
            state.version += 1
        }
    }

    func put(_ shard: UInt32, _ range: Range<UInt64>, close: Bool = false) {
        self.change { state in
            state.records[ShardNumber(shard), default: []] += range.map { record($0, [UInt8($0 & 255)], shard: shard) }
            if close { state.closed.insert(ShardNumber(shard)) }
        }
    }

    func checkpoint(of shard: UInt32) -> LeaseCheckpoint? { self.get { $0.rows[ShardNumber(shard)]?.checkpoint } }
    var log: [String] { self.get { $0.log } }

    // MARK: Leases

    private static func assignment(_ state: State) -> Assignment {
        let leases = state.rows.sorted { $0.key < $1.key }.filter { $0.value.isOurs }.map { shard, row in
            AssignedLease(
                shard: shard, counter: row.counter, checkpoint: row.checkpoint, isToBeHandedOver: row.handOver)
        }
        return Assignment(version: state.version, leases: leases)
    }

    func join(sessionTimeoutMillis: Int, from: StreamStart) async throws -> Assignment {
        try await self.wait { state in
            if state.isDeaf { return nil }
            state.log.append("join")
            if !state.joinErrors.isEmpty { throw state.joinErrors.removeFirst() }
            return Self.assignment(state)
        }
    }

    func heartbeat(
        seen version: UInt64, wait: Duration, measured: [(shard: ShardNumber, bytesPerSecond: UInt64)]
    ) async throws -> Assignment {
        self.change { $0.heartbeats += 1 }
        return try await self.wait { state in
            state.isDeaf || state.version == version ? nil : Self.assignment(state)
        }
    }

    private static func refuse(_ shard: ShardNumber, _ counter: UInt64, _ state: State) throws {
        guard let row = state.rows[shard], row.isOurs, row.counter == counter else {
            throw WeirError(.leaseLost, "the lease of \(shard) is held by 'other'")
        }
    }

    func checkpoint(_ shard: ShardNumber, counter: UInt64, _ checkpoint: LeaseCheckpoint) async throws {
        let error: WeirError? = self.change { state in
            if !state.checkpointErrors.isEmpty { return state.checkpointErrors.removeFirst() }
            do {
                try Self.refuse(shard, counter, state)
            } catch {
                return error as? WeirError
            }
            state.rows[shard]?.checkpoint = checkpoint
            state.log.append("checkpoint \(shard.rawValue) \(short(checkpoint))")
            return nil
        }
        if let error { throw error }
    }

    func saveState(_ shard: ShardNumber, counter: UInt64, _ bytes: [UInt8], replaces: UInt32) async throws {
        try self.state.withLock { state in
            try Self.refuse(shard, counter, state)
            guard LeaseState.checksum(state.rows[shard]?.state ?? []) == replaces else {
                throw WeirError(.invalidArgument, "something else is kept there")
            }
            state.rows[shard]?.state = bytes
        }
    }

    func state(_ shard: ShardNumber, counter: UInt64) async throws -> [UInt8] {
        try self.state.withLock { state in
            try Self.refuse(shard, counter, state)
            return state.rows[shard]?.state ?? []
        }
    }

    func handOver(_ shard: ShardNumber, counter: UInt64) async throws {
        try self.state.withLock { state in
            try Self.refuse(shard, counter, state)
        }
        self.change { state in
            state.log.append("handOver \(shard.rawValue)")
            state.rows[shard]?.isOurs = false
            state.version += 1
        }
    }

    func leave() async throws { self.change { $0.log.append("leave") } }

    // MARK: Records

    func reading(_ shard: ShardNumber, counter: UInt64, from position: LeaseCheckpoint) -> any LeaseReading {
        let first: UInt64 =
            switch position {
            case .sequenceNumber(let number, nil): number.index + 1
            case .sequenceNumber(let number, .some): number.index
            default: 0
            }
        return ModelReading(server: self, shard: shard, next: first)
    }

    fileprivate func next(_ shard: ShardNumber, from index: UInt64) async throws -> SourceBatch {
        try await self.wait { state in
            if !state.readErrors.isEmpty { throw state.readErrors.removeFirst() }
            let all = (state.records[shard] ?? []).filter { $0.sequenceNumber.index >= index }
            let some = Array(all.prefix(self.batchRecords))
            let isEnd = state.closed.contains(shard) && some.count == all.count
            guard !some.isEmpty || isEnd else { return nil }
            state.batchesTaken += 1
            return SourceBatch(some, isEndOfShard: isEnd)
        }
    }

    // MARK: Dead letters

    func put(key: String, data: [UInt8]) async throws {
        let error: WeirError? = self.change { state in
            if !state.letterErrors.isEmpty { return state.letterErrors.removeFirst() }
            state.letters.append((key, data))
            return nil
        }
        if let error { throw error }
    }

    func close() async { self.change { $0.log.append("close") } }
}

private final class ModelReading: LeaseReading {
    let server: ModelServer
    let shard: ShardNumber
    var next: UInt64

    init(server: ModelServer, shard: ShardNumber, next: UInt64) {
        self.server = server
        self.shard = shard
        self.next = next
    }

    func next() async throws -> SourceBatch? {
        do {
            let batch = try await self.server.next(self.shard, from: self.next)
            if let last = batch.records.lastNumber { self.next = last.index + 1 }
            return batch
        } catch is CancellationError {
            return nil
        }
    }
}

func short(_ checkpoint: LeaseCheckpoint) -> String {
    switch checkpoint {
    case .sequenceNumber(let number, let sub): "\(number.index)" + (sub.map { ".\($0)" } ?? "")
    case .shardEnd: "end"
    case .trimHorizon: "horizon"
    case .at(let time): "at \(time.millisecondsSince1970)"
    }
}
