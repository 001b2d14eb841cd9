// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirIO
import WeirModel
import WeirTestKit

@testable import WeirClient
@testable import WeirConsumer

struct Broken: Error, CustomStringConvertible {
    let description: String
    init(_ description: String = "broken") { self.description = description }
}

/// Writes down the calls of all processors of a worker, and does what a test wants at each.
final class Journal: Sendable {
    typealias OnRecords = @Sendable (UserRecords, Checkpointer) async throws -> Void
    typealias OnEnd = @Sendable (Checkpointer) async throws -> Void

    private let lines = Mutex<[String]>([])
    let onRecords: OnRecords
    let onEnd: OnEnd?
    let onShutdown: OnEnd?

    init(onRecords: @escaping OnRecords = { _, _ in }, onEnd: OnEnd? = nil, onShutdown: OnEnd? = nil) {
        self.onRecords = onRecords
        self.onEnd = onEnd
        self.onShutdown = onShutdown
    }

    func write(_ line: String) { self.lines.withLock { $0.append(line) } }
    var all: [String] { self.lines.withLock { $0 } }
    func of(_ shard: UInt32) -> [String] {
        self.all.filter { $0.hasPrefix("\(shard): ") }.map { String($0.dropFirst("\(shard): ".count)) }
    }

    var processors: @Sendable (ShardNumber) -> any RecordProcessor {
        { JournalProcessor(journal: self, shard: $0.rawValue) }
    }
}

struct JournalProcessor: RecordProcessor {
    let journal: Journal
    let shard: UInt32

    func initialize(_ shard: ShardNumber, from checkpoint: LeaseCheckpoint) async throws {
        self.journal.write("\(self.shard): initialize \(short(checkpoint))")
    }

    func processRecords(_ records: UserRecords, checkpointer: Checkpointer) async throws {
        let names = records.map { "\($0.sequenceNumber.index)" + ($0.subSequence.map { ".\($0)" } ?? "") }
        self.journal.write("\(self.shard): " + names.joined(separator: " "))
        try await self.journal.onRecords(records, checkpointer)
    }

    func leaseLost() async { self.journal.write("\(self.shard): leaseLost") }

    func shardEnded(checkpointer: Checkpointer) async throws {
        self.journal.write("\(self.shard): shardEnded")
        try await self.journal.onEnd?(checkpointer)
    }

    func shutdownRequested(checkpointer: Checkpointer) async throws {
        self.journal.write("\(self.shard): shutdownRequested")
        try await self.journal.onShutdown?(checkpointer)
    }
}

/// Something that a test lets happen.
final class Gate: Sendable {
    private let isOpen = Mutex(false)
    func open() { self.isOpen.withLock { $0 = true } }
    /// Throws when the task is cancelled.
    func wait() async throws {
        while !self.isOpen.withLock({ $0 }) {
            try Task.checkCancellation()
            await Task.yield()
        }
    }
}

/// A worker over a model server.
struct Rig: Sendable {
    let server: ModelServer
    let journal: Journal
    let worker: Worker

    init(
        _ server: ModelServer, _ journal: Journal, clock: any Clock = ImpatientClock(),
        _ change: (inout WorkerConfiguration) -> Void = { _ in }
    ) throws {
        var configuration = WorkerConfiguration(
            application: try ApplicationName("app"), worker: try WorkerID("worker-1"), sessionTimeout: .seconds(300))
        change(&configuration)
        self.server = server
        self.journal = journal
        let buries = if case .deadLetter = configuration.retry.exhausted { true } else { false }
        let services = WorkerServices(
            leases: server, source: server, deadLetters: buries ? server : nil, clock: clock, dice: { 3 })
        self.worker = try Worker(configuration, connect: { services }, processors: journal.processors)
    }

    /// Runs the worker while `body` runs, then shuts it down.
    func run(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.worker.run() }
            try await body()
            self.worker.shutdown()
            try await group.waitForAll()
        }
    }

    func until(_ isTrue: @escaping @Sendable (ModelServer.State) -> Bool) async { await self.server.until(isTrue) }

    func untilCheckpoint(_ shard: UInt32, _ checkpoint: LeaseCheckpoint) async {
        await self.until { $0.rows[ShardNumber(shard)].map { short($0.checkpoint) } == short(checkpoint) }
    }

    func eventually(_ isTrue: () -> Bool) async { while !isTrue() { await Task.yield() } }
}

/// Its pauses take no time: a clock that is where somebody waits for it to be. Waits of 1.9 s and more, which are those
/// of leaving, draining and sessions, never end.
final class ImpatientClock: Clock {
    private let now = Mutex<UInt64>(1_000_000_000)

    var wallMillis: Int64 { ManualClock.start + Int64(self.monotonicNanos / 1_000_000) }
    var monotonicNanos: UInt64 { self.now.withLock { $0 } }

    func schedule(at nanoseconds: UInt64, _ body: @escaping @Sendable () -> Void) {
        let isSoon = self.now.withLock { now in
            guard nanoseconds <= now + 1_900_000_000 else { return false }
            now = max(now, nanoseconds)
            return true
        }
        if isSoon { Task { body() } }
    }
}
