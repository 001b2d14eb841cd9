// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The records of a whole stream by the batch: each batch is of one shard, shards take turns, and children come after
/// all their parents. Each iterator reads for itself.
public struct StreamRecords: AsyncSequence, Sendable {
    public typealias Element = RecordBatch

    let client: WeirClient
    let plan: ReaderEngine.Plan

    public func makeAsyncIterator() -> Iterator { Iterator(engine: ReaderEngine(self.client, self.plan)) }

    /// The same one by one.
    public var records: EachRecord<StreamRecords> { EachRecord(self) }

    public struct Iterator: AsyncIteratorProtocol {
        let engine: ReaderEngine

        /// The next batch; `nil` at the end. Throws `WeirError`, among them `streamDeleted`, and `CancellationError`
        /// when the task is cancelled, which is not the end.
        public mutating func next() async throws -> RecordBatch? {
            try await self.engine.next()
        }
    }
}
