// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Records one by one, from batches that are fetched as `ShardRecords` and `StreamRecords` do. A record lies in the
/// batch that it came in and keeps the memory of it; `BatchRecord.copy()` does not.
public struct EachRecord<Batches: AsyncSequence & Sendable>: AsyncSequence, Sendable
where Batches.Element == RecordBatch {
    public typealias Element = BatchRecord

    private let batches: Batches

    init(_ batches: Batches) { self.batches = batches }

    public func makeAsyncIterator() -> Iterator { Iterator(self.batches.makeAsyncIterator()) }

    public struct Iterator: AsyncIteratorProtocol {
        private var batches: Batches.AsyncIterator
        private var batch: BatchRecords?
        private var position = 0
        /// Records that are gone, of all shards so far: trimmed before this reader came to them, or damaged on the
        /// disk. Rises before the record is returned that lies behind the gap.
        public private(set) var missedRecords: UInt64 = 0

        init(_ batches: Batches.AsyncIterator) { self.batches = batches }

        /// The next record; `nil` at the end. Throws what the batches throw, and `CancellationError` when the task is
        /// cancelled.
        public mutating func next() async throws -> BatchRecord? {
            while true {
                if let batch, self.position < batch.count {
                    defer { self.position += 1 }
                    return batch[batch.startIndex + self.position]
                }
                self.batch = nil
                guard let next = try await self.batches.next() else { return nil }
                self.missedRecords += next.missedRecords
                self.batch = next.recordsInPlace
                self.position = 0
            }
        }
    }
}
