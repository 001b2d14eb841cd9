// SPDX-License-Identifier: Apache-2.0
import Logging
import Synchronization
import WeirEngine
import WeirIO
import WeirModel
import WeirProtocol
import WeirStorage

/// What all connections of a node share, on whatever event loop they are.
final class NodeCore: Sendable {
    let configuration: NodeConfiguration
    let sessionConfiguration: ServerSession.Configuration
    let storage: Storage
    let engine: Engine
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
    let connectionCount = Atomic<Int>(0)
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
        self.engine = Engine(storage, clock: clock, limits: configuration.engineLimits)
        self.frameMemory = MemoryBudget(bytesMax: configuration.frameMemoryBytesMax)
        self.sessionConfiguration = ServerSession.Configuration(
            serverName: configuration.serverName, nodeID: self.nodeID, putCreditBytes: configuration.putCreditBytes,
            putCreditRequests: configuration.putCreditRequests, frameBytesMax: configuration.frameBytesMax,
            helloTimeoutMillis: configuration.helloTimeoutMillis, stallTimeoutMillis: configuration.stallTimeoutMillis)
    }

    var nowMillis: Int64 { Int64(self.clock.monotonicNanos / 1_000_000) }
    var isDraining: Bool { self.draining.load(ordering: .acquiring) }

    func attach(_ loops: [LoopHandle], _ hosts: [EventLoopHost], _ counters: [Counters]) {
        self.engine.attach(hosts)
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

    /// Looks whether a full log has room again, and tells what has changed. Called a few times a second.
    func lookAtFullLog() {
        for news in self.engine.lookAtFullLog() {
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
}

/// A connection, for those who are on another event loop.
struct ConnectionHandle: Sendable {
    let loop: LoopHandle
    let id: UInt64
}
