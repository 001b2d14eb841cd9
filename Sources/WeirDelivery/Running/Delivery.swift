// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirClient
import WeirConsumer
import WeirModel

/// Delivers a stream into files, together with all others of its application, until it is stopped.
package final class Delivery: Sendable {
    private let client: WeirClient
    private let settings: DeliverySettings
    private let configuration: WorkerConfiguration
    private let destination: any Destination
    private let told: Told
    private let board: DeliveryBoard
    private let current = Current()

    /// The worker that is at work.
    private final class Current: Sendable {
        private let state = Mutex<(worker: Worker?, isStopped: Bool)>((nil, false))

        /// False when there shall be no further one.
        func begin(_ worker: Worker) -> Bool {
            self.state.withLock { state in
                state.worker = worker
                return !state.isStopped
            }
        }

        func end() { self.state.withLock { $0.worker }?.shutdown() }

        func stop() {
            self.state.withLock { $0.isStopped = true }
            self.end()
        }
    }

    /// What is told while it runs.
    package struct Told: Sendable {
        /// Why everything waits; `nil`: it goes on.
        package let waiting: @Sendable (String?) -> Void
        /// Why all shards are given up and taken again.
        package let again: @Sendable (String) -> Void

        package init(waiting: @escaping @Sendable (String?) -> Void, again: @escaping @Sendable (String) -> Void) {
            self.waiting = waiting
            self.again = again
        }
    }

    /// `worker`: application, id and session; the rest of it is the delivery's to say.
    package init(
        _ client: WeirClient, _ settings: DeliverySettings, _ worker: WorkerConfiguration,
        into destination: any Destination, told: Told
    ) {
        self.client = client
        self.settings = settings
        var configuration = worker
        configuration.application = settings.application
        configuration.checkpoints = .manual
        self.configuration = configuration
        self.destination = destination
        self.told = told
        let current = self.current
        self.board = DeliveryBoard(onWaiting: told.waiting, onTrouble: { current.end() })
    }

    /// From when on folders of a delivery with manifests are whole, in milliseconds since 1970: where its application
    /// begins, or from now on when it has begun already. `isNew`: it begins now.
    package static func manifestsSince(
        _ client: WeirClient, _ stream: StreamID, _ application: ApplicationName, begins: StreamStart
    ) async throws -> (millis: Int64, isNew: Bool) {
        let now = try await client.ping().serverTimeMillis
        let isNew = try await !client.applications(stream).contains { $0.name == application }
        switch begins {
        case .trimHorizon where isNew: return (0, isNew)
        case .at(let time) where isNew: return (time.millisecondsSince1970, isNew)
        case .trimHorizon, .latest, .at: return (now, isNew)
        }
    }

    package var status: DeliveryStatus { self.board.status(now: self.settings.clock.monotonicNanos) }

    /// Asks it to end: files are finished, and the shards given to others.
    package func stop() {
        self.current.stop()
        self.board.stop()
    }

    /// Until it is stopped. Throws what `Worker.run` throws. `stream`: for manifests, of the stream of the settings.
    package func run(_ stream: StreamID) async throws {
        guard self.settings.manifestsSince != nil else { return try await self.deliver() }
        let keeper = ManifestKeeper(self.client, stream, self.settings, self.destination, self.configuration.worker)
        let (clock, board) = (self.settings.clock, self.board)
        let keeping = Task {
            while !Task.isCancelled {
                await Self.look(keeper, board)
                try await clock.sleep(until: clock.monotonicNanos + ManifestKeeper.intervalNanos)
            }
        }
        defer { keeping.cancel() }
        try await self.deliver()
        keeping.cancel()
        _ = await keeping.result
        // What was finished just now may have been all of a folder.
        await Self.look(keeper, board)
    }

    private static func look(_ keeper: ManifestKeeper, _ board: DeliveryBoard) async {
        do {
            let through = try await keeper.look()
            board.count { status in
                status.manifests.completeThrough = through
                status.manifests.waiting = nil
            }
        } catch {
            let reason = (error as? WeirError)?.message ?? "\(error)"
            board.count { $0.manifests.waiting = error is CancellationError ? nil : reason }
        }
    }

    private func deliver() async throws {
        var pause: UInt64 = 1
        var delivered: UInt64 = 0
        while true {
            let (settings, destination, board) = (self.settings, self.destination, self.board)
            let worker = try Worker(
                client: self.client, stream: settings.stream, configuration: self.configuration
            ) { shard in
                ShardProcessor(ShardDelivery(shard, settings, destination, board))
            }
            guard self.current.begin(worker) else { return }
            do {
                try await worker.run()
            } catch {
                guard let trouble = self.board.takeTrouble() else { throw error }
                self.told.again(trouble)
                try await self.wait(&pause)
                continue
            }
            guard let trouble = self.board.takeTrouble(), !self.board.isStopping else { return }
            self.told.again(trouble)
            // Trouble after work that went well is new trouble.
            let files = self.status.files
            if files > delivered { pause = 1 }
            delivered = files
            try await self.wait(&pause)
        }
    }

    /// So long, or until it is to end.
    private func wait(_ seconds: inout UInt64) async throws {
        try await self.settings.clock.pause(seconds: seconds) { self.board.isStopping }
        seconds = min(seconds * 2, 30)
    }
}
