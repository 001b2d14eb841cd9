// SPDX-License-Identifier: Apache-2.0
import WeirConsumer
import WeirModel

/// What a delivery asks of the lease of its shard: a seam, so that tests can cut it off anywhere.
package protocol LeaseHandle: Sendable {
    var counter: UInt64 { get }
    func state() async throws(WeirError) -> [UInt8]
    func saveState(_ state: [UInt8], replacing: [UInt8]) async throws(WeirError)
    func checkpoint(at number: SequenceNumber) async throws
    /// The shard is closed, and all of it is delivered.
    func checkpointEnd() async throws
}

extension Checkpointer: LeaseHandle {
    package func checkpoint(at number: SequenceNumber) async throws {
        try await self.checkpoint(at: number, subSequence: nil)
    }

    package func checkpointEnd() async throws { try await self.checkpoint() }
}

/// One holding of a lease, as a worker drives it.
package struct ShardProcessor: RecordProcessor {
    private let delivery: ShardDelivery

    package init(_ delivery: ShardDelivery) { self.delivery = delivery }

    package func initialize(
        _ shard: ShardNumber, from checkpoint: LeaseCheckpoint, checkpointer: Checkpointer
    ) async throws {
        try await self.delivery.begin(from: checkpoint, checkpointer)
    }

    package func processRecords(_ records: UserRecords, checkpointer: Checkpointer) async throws {
        try await self.delivery.take(records)
    }

    package func leaseLost() async { await self.delivery.lose() }

    package func shardEnded(checkpointer: Checkpointer) async throws { try await self.delivery.endShard() }

    package func shutdownRequested(checkpointer: Checkpointer) async throws {
        do {
            try await self.delivery.finish()
        } catch is ProcessorStops {
            // It had stopped before it could: what is not finished is read again.
        }
    }
}
