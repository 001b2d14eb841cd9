// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

extension WeirClient {
    /// All shards that the filter lets through, in the order of their numbers.
    public func listShards(
        _ stream: StreamID, filter: ShardFilter = .fromTrimHorizon, timeout: Duration? = nil
    ) async throws -> [ShardDescription] {
        try await self.shardListing(stream, filter, timeout: timeout).shards
    }

    /// The open shards as a map from hash keys.
    public func shardMap(_ stream: StreamID, timeout: Duration? = nil) async throws -> ShardMap {
        let listing = try await self.shardListing(stream, .atLatest, timeout: timeout)
        return try listing.map(of: stream)
    }

    /// Closes a shard and opens two; `at` is the first hash key of the upper one, by default the middle.
    @discardableResult
    public func splitShard(
        _ stream: StreamID, _ shard: ShardNumber, at: HashKey? = nil, timeout: Duration? = nil
    ) async throws -> Reshard {
        let request = SplitShard(stream: stream, shard: shard, at: at)
        return Reshard(try await self.call(request, timeout: timeout, isRepeatable: false))
    }

    /// Closes two neighbours, given in either order, and opens one.
    @discardableResult
    public func mergeShards(
        _ stream: StreamID, _ first: ShardNumber, _ second: ShardNumber, timeout: Duration? = nil
    ) async throws -> Reshard {
        let request = MergeShards(stream: stream, first: first, second: second)
        return Reshard(try await self.call(request, timeout: timeout, isRepeatable: false))
    }

    /// Tiles the key space evenly with `target` open shards, 1 to 10,000, in one step.
    @discardableResult
    public func rescale(_ stream: StreamID, to target: Int, timeout: Duration? = nil) async throws -> Reshard {
        try ClientConfiguration.check(target, Limits.shardsPerStream, "number of shards")
        let request = UpdateShardCount(stream: stream, target: UInt32(target))
        return Reshard(try await self.call(request, timeout: timeout, isRepeatable: false))
    }
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

    init(_ answer: ReshardAnswer) {
        self.init(mapVersion: answer.mapVersion, closed: answer.closed, opened: answer.opened)
    }
}
