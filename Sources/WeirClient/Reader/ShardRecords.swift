// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The records of one shard by the batch. Each iterator reads for itself. Survives cut connections without losing or
/// doubling a record.
public struct ShardRecords: AsyncSequence, Sendable {
    public typealias Element = RecordBatch

    let client: WeirClient
    let plan: ReaderEngine.Plan

    public func makeAsyncIterator() -> Iterator { Iterator(engine: ReaderEngine(self.client, self.plan)) }

    /// The same one by one.
    public var records: EachRecord<ShardRecords> { EachRecord(self) }

    public struct Iterator: AsyncIteratorProtocol {
        let engine: ReaderEngine

        /// The next batch; `nil` at the end. Throws `WeirError`, and `CancellationError` when the task is cancelled,
        /// which is not the end.
        public mutating func next() async throws -> RecordBatch? {
            try await self.engine.next()
        }
    }
}
