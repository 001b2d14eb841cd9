// SPDX-License-Identifier: Apache-2.0
import WeirModel

extension WeirClient {
    /// All shards that the filter lets through, in the order of their numbers.
    public func listShards(
        _ stream: StreamID, filter: ShardFilter = .fromTrimHorizon, timeout: Duration? = nil
    ) async throws -> [ShardDescription] {
        preconditionFailure("signature")
    }

    /// The open shards as a map from hash keys.
    public func shardMap(_ stream: StreamID, timeout: Duration? = nil) async throws -> ShardMap {
        preconditionFailure("signature")
    }

    /// Closes a shard and opens two; `at` is the first hash key of the upper one, by default the middle.
    @discardableResult
    public func splitShard(
        _ stream: StreamID, _ shard: ShardNumber, at: HashKey? = nil, timeout: Duration? = nil
    ) async throws -> Reshard {
        preconditionFailure("signature")
    }

    /// Closes two neighbours, given in either order, and opens one.
    @discardableResult
    public func mergeShards(
        _ stream: StreamID, _ first: ShardNumber, _ second: ShardNumber, timeout: Duration? = nil
    ) async throws -> Reshard {
        preconditionFailure("signature")
    }

    /// Tiles the key space evenly with `target` open shards, 1 to 10,000, in one step.
    @discardableResult
    public func rescale(_ stream: StreamID, to target: Int, timeout: Duration? = nil) async throws -> Reshard {
        preconditionFailure("signature")
    }
}

/// Which shards to list (contract 2.8).
public enum ShardFilter: Hashable, Sendable {
    /// Every shard that can still be read.
    case fromTrimHorizon
    /// Those that were open at the trim horizon.
    case atTrimHorizon
    /// Those that are open now.
    case atLatest
    /// Those that were open at that time, in milliseconds since 1970.
    case atTimestamp(Int64)
    /// Those that were open at that time or opened later.
    case fromTimestamp(Int64)
}

/// What a split, a merge or a rescale did.
public struct Reshard: Hashable, Sendable {
    public let mapVersion: UInt64
    public let closed: [ShardNumber]
    public let opened: [ShardNumber]

    public init(mapVersion: UInt64, closed: [ShardNumber], opened: [ShardNumber]) {
        self.mapVersion = mapVersion
        self.closed = closed
        self.opened = opened
    }
}
