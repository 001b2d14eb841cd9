// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

extension ReaderEngine.ShardBounds {
    /// `nil` when only the server knows it.
    var firstIndex: UInt64? { if case .index(let index) = self.start { index } else { nil } }
}

extension ReaderEngine.Plan {
    /// Which shards to read, from where, and to where.
    func begin(
        _ client: WeirClient
    ) async throws -> (LineageFollower, [ShardNumber: ReaderEngine.ShardBounds]) {
        if case .polled(let polling) = self.configuration.retrieval {
            try polling.validate()
            guard self.reader.consumer == nil else {
                throw WeirError(
                    .invalidArgument,
                    "a registered consumer has a budget for what is pushed to it: who polls reads without one")
            }
        }
        switch self.scope {
        case .shard(let shard, let start):
            // Asked for by its number, it must be there; what reads for ever would wait for it instead.
            if self.end == .forever { _ = try await client.index(of: .latest, in: shard, of: self.stream) }
            let bounds = try await self.boundsOfListed(shard, from: start, closed: nil, client)
            return (LineageFollower([Self.alone(shard)], followsChildren: false), [shard: bounds])
        case .stream(let start):
            guard self.reader.lease == nil else {
                throw WeirError(.invalidArgument, "a lease is of one shard: a whole stream cannot be read under it")
            }
            let shards = try await client.shardListing(self.stream, start.shards, timeout: nil).shards
            let closings = Dictionary(uniqueKeysWithValues: shards.map { ($0.number, $0.closed) })
            let bounds = try await client.forEach(shards.map(\.number)) { shard in
                try await self.bounds(
                    of: shard, from: start.iterator, closed: closings[shard].flatMap { $0 }, client)
            }
            return (LineageFollower(shards, followsChildren: self.end == .forever), bounds)
        }
    }

    /// For reading a shard without its family.
    private static func alone(_ shard: ShardNumber) -> ShardDescription {
        ShardDescription(
            number: shard, range: .all, parents: [], creationSecond: 0, firstIndex: 0, createdAtMillis: 0, closed: nil)
    }

    private func bounds(
        of shard: ShardNumber, from start: ShardIteratorType, closed: ShardDescription.Closing?, _ client: WeirClient
    ) async throws -> ReaderEngine.ShardBounds {
        do {
            return try await self.boundsOfListed(shard, from: start, closed: closed, client)
        } catch let error as WeirError where error.code == .shardNotFound {
            // It has expired since it was listed. Its subscription will find that out.
            return .init(start: .iterator(start))
        }
    }

    private func boundsOfListed(
        _ shard: ShardNumber, from start: ShardIteratorType, closed: ShardDescription.Closing?, _ client: WeirClient
    ) async throws -> ReaderEngine.ShardBounds {
        switch self.end {
        case .forever:
            // Should the first subscription be lost before anything came, the next one must not begin later.
            guard start == .latest else { return .init(start: .iterator(start)) }
            return .init(start: .index(try await client.index(of: .latest, in: shard, of: self.stream)))
        case .tip:
            // A closed shard tells its end itself.
            if closed != nil, start != .latest { return .init(start: .iterator(start)) }
            let tip = try await client.index(of: .latest, in: shard, of: self.stream)
            if start == .latest { return .init(start: .index(tip), limit: tip) }
            return .init(start: .index(try await client.index(of: start, in: shard, of: self.stream)), limit: tip)
        }
    }
}
