// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirClient
import WeirModel

/// Producers that put a workload until they are told to stop.
package final class LoadGenerator: Sendable {
    package let workload: Workload
    package let ledgers: [Ledger]
    private let isStopping = Atomic<Bool>(false)
    private let isPaused = Atomic<Bool>(false)
    /// `nil` while it runs.
    private let end = Mutex<Result<Void, HarnessError>?>(nil)
    private let rate: Int
    private let configuration: ProducerConfiguration

    /// `rate`: records a second of all producers together; 0 is as fast as they can.
    package init(_ workload: Workload, rate: Int, _ configuration: ProducerConfiguration = LoadGenerator.patient) {
        self.workload = workload
        self.ledgers = (0..<workload.producers).map { Ledger(workload, producer: $0) }
        self.rate = rate
        self.configuration = configuration
    }

    /// Never gives up, and holds little, so that it notices a server that is away.
    package static var patient: ProducerConfiguration {
        ProducerConfiguration(
            batchRecords: 200, batchBytes: 256 << 10, linger: .milliseconds(2), bufferBytes: 1 << 20,
            requestsInFlight: 16, timeout: nil, progressTimeout: nil, unknownOutcome: .resend)
    }

    /// While it pauses nothing new is put; what is under way goes on.
    package func pause(_ pauses: Bool) { self.isPaused.store(pauses, ordering: .releasing) }

    package func stop() { self.isStopping.store(true, ordering: .releasing) }

    package var acknowledged: Int { self.ledgers.reduce(0) { $0 + $1.acknowledged } }

    /// Puts until `stop`, then waits until the fate of every record is known.
    package func run(_ client: WeirClient, _ stream: StreamName) async {
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for ledger in self.ledgers {
                    group.addTask { try await self.produce(client, stream, ledger) }
                }
                try await group.waitForAll()
            }
            self.end.withLock { $0 = .success(()) }
        } catch {
            self.end.withLock { $0 = .failure(HarnessError("putting failed: \(error)")) }
        }
    }

    /// Throws when putting has failed.
    package func check() throws { try self.end.withLock { $0 }?.get() }

    /// Waits until `run` has ended.
    package func ended(within: Duration = Waiting.usual) async throws {
        try await Waiting.until("the end of putting", within: within) {
            try self.check()
            return self.end.withLock { $0 != nil }
        }
    }

    private func produce(_ client: WeirClient, _ stream: StreamName, _ ledger: Ledger) async throws {
        let producer = try await client.producer(stream, self.configuration)
        let batcher = producer.batcher { ledger.take($0) }
        let pace = Pace(rate: self.rate / self.workload.producers)
        while !self.isStopping.load(ordering: .acquiring) {
            let position = ledger.next()
            let key = self.workload.keyText(ledger.producer, self.workload.key(ledger.producer, position))
            try await batcher.append(key: key, data: self.workload.data(ledger.producer, position))
            if position % 16 == 15 { try await pace.wait(for: 16) }
            while self.isPaused.load(ordering: .acquiring), !self.isStopping.load(ordering: .acquiring) {
                try await Task.sleep(for: .milliseconds(2))
            }
        }
        try await batcher.drain()
        try await producer.finish()
    }

    /// The producers' records that were neither stored nor refused, and those that were refused.
    package func judge(_ violations: inout Violations) {
        for ledger in self.ledgers {
            let state = ledger.snapshot
            if let error = state.firstFailure {
                violations.add("\(state.failed) puts of producer \(ledger.producer) failed for good: \(error.message)")
            }
            if state.reported != state.ordinals.count {
                violations.add(
                    "producer \(ledger.producer) was told of \(state.reported) of its \(state.ordinals.count) records")
            }
        }
    }
}

/// So many a second, and no catching up after a pause of more than a fifth of a second.
private final class Pace {
    private let rate: Int
    private let clock = ContinuousClock()
    private var next: ContinuousClock.Instant

    init(rate: Int) {
        self.rate = rate
        self.next = self.clock.now
    }

    func wait(for count: Int) async throws {
        guard self.rate > 0 else { return }
        self.next += .nanoseconds(1_000_000_000 / self.rate * count)
        let now = self.clock.now
        if self.next < now - .milliseconds(200) { self.next = now - .milliseconds(200) }
        if self.next > now { try await self.clock.sleep(until: self.next) }
    }
}
