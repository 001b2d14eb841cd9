// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

/// Which shards a listing shows (docs/kinesis-semantics.md, Listing shards). Times are milliseconds since 1970; one
/// before the stream's horizon or its creation counts as that. `at...` answers always cover every hash key exactly
/// once.
package enum ShardFilter: Hashable, Sendable {
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

    /// Whether a listing of `stream` shows `shard`.
    func includes(_ shard: ShardDescription, of stream: StreamState) -> Bool {
        switch self {
        case .fromTrimHorizon: true
        case .atLatest: shard.isOpen
        case .atTrimHorizon: Self.wasOpen(shard, at: stream.firstVisibleMillis)
        case .atTimestamp(let millis): Self.wasOpen(shard, at: max(millis, stream.firstVisibleMillis))
        case .fromTimestamp(let millis):
            if let closed = shard.closed { closed.atMillis >= max(millis, stream.horizonMillis) } else { true }
        }
    }

    private static func wasOpen(_ shard: ShardDescription, at millis: Int64) -> Bool {
        guard shard.createdAtMillis <= millis else { return false }
        if let closed = shard.closed { return closed.atMillis > millis }
        return true
    }
}
