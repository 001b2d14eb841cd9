// SPDX-License-Identifier: Apache-2.0
package import WeirModel

/// A stream as the catalog knows it: a value, so that a reader keeps what it took.
package struct StreamState: Sendable {
    package let id: StreamID
    package let name: StreamName
    package internal(set) var settings: StreamSettings
    package let createdAtMillis: Int64
    /// What arrived before is hidden, in milliseconds since 1970; only rises. 0 until something was hidden.
    package internal(set) var horizonMillis: Int64
    /// The LSN up to which the size cap has hidden; only rises. 0 until it has.
    package internal(set) var cappedPosition: UInt64
    package internal(set) var attributes = Attributes()
    /// The open shards by range; made anew only when shards change.
    package internal(set) var map: ShardMap
    /// Every shard that has not expired, open and closed, by number.
    package internal(set) var shards: ShardList
    /// The number of the next child: part of the state, so that none is reused after its shard expired.
    var nextShard: UInt32

    package var description: StreamDescription {
        StreamDescription(
            id: self.id, name: self.name, settings: self.settings, createdAtMillis: self.createdAtMillis,
            openShards: self.map.shards.count, mapVersion: self.map.version, horizonMillis: self.horizonMillis)
    }

    /// Of all shards that it ever had: the shard that was made last leaves the list only behind its children.
    var lastCreationSecond: UInt64 { self.shards.reduce(0) { max($0, $1.creationSecond) } }

    package func shard(_ number: ShardNumber) -> ShardDescription? {
        self.shards[number]
    }

    /// Listed shards that the filter shows, by number, from the first after `after`.
    package func shards(_ filter: ShardFilter, after: ShardNumber? = nil, limit: Int = .max) -> [ShardDescription] {
        var found: [ShardDescription] = []
        for shard in self.shards.suffix(after: after) where filter.includes(shard, of: self) {
            if found.count >= limit { break }
            found.append(shard)
        }
        return found
    }

    /// At most `limit` listed shards that satisfy `condition`, by number, from the first after `after`: looks at no
    /// more shards than it has to.
    package func shards(
        after: ShardNumber?, limit: Int, where condition: (ShardNumber) -> Bool
    ) -> [ShardDescription] {
        var found: [ShardDescription] = []
        for shard in self.shards.suffix(after: after) where condition(shard.number) {
            if found.count >= limit { break }
            found.append(shard)
        }
        return found
    }

    /// The earliest time that the `at...` filters know: nothing is listed of the time before.
    var firstVisibleMillis: Int64 { max(self.horizonMillis, self.createdAtMillis) }

    /// Whether the shard is closed and its retention has passed since: it may leave the list.
    func hasExpired(_ shard: ShardDescription, atMillis millis: Int64) -> Bool {
        guard let closed = shard.closed else { return false }
        return closed.atMillis <= millis - self.settings.retentionMillis
    }

    /// The shards that have expired. Looks only at those that were closed early enough, and at their neighbours.
    func expired(atMillis millis: Int64) -> [ShardNumber] {
        self.shards.closed(upTo: millis - self.settings.retentionMillis)
    }
}
