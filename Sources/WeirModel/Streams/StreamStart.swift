// SPDX-License-Identifier: Apache-2.0

/// Where reading of a stream begins: in each of its shards, also in that of an application without a lease table.
public enum StreamStart: Hashable, Sendable {
    /// The oldest records that are still there.
    case trimHorizon
    /// What arrives from the moment on in which reading begins, or the lease table is made.
    case latest
    /// The first records that arrived at or after this time, in milliseconds since 1970; not in the future.
    case atTimestamp(Int64)

    /// As `atTimestamp`.
    public static func at(_ time: Timestamp) -> StreamStart { .atTimestamp(time.millisecondsSince1970) }

    /// The shards in which there is something to read from there on.
    public var shards: ShardFilter {
        switch self {
        case .trimHorizon: .fromTrimHorizon
        case .latest: .atLatest
        case .atTimestamp(let millis): .fromTimestamp(millis)
        }
    }

    /// The same in one shard.
    public var iterator: ShardIteratorType { .start(self) }
}
