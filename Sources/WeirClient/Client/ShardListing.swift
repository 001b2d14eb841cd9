// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

/// The shards of a stream as they were at one moment.
struct ShardListing: Sendable {
    let mapVersion: UInt64
    let shards: [ShardDescription]

    /// The map of an `atLatest` listing. Throws `malformedRequest` when the server's shards do not tile the key space.
    func map(of stream: StreamID) throws(WeirError) -> ShardMap {
        let open = self.shards.filter(\.isOpen).sorted { $0.range.lower < $1.range.lower }
        guard ShardMap.tiles(open.map(\.range)) else {
            throw WeirError(.malformedRequest, "the open shards that the server lists do not tile the key space")
        }
        return ShardMap(stream: stream, version: self.mapVersion, open: open)
    }

    /// Puts pages together. Pages of another map version than the first do not fit: begin again.
    struct Pages {
        private(set) var mapVersion: UInt64?
        private(set) var shards: [ShardDescription] = []

        /// What to ask for next; `nil` when the listing is complete.
        mutating func add(_ page: ListShardsAnswer) -> ShardNumber?? {
            if let mapVersion, mapVersion != page.mapVersion {
                self = Pages()
                return .some(.none)
            }
            self.mapVersion = page.mapVersion
            self.shards += page.shards
            guard page.hasMore, let last = page.shards.last else { return nil }
            return .some(last.number)
        }

        var listing: ShardListing { ShardListing(mapVersion: self.mapVersion ?? 0, shards: self.shards) }
    }

    /// Asks for page after page. `ask` sends one request.
    static func fetch(
        _ stream: StreamID, _ filter: ShardFilter, ask: (ListShards) async throws -> ListShardsAnswer
    ) async throws -> ShardListing {
        var pages = Pages()
        var after: ShardNumber?
        // Shards that change all the time would let this go on for ever; the limit is far above what one needs.
        for _ in 0..<64 {
            let page = try await ask(ListShards(stream: stream, filter: filter, after: after))
            guard let next = pages.add(page) else { return pages.listing }
            after = next
        }
        throw WeirError(.unavailable, "the shards change faster than they can be listed")
    }
}

extension WeirClient {
    func shardListing(
        _ stream: StreamID, _ filter: ShardFilter, timeout: Duration?
    ) async throws -> ShardListing {
        try await ShardListing.fetch(stream, filter) { request in
            try await self.call(request, timeout: timeout, isRepeatable: true)
        }
    }
}
