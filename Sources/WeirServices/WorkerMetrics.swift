// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import Synchronization
import WeirConsumer

/// What a worker has done, as counters and meters.
final class WorkerMetrics: Sendable {
    private typealias Count = (value: @Sendable (WorkerStatus) -> UInt64, counter: Counter)
    private typealias Level = (value: @Sendable (WorkerStatus) -> Int, meter: Meter)

    private let counts: [Count]
    private let levels: [Level]
    /// As it was told last.
    private let told = Mutex(WorkerStatus())

    init(_ configuration: WorkerConfiguration, _ factory: any MetricsFactory) {
        let dimensions = [
            ("application", configuration.application.description), ("worker", configuration.worker.description),
        ]
        func count(_ name: String, _ value: @escaping @Sendable (WorkerStatus) -> UInt64) -> Count {
            (value, Counter(label: "weir_worker_" + name, dimensions: dimensions, factory: factory))
        }
        func level(_ name: String, _ value: @escaping @Sendable (WorkerStatus) -> Int) -> Level {
            (value, Meter(label: "weir_worker_" + name, dimensions: dimensions, factory: factory))
        }
        self.counts = [
            count("leases_started") { $0.leasesStarted }, count("leases_lost") { $0.leasesLost },
            count("shards_ended") { $0.shardsEnded }, count("records") { $0.records }, count("bytes") { $0.bytes },
            count("retries") { $0.retries }, count("dead_letters") { $0.deadLetters },
            count("checkpoints") { $0.checkpoints }, count("checkpoint_failures") { $0.checkpointFailures },
            count("missed_records") { $0.missedRecords }, count("read_failures") { $0.readFailures },
            count("shards_stopped") { $0.shardsStopped },
        ]
        self.levels = [level("is_in_session") { $0.isInSession ? 1 : 0 }, level("leases") { $0.leases }]
    }

    func tell(_ status: WorkerStatus) {
        self.told.withLock { told in
            for count in self.counts {
                let (now, before) = (count.value(status), count.value(told))
                if now > before { count.counter.increment(by: now - before) }
            }
            for level in self.levels { level.meter.set(level.value(status)) }
            told = status
        }
    }
}
