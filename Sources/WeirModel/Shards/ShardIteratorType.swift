// SPDX-License-Identifier: Apache-2.0

/// Where reading of one shard begins: Kinesis' five iterator types (docs/kinesis-semantics.md, Iterators).
///
/// Those that name no record of the shard are `StreamStart`, which is the same for every shard of a stream.
public enum ShardIteratorType: Hashable, Sendable {
    case start(StreamStart)
    case atSequenceNumber(SequenceNumber)
    case afterSequenceNumber(SequenceNumber)

    /// The oldest record that is still there.
    public static let trimHorizon = ShardIteratorType.start(.trimHorizon)
    /// After the newest durable record.
    public static let latest = ShardIteratorType.start(.latest)
    /// The first record that arrived at or after this time; not in the future.
    public static func at(_ time: Timestamp) -> ShardIteratorType { .start(.at(time)) }
    /// The same, in milliseconds since 1970.
    package static func atTimestamp(_ millis: Int64) -> ShardIteratorType { .start(.atTimestamp(millis)) }
}

/// The same for who reads on: an index that an earlier answer named needs no sequence number.
package enum ReadStart: Hashable, Sendable {
    case iterator(ShardIteratorType)
    /// The record with this index, or the first behind it that is still there.
    case index(UInt64)
}
