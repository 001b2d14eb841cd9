// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import ServiceLifecycle
import WeirConsumer
import WeirIO

/// A worker as a service of a `ServiceGroup`: at a graceful shutdown its processors finish what they have and
/// checkpoint, and its shards go to other workers. Meanwhile swift-metrics is told what `Worker.status` counts.
///
/// Counters are `weir_worker_` and the names of `WorkerStatus` (`weir_worker_records`, `weir_worker_dead_letters`);
/// `weir_worker_leases` and `weir_worker_is_in_session`, which is 0 or 1, are meters. All have the dimensions
/// `application` and `worker`.
public struct WorkerService: Service {
    private let worker: Worker
    private let intervalNanos: UInt64
    private let clock: any WeirIO.Clock
    private let factory: any MetricsFactory

    /// `interval`: how often metrics are told, at least 100 ms; they are told at the end, too.
    public init(
        _ worker: Worker, metricsEvery interval: Duration = .seconds(10),
        factory: any MetricsFactory = MetricsSystem.factory
    ) {
        self.init(worker, metricsEvery: interval, factory: factory, clock: SystemClock())
    }

    package init(
        _ worker: Worker, metricsEvery interval: Duration, factory: any MetricsFactory, clock: any WeirIO.Clock
    ) {
        self.worker = worker
        self.intervalNanos = max(100_000_000, interval.nanos)
        self.clock = clock
        self.factory = factory
    }

    public func run() async throws {
        let (worker, clock, interval) = (self.worker, self.clock, self.intervalNanos)
        let metrics = WorkerMetrics(worker.configuration, self.factory)
        defer { metrics.tell(worker.status) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while true {
                    try await clock.sleep(until: clock.monotonicNanos + interval)
                    metrics.tell(worker.status)
                }
            }
            try await withGracefulShutdownHandler {
                try await worker.run()
            } onGracefulShutdown: {
                worker.shutdown()
            }
            group.cancelAll()
        }
    }
}
