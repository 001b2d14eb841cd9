// SPDX-License-Identifier: Apache-2.0
import CWeir
import Synchronization
import WeirClient
import WeirConsumer
import WeirModel

/// Reads a stream through a worker of a consumer application, until so many records have been processed.
struct WorkerLoad: Sendable {
    struct Result: Sendable {
        var records = 0
        var bytes = 0
        var seconds = 0.0
        var checkpoints: UInt64 = 0
    }

    private final class Count: Sendable {
        let records = Atomic<Int>(0)
        let bytes = Atomic<Int>(0)
    }

    /// Counts what it gets.
    private struct Counter: RecordProcessor {
        let count: Count
        let goal: Int
        let reached: @Sendable () -> Void

        func processRecords(_ records: UserRecords, checkpointer: Checkpointer) async throws {
            var bytes = 0
            for record in records { bytes += record.withData { $0.count } }
            self.count.bytes.add(bytes, ordering: .relaxed)
            if self.count.records.add(records.count, ordering: .relaxed).newValue >= self.goal { self.reached() }
        }
    }

    /// The application is made for this and deleted afterwards.
    static func run(_ client: WeirClient, _ stream: StreamDescription, goal: Int) async throws -> Result {
        let application = try ApplicationName("bench-\(String(UInt64.random(in: 0...UInt64.max), radix: 36))")
        let count = Count()
        let stop = StopSwitch()
        let worker = try Worker(
            client: client, stream: stream.name, configuration: WorkerConfiguration(application: application)
        ) { _ in Counter(count: count, goal: goal) { stop.stop() } }
        stop.arm { worker.shutdown() }
        let begin = weir_monotonic_nanoseconds()
        try await worker.run()
        var result = Result()
        result.seconds = Double(weir_monotonic_nanoseconds() - begin) / 1e9
        result.records = count.records.load(ordering: .relaxed)
        result.bytes = count.bytes.load(ordering: .relaxed)
        result.checkpoints = worker.status.checkpoints
        try await client.deleteApplication(stream.id, application)
        return result
    }
}
