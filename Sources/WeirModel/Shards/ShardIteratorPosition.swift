// SPDX-License-Identifier: Apache-2.0

/// Where reading begins: Kinesis' five iterator types (docs/kinesis-semantics.md, Iterators).
public enum ShardIteratorType: Hashable, Sendable {
    /// The oldest record that is still there.
    case trimHorizon
    /// After the newest durable record.
    case latest
    case atSequenceNumber(SequenceNumber)
    case afterSequenceNumber(SequenceNumber)
    /// The first record that arrived at or after this time, in milliseconds since 1970; not in the future.
    case atTimestamp(Int64)
}
