// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirConsumer
import WeirModel

/// Writes a fixed range of a stream into files, once: whoever does it again finds them, and passes over what is there.
package final class Backfill: Sendable {
    /// Shards that are read at one time.
    private static let shardsAtOnce = 4
    /// User records that are written in one go.
    private static let portion = 10_000

    private let client: WeirClient
    private let stream: StreamID
    private let settings: BackfillSettings
    private let start: ShardIteratorType
    private let destination: any Destination
    private let board: DeliveryBoard

    /// `start`: trim horizon or a time.
    package init(
        _ client: WeirClient, _ stream: StreamID, _ settings: BackfillSettings, from start: ShardIteratorType,
        into destination: any Destination, onWaiting: @escaping @Sendable (String?) -> Void
    ) {
        self.client = client
        self.stream = stream
        self.settings = settings
        self.start = start
        self.destination = destination
        self.board = DeliveryBoard(onWaiting: onWaiting)
    }

    package var status: DeliveryStatus { self.board.status(now: self.settings.clock.monotonicNanos) }

    /// Asks it to end early, as soon as the task of `run` is cancelled: what is not cut yet is left to another run.
    package func stop() { self.board.stop() }

    /// False when it was asked to end before all was read. Throws `WeirError`, and `DestinationError`.
    package func run() async throws -> Bool {
        let prefix = FileName.unfinishedOfBackfill(self.settings.streamTag)
        for name in try self.destination.unfinished(prefix) { try self.destination.discard(name) }
        let shards = try await self.client.listShards(self.stream).filter {
            $0.createdAtMillis < self.settings.untilMillis
        }
        return try await withThrowingTaskGroup(of: Bool.self) { group in
            var (rest, isWhole) = (shards[...], true)
            for shard in rest.prefix(Self.shardsAtOnce) { group.addTask { try await self.read(shard.number) } }
            rest = rest.dropFirst(Self.shardsAtOnce)
            while let result = try await group.next() {
                if !result { isWhole = false }
                if let shard = rest.popFirst(), isWhole { group.addTask { try await self.read(shard.number) } }
            }
            return isWhole
        }
    }

    private func read(_ number: ShardNumber) async throws -> Bool {
        let shard = BackfillShard(number, self.settings, self.destination, self.board)
        do {
            try await self.read(number, into: shard)
            try await shard.finish()
            return true
        } catch DeliveryProtocol.End.stopped {
            await shard.giveUp()
            return false
        } catch is CancellationError where self.board.isStopping {
            await shard.giveUp()
            return false
        } catch {
            await shard.giveUp()
            throw error
        }
    }

    private func read(_ number: ShardNumber, into shard: BackfillShard) async throws {
        // A server that is away is waited for.
        let configuration = ReaderConfiguration(prefetchBytes: 4 << 20, timeout: nil)
        do {
            for try await batch in self.client.records(
                self.stream, shard: number, from: self.start, until: .tip, configuration)
            {
                if batch.missedRecords > 0 { self.board.count { $0.passed.missed += batch.missedRecords } }
                var cursor = UserRecordCursor(.inPlace(batch.recordsInPlace), after: .trimHorizon)
                while true {
                    let records = cursor.take(Self.portion)
                    if records.isEmpty { break }
                    guard try await shard.take(records) else { return }
                }
                if self.board.isStopping { throw DeliveryProtocol.End.stopped }
            }
        } catch let error as WeirError where error.code == .shardNotFound {
            // It has expired since it was listed.
        }
    }
}
