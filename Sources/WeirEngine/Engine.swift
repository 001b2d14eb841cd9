// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel
import WeirStorage

/// The log as an engine needs it: a running one with threads, or that of a simulation, which has none.
package protocol EngineLog: AnyObject, Sendable {
    /// Runs `body` under the log's lock. Short, no I/O, no waiting. The writers are woken when there is work for them.
    func withLog<R, E: Error>(_ body: (LogCore) throws(E) -> R) throws(E) -> R
    /// As `withLog`, for one of many changes in a row. When `owed` becomes true, the caller owes `wakeWriter`.
    func withLog<R, E: Error>(owing owed: inout Bool, _ body: (LogCore) throws(E) -> R) throws(E) -> R
    func wakeWriter()
    /// Reads from index, memory or disk; `completion` may come on any thread.
    func read(_ request: ReadRequest, completion: @escaping @Sendable (Result<ReadResult, WeirError>) -> Void)
    /// Finds where reading begins; `completion` may come on any thread.
    func resolve(
        _ type: ShardIteratorType, in shard: ShardRef, nowMillis: Int64,
        completion: @escaping @Sendable (Result<UInt64, WeirError>) -> Void)
}

extension Storage: EngineLog {}

/// What an engine may hold; each bound is one over all its lanes unless it says otherwise.
package struct EngineLimits: Sendable {
    /// Bytes of records on their way out; over it reads wait.
    package var readMemoryBytesMax: Int
    /// Bytes of answers and requests that wait, beyond what each caller has for itself.
    package var heldMemoryBytesMax: Int
    /// Long polls, subscriptions and heartbeats that wait.
    package var waitersMax: Int
    /// Reads of one caller that wait.
    package var readsPerCallerMax: Int
    /// Subscriptions of one caller.
    package var subscriptionsPerCallerMax: Int
    /// Leases that one stay under the log's lock looks at, as a rule: about a millisecond.
    package var leasesInOneStay: Int

    package init(
        readMemoryBytesMax: Int, heldMemoryBytesMax: Int, waitersMax: Int, readsPerCallerMax: Int,
        subscriptionsPerCallerMax: Int, leasesInOneStay: Int = Applications.leasesInOneStay
    ) {
        self.readMemoryBytesMax = readMemoryBytesMax
        self.heldMemoryBytesMax = heldMemoryBytesMax
        self.waitersMax = waitersMax
        self.readsPerCallerMax = readsPerCallerMax
        self.subscriptionsPerCallerMax = subscriptionsPerCallerMax
        self.leasesInOneStay = leasesInOneStay
    }
}

/// What every door of a node stands on: the log, the rates, the applications and the bounds. One for a node; each
/// thread that serves callers has a `Lane` on it.
package final class Engine: Sendable {
    package let log: any EngineLog
    package let clock: any Clock
    package let limits: EngineLimits
    /// Records on their way out.
    package let readMemory: MemoryBudget
    /// Answers and requests that wait, of all callers, beyond what each has for itself.
    package let heldMemory: MemoryBudget
    package let applications: Applications
    /// The deliveries that the node runs by itself.
    package let deliveries = DeliveryDesk()
    /// Whether puts find no room in the log.
    package let fullLog = Mutex(FullLog())
    let admission = Mutex(AdmissionTable())
    /// What registered consumers have read, each for itself.
    private let consumerAdmission = Mutex<[StreamID: [ConsumerName: AdmissionTable]]>([:])
    private let waiters = Atomic<Int>(0)
    private let lanes = Mutex<[any LaneHost]>([])

    package init(_ log: any EngineLog, clock: any Clock, limits: EngineLimits) {
        self.log = log
        self.clock = clock
        self.limits = limits
        self.readMemory = MemoryBudget(bytesMax: limits.readMemoryBytesMax)
        self.heldMemory = MemoryBudget(bytesMax: limits.heldMemoryBytesMax)
        self.applications = Applications(log, clock, leasesInOneStay: limits.leasesInOneStay)
    }

    /// The lanes that are told what concerns all of them.
    package func attach(_ lanes: [any LaneHost]) { self.lanes.withLock { $0 = lanes } }

    package func onEveryLane(_ body: @escaping @Sendable (Lane) -> Void) {
        for lane in self.lanes.withLock({ $0 }) { lane.run(body) }
    }

    // MARK: Those who wait

    /// Long polls, subscriptions and heartbeats that wait now.
    package var waiterCount: Int { self.waiters.load(ordering: .relaxed) }

    /// One more that waits, if the node takes it.
    package func takeWaiter() throws(WeirError) {
        let (old, _) = self.waiters.add(1, ordering: .relaxed)
        guard old < self.limits.waitersMax else {
            self.waiters.subtract(1, ordering: .relaxed)
            throw WeirError(
                .limitExceeded,
                "the node holds \(old) subscriptions and long polls; \(self.limits.waitersMax) are allowed",
                verdict: .init(maybeStored: false, retry: .after(millis: 1000)))
        }
    }

    package func releaseWaiter() {
        let (old, _) = self.waiters.subtract(1, ordering: .relaxed)
        precondition(old > 0, "more waiters were released than taken")
    }

    // MARK: Rates

    /// The read budget of a shard: the one that all share, or a registered consumer's own.
    func reading<Value: Sendable>(
        of shard: ShardRef, _ settings: StreamSettings, by consumer: ConsumerName?,
        _ body: (inout ShardAdmission, UInt64) -> Value
    ) -> Value {
        let now = self.clock.monotonicNanos
        guard let consumer else {
            return self.admission.withLock { table in
                table.with(shard, settings, nowNanos: now) { body(&$0, now) }
            }
        }
        return self.consumerAdmission.withLock {
            $0[shard.stream, default: [:]][consumer, default: AdmissionTable()]
                .with(shard, settings, nowNanos: now) { body(&$0, now) }
        }
    }

    // MARK: What concerns everybody

    /// The stream goes: what waits for its records is ended when that is durable.
    package func streamDeleted(_ stream: StreamID, _ mark: Mark) {
        self.admission.withLock { $0.removeAll(of: stream) }
        self.consumerAdmission.withLock { $0[stream] = nil }
        self.onEveryLane { lane in
            lane.whenDurable(mark) { [unowned lane] in
                lane.endAll(of: stream)
            } onFailure: {
            }
        }
    }

    /// A consumer was deregistered: its budget is forgotten, and its subscriptions look again.
    package func deregistered(_ consumer: ConsumerName, of stream: StreamID, _ mark: Mark) {
        self.consumerAdmission.withLock { $0[stream]?[consumer] = nil }
        self.onEveryLane { lane in
            lane.whenDurable(mark) { [unowned lane] in
                lane.wakeAll()
            } onFailure: {
            }
        }
    }

    /// Looks whether a full log has room again, and returns what there is to tell. Called a few times a second.
    package func lookAtFullLog() -> [FullLog.News] {
        let now = self.clock.monotonicNanos
        if let size = self.fullLog.withLock({ $0.wantsToKnow(nowNanos: now) }) {
            let refusal = self.log.withLog { $0.refusalOfFullLog(forParts: size.parts, recordBytes: size.bytes) }
            if refusal == nil { self.fullLog.withLock { $0.hasRoom(nowNanos: now) } }
        }
        return self.fullLog.withLock { $0.takeNews() }
    }
}
