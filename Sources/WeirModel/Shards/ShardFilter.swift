// SPDX-License-Identifier: Apache-2.0

/// Which shards a listing shows (docs/kinesis-semantics.md, Listing shards). Times are milliseconds since 1970; one
/// before the stream's horizon or its creation counts as that. `at...` answers always cover every hash key exactly
/// once.
public enum ShardFilter: Hashable, Sendable {
    /// Every shard that has not expired.
    case fromTrimHorizon
    /// The shards that were open at the horizon: where reading everything begins.
    case atTrimHorizon
    /// The open shards.
    case atLatest
    /// The shards that were open at the time. A shard closed in that very millisecond is not: its children are.
    case atTimestamp(Int64)
    /// The open shards, and those closed at the time or later.
    case fromTimestamp(Int64)
}
