// SPDX-License-Identifier: Apache-2.0

/// Where reading of a stream begins: in each of its shards, also in that of an application without a lease table.
public enum StreamStart: Hashable, Sendable {
    /// The oldest records that are still there.
    case trimHorizon
    /// What arrives from the moment on in which reading begins, or the lease table is made.
    case latest
    /// The first records that arrived at or after this time; not in the future.
    case at(Timestamp)

    /// As `at`, in milliseconds since 1970.
    package static func atTimestamp(_ millis: Int64) -> StreamStart { .at(Timestamp(millisecondsSince1970: millis)) }

    /// The shards in which there is something to read from there on.
    public var shards: ShardFilter {
        switch self {
        case .trimHorizon: .fromTrimHorizon
        case .latest: .atLatest
        case .at(let time): .from(time)
        }
    }

    /// The same in one shard.
    public var iterator: ShardIteratorType { .start(self) }
}
