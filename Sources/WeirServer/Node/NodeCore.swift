// SPDX-License-Identifier: Apache-2.0
import Logging
import Synchronization
import WeirCatalog
import WeirLog
import WeirModel
import WeirProtocol
import WeirStorage

/// What all connections of a node share, on whatever event loop they are.
final class NodeCore: Sendable {
    let configuration: NodeConfiguration
    let sessionConfiguration: ServerSession.Configuration
    let storage: Storage
    let clock: any Clock
    let logger: Logger
    let relay: ProgressRelay
    /// The log id: what iterators hold.
    let nodeID: UInt64
    let startedNanos: UInt64
    let sessions = SessionRegistry<ConnectionHandle>()
    /// Frames that have arrived in part.
    let frameMemory: MemoryBudget
    /// The same for requests that hold a list, such as the heartbeat of a worker with many shards.
    let listMemory = MemoryBudget(bytesMax: 64 * FrameType.heartbeatBytesMax)
    /// Records on their way out.
    let readMemory: MemoryBudget
    /// Answers and requests that wait, of all connections, beyond what each has for itself.
    let heldMemory: MemoryBudget
    let admission = Mutex(AdmissionTable())
    /// What registered consumers have read, each for itself.
    private let consumerAdmission = Mutex<[StreamID: [ConsumerName: AdmissionTable]]>([:])
    let groups: GroupRegistry
    /// Whether puts find no room in the log.
    let fullLog = Mutex(FullLog())
    let connectionCount = Atomic<Int>(0)
    /// Long polls and subscriptions.
    let waiterCount = Atomic<Int>(0)
    private let nextConnection = Atomic<UInt64>(1)
    private let loops = Mutex<[LoopHandle]>([])
    private let counters = Mutex<[Counters]>([])
    private let draining = Atomic<Bool>(false)
    /// No connection is left after a drain began, or patience was.
    let drained = Ending()

    init(
        _ configuration: NodeConfiguration, storage: Storage, clock: any Clock, relay: ProgressRelay, logger: Logger
    ) {
        self.configuration = configuration
        self.storage = storage
        self.clock = clock
        self.relay = relay
        self.logger = logger
        self.nodeID = storage.status().nodeID
        self.startedNanos = clock.monotonicNanos
        self.groups = GroupRegistry(storage, clock)
        self.frameMemory = MemoryBudget(bytesMax: configuration.frameMemoryBytesMax)
        self.readMemory = MemoryBudget(bytesMax: configuration.readMemoryBytesMax)
        self.heldMemory = MemoryBudget(bytesMax: configuration.heldMemoryBytesMax)
        self.sessionConfiguration = ServerSession.Configuration(
            serverName: configuration.serverName, nodeID: self.nodeID, putCreditBytes: configuration.putCreditBytes,
            putCreditRequests: configuration.putCreditRequests, frameBytesMax: configuration.frameBytesMax,
            helloTimeoutMillis: configuration.helloTimeoutMillis, stallTimeoutMillis: configuration.stallTimeoutMillis)
    }

    var nowMillis: Int64 { Int64(self.clock.monotonicNanos / 1_000_000) }
    var isDraining: Bool { self.draining.load(ordering: .acquiring) }

    func attach(_ loops: [LoopHandle], _ counters: [Counters]) {
        self.loops.withLock { $0 = loops }
        self.counters.withLock { $0 = counters }
    }

    func beginDrain() { self.draining.store(true, ordering: .sequentiallyConsistent) }

    /// A connection has ended.
    func connectionEnded() {
        self.connectionCount.subtract(1, ordering: .sequentiallyConsistent)
        if self.draining.load(ordering: .sequentiallyConsistent) { self.endDrainWhenEmpty() }
    }

    func endDrainWhenEmpty() {
        if self.connectionCount.load(ordering: .sequentiallyConsistent) == 0 { self.drained.end(nil) }
    }

    func nextConnectionID() -> UInt64 { self.nextConnection.add(1, ordering: .relaxed).oldValue }

    func onEveryLoop(_ body: @escaping @Sendable (LoopContext) -> Void) {
        for loop in self.loops.withLock({ $0 }) { loop.run(body) }
    }

    /// The sum of one counter over all loops.
    func sum(_ counter: (Counters) -> Int64) -> Int64 {
        self.counters.withLock { $0 }.reduce(0) { $0 + counter($1) }
    }

    /// One more long poll or subscription, if the node takes it.
    func takeWaiter() throws(WeirError) {
        let (old, _) = self.waiterCount.add(1, ordering: .relaxed)
        guard old < self.configuration.waitersMax else {
            self.waiterCount.subtract(1, ordering: .relaxed)
            throw WeirError(
                .limitExceeded,
                "the node holds \(old) subscriptions and long polls; \(self.configuration.waitersMax) are allowed",
                verdict: .init(maybeStored: false, retry: .after(1000)))
        }
    }

    /// The read budget of a shard: the one that all share, or a registered consumer's own.
    func reading<Value: Sendable>(
        _ shard: ShardRef, _ settings: StreamSettings, _ consumer: ConsumerName?, nowNanos now: UInt64,
        _ body: (inout ShardAdmission) -> Value
    ) -> Value {
        guard let consumer else {
            return self.admission.withLock { $0.with(shard, settings, nowNanos: now, body) }
        }
        return self.consumerAdmission.withLock {
            $0[shard.stream, default: [:]][consumer, default: AdmissionTable()]
                .with(shard, settings, nowNanos: now, body)
        }
    }

    /// A consumer was deregistered: its budget is forgotten, and its subscriptions look again.
    func deregistered(_ consumer: ConsumerName, of stream: StreamID, _ mark: Mark) {
        self.consumerAdmission.withLock { $0[stream]?[consumer] = nil }
        self.onEveryLoop { loop in
            loop.whenDurable(mark) { [unowned loop] in
                loop.lookAgain()
            } onFailure: {
            }
        }
    }

    /// Looks whether a full log has room again, and tells what has changed. Called a few times a second.
    func lookAtFullLog() {
        let now = self.clock.monotonicNanos
        if let size = self.fullLog.withLock({ $0.wantsToKnow(nowNanos: now) }) {
            let refusal = self.storage.withLog {
                $0.refusalOfFullLog(forParts: size.parts, recordBytes: size.bytes)
            }
            if refusal == nil { self.fullLog.withLock { $0.hasRoom(nowNanos: now) } }
        }
        for news in self.fullLog.withLock({ $0.takeNews() }) {
            switch news {
            case .entered(let reason):
                self.logger.warning("puts are refused: the log is full", metadata: ["reason": "\(reason)"])
            case .left(let millis, let records):
                self.logger.notice(
                    "puts are taken again: the log has room",
                    metadata: ["full-for": "\(millis) ms", "records-refused": "\(records)"])
            }
        }
    }

    func releaseWaiter() { self.waiterCount.subtract(1, ordering: .relaxed) }

    /// The stream goes: what waits for its records is ended when that is durable.
    func streamDeleted(_ stream: StreamID, _ mark: Mark) {
        self.admission.withLock { $0.removeAll(of: stream) }
        self.consumerAdmission.withLock { $0[stream] = nil }
        self.onEveryLoop { loop in
            loop.whenDurable(mark) { [unowned loop] in
                loop.endAll(of: stream)
            } onFailure: {
            }
        }
    }
}

/// A connection, for those who are on another event loop.
struct ConnectionHandle: Sendable {
    let loop: LoopHandle
    let id: UInt64
}
