// SPDX-License-Identifier: Apache-2.0

/// Which shards a listing shows (docs/kinesis-semantics.md, Listing shards). A time before the stream's horizon or its
/// creation counts as that. `at...` answers always cover every hash key exactly once.
public enum ShardFilter: Hashable, Sendable {
    /// Every shard that has not expired.
    case fromTrimHorizon
    /// The shards that were open at the horizon: where reading everything begins.
    case atTrimHorizon
    /// The open shards.
    case atLatest
    /// The shards that were open at the time. A shard closed in that very millisecond is not: its children are.
    case at(Timestamp)
    /// The open shards, and those closed at the time or later.
    case from(Timestamp)

    /// As `at`, in milliseconds since 1970.
    package static func atTimestamp(_ millis: Int64) -> ShardFilter { .at(Timestamp(millisecondsSince1970: millis)) }
    /// As `from`, in milliseconds since 1970.
    package static func fromTimestamp(_ millis: Int64) -> ShardFilter {
        .from(Timestamp(millisecondsSince1970: millis))
    }
}
