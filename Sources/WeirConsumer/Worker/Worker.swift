// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirClient
import WeirModel

/// Processes the records of a stream together with all other workers of its application: the server shares the shards
/// out among them, and moves them when workers come and go.
///
/// Every record is processed at least once, per shard in order, one call at a time, and a shard's children after the
/// shard. Records are processed again only after a crash, or when a lease was lost, and only those behind the last
/// checkpoint.
public final class Worker: Sendable {
    public let configuration: WorkerConfiguration
    private let connect: @Sendable () async throws -> WorkerServices
    private let processors: @Sendable (ShardNumber) -> any RecordProcessor
    private let state = Mutex(State())

    private struct State {
        var core: WorkerCore?
        var hasRun = false
        var isShutDown = false
    }

    package init(
        _ configuration: WorkerConfiguration, connect: @escaping @Sendable () async throws -> WorkerServices,
        processors: @escaping @Sendable (ShardNumber) -> any RecordProcessor
    ) throws(WeirError) {
        try configuration.validate()
        self.configuration = configuration
        self.connect = connect
        self.processors = processors
    }

    /// Works until `shutdown`, or until the task is cancelled: then processors finish and checkpoint, the shards are
    /// given to others, and it returns. Can be called once.
    ///
    /// Throws `WeirError`: `streamNotFound`, also for the dead-letter stream; `resourceInUse` when another worker of
    /// this id is alive; `streamDeleted`, `applicationNotFound` when it was deleted meanwhile; `consumerNotFound` when
    /// the registered consumer is not there; `internalFailure` when all shards that it holds have stood still for a
    /// session timeout (`ProcessorRetry.Exhausted.stopShard`); and when the server is away for longer than `patience`.
    public func run() async throws {
        // A task of its own: cancelling the caller's must not cut off what is being processed.
        let task = Task { try await self.work() }
        try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            self.shutdown()
        }
    }

    private func work() async throws {
        let mayRun = self.state.withLock { state in
            defer { state.hasRun = true }
            return !state.hasRun
        }
        guard mayRun else { throw WeirError(.invalidArgument, "a worker runs only once") }
        let core = WorkerCore(self.configuration, try await self.connect(), self.processors)
        let isShutDown = self.state.withLock { state in
            state.core = core
            return state.isShutDown
        }
        do {
            if !isShutDown { try await core.run() }
            await core.services.deadLetters?.close()
        } catch {
            await core.services.deadLetters?.close()
            throw error
        }
    }

    /// Asks it to end; `run` returns when it has. Can be called from anywhere, any number of times.
    public func shutdown() {
        let core = self.state.withLock { state in
            state.isShutDown = true
            return state.core
        }
        core?.handle(.shutdown)
    }

    public var status: WorkerStatus { self.state.withLock { $0.core }?.status ?? WorkerStatus() }
}
