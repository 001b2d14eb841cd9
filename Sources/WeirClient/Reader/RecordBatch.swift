// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Consecutive records of one shard, as they arrived.
public struct RecordBatch: Sendable {
    public let shard: ShardNumber
    /// Records in it; 0 when it only tells that records were missed or that the shard has ended.
    public let count: Int
    /// Records that were trimmed before this reader came to them; told once.
    public let missedRecords: UInt64
    /// How far the end of this batch is behind the newest record of the shard; 0 when caught up.
    public let millisBehindLatest: Int64
    /// Set in the last batch of a closed shard: the shards that took over its keys.
    public let endOfShard: [ShardDescription]?
    /// Bytes of memory that it holds.
    public let memoryBytes: Int

    /// Visits the records in order without copying them.
    public func forEach<E: Error>(_ visit: (RecordSlice) throws(E) -> Void) throws(E) {
        preconditionFailure("signature")
    }

    /// Copies of the records, in order.
    public var records: [Record] {
        preconditionFailure("signature")
    }
}
