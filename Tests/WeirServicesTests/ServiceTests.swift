// SPDX-License-Identifier: Apache-2.0
import Logging
import MetricsTestKit
import ServiceLifecycle
import Synchronization
import Testing
import WeirClient
import WeirConsumer
import WeirModel
import WeirServices
import WeirTestKit
import WeirTestNode

/// Clients and workers in a group of services, at a real node in the same process.
@Suite(.timeLimit(.minutes(2))) struct ServiceTests {
    private let id = StreamID(1)

    /// Counts what it is given, and waits with the last record in hand until it may go on.
    private final class Counting: RecordProcessor {
        let seen = Mutex(0)
        private let all: Int
        private let mayGoOn: @Sendable () -> Bool

        init(_ all: Int, mayGoOn: @escaping @Sendable () -> Bool = { true }) {
            self.all = all
            self.mayGoOn = mayGoOn
        }

        func processRecords(_ records: UserRecords, checkpointer: Checkpointer) async throws {
            for _ in records { self.seen.withLock { $0 += 1 } }
            while self.seen.withLock({ $0 }) == self.all, !self.mayGoOn() { await Task.yield() }
        }
    }

    private func put(_ count: Int, _ client: WeirClient) async throws {
        let producer = try await client.producer(try StreamName("s"), .init(linger: .zero, timeout: nil))
        _ = try await producer.putBatch(
            (0..<count).map { ProducerRecord(partitionKey: "k\($0)", data: [7, 7, 7]) })
        try await producer.finish()
    }

    private func worker(_ client: WeirClient, _ processor: Counting) throws -> Worker {
        try Worker(
            client: client, stream: try StreamName("s"),
            configuration: WorkerConfiguration(
                application: try ApplicationName("billing"), worker: try WorkerID("w1"))
        ) { _ in processor }
    }

    private func group(_ services: [any Service]) -> ServiceGroup {
        ServiceGroup(services: services, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func eventually(_ isDone: () -> Bool) async { while !isDone() { await Task.yield() } }

    @Test func atAGracefulShutdownWhatIsInHandIsProcessedAndCheckpointedAndThenTheClientCloses() async throws {
        try await RunningNodes.during {
            let node = try await InProcessNode.start()
            try await node.makeStream("s", shards: 1)
            let client = try node.client()
            try await self.put(100, client)
            let mayGoOn = Mutex(false)
            let processor = Counting(100) { mayGoOn.withLock { $0 } }
            let worker = try self.worker(client, processor)
            let group = self.group([ClientService(client), WorkerService(worker)])
            let running = Task { try await group.run() }
            await self.eventually { processor.seen.withLock { $0 } == 100 }
            // A put that would linger for a minute: the client stores it before it closes, behind the worker.
            let producer = try await client.producer(try StreamName("s"), .init(linger: .seconds(60)))
            let put = Task { try await producer.put(key: "k", data: [1]) }
            await group.triggerGracefulShutdown()
            mayGoOn.withLock { $0 = true }
            try await running.value
            _ = try await put.value
            #expect(processor.seen.withLock { $0 } == 100)
            let leases = try await self.leases(node)
            guard case .sequenceNumber(let number, nil)? = leases.first?.checkpoint else {
                Issue.record("not checkpointed: \(leases)")
                return
            }
            #expect(number.index == 99 && leases.first?.owner == nil)
            await #expect(throws: WeirError.self) { try await client.ping() }
        }
    }

    private func leases(_ node: InProcessNode) async throws -> [LeaseDescription] {
        let operators = try node.client()
        let leases = try await operators.leases(self.id, application: try ApplicationName("billing"))
        await operators.close()
        return leases
    }

    @Test func whatAWorkerCountsIsToldOnceAndItsLevelsAsTheyAre() async throws {
        try await RunningNodes.during {
            let node = try await InProcessNode.start()
            try await node.makeStream("s", shards: 2)
            let client = try node.client()
            try await self.put(60, client)
            let processor = Counting(.max)
            let worker = try self.worker(client, processor)
            let metrics = TestMetrics()
            let clock = ManualClock()
            let service = WorkerService(worker, metricsEvery: .seconds(10), factory: metrics, clock: clock)
            let running = Task { try await service.run() }
            await self.eventually { worker.status.records == 60 && worker.status.leases == 2 }
            let dimensions = [("application", "billing"), ("worker", "w1")]
            // Told every ten seconds, and only what came since.
            for _ in 0..<3 {
                await clock.advance(stepMillis: 1000) {
                    metrics.counterTotal(label: "weir_worker_records", dimensions: dimensions) == 60
                }
                clock.advance(millis: 10_000)
            }
            // They are told behind the counters.
            await self.eventually {
                (try? metrics.expectMeter("weir_worker_leases", dimensions).lastValue) == 2
                    && (try? metrics.expectMeter("weir_worker_is_in_session", dimensions).lastValue) == 1
            }
            try await self.put(5, client)
            await self.eventually { worker.status.records == 65 }
            worker.shutdown()
            try await running.value
            #expect(metrics.counterTotal(label: "weir_worker_records", dimensions: dimensions) == 65)
            #expect(
                metrics.counterTotal(label: "weir_worker_bytes", dimensions: dimensions)
                    == Int64(worker.status.bytes))
            #expect(try metrics.expectMeter("weir_worker_leases", dimensions).lastValue == 0)
            await client.close()
        }
    }
}
