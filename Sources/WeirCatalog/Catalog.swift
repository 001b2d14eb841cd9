// SPDX-License-Identifier: Apache-2.0
package import WeirModel

/// The streams of a node, their shards and their lineage over time: one machine without I/O, clock or randomness.
///
/// `plan` decides what a command means and changes nothing; `apply` changes the machine by one event, the same at the
/// first time as at replay. What `plan` returned goes into one commit, in order; it holds for the state it was planned
/// on, so plan, apply and append without another command in between.
package struct Catalog: Sendable {
    /// How much the node takes. They bind `plan` only: what was once accepted is replayed under any bounds.
    package struct Bounds: Hashable, Sendable {
        package var streamsMax: Int
        package var openShardsMax: Int
        /// Open and closed shards together: closed ones stay until their retention has passed, so that a stream which
        /// is rescaled again and again would grow without this.
        package var listedShardsMax: Int

        package init(
            streamsMax: Int = Limits.streamsMax, openShardsMax: Int = Limits.openShardsMax, listedShardsMax: Int? = nil
        ) {
            self.streamsMax = streamsMax
            self.openShardsMax = openShardsMax
            self.listedShardsMax = listedShardsMax ?? min(openShardsMax, Int.max / 10) * 10
        }
    }

    package let bounds: Bounds
    /// The number of events ever applied. Commits and snapshots carry it, so that a lost event is noticed.
    package internal(set) var version: UInt64 = 0
    package internal(set) var openShardCount = 0
    /// Open and closed shards of all streams.
    package internal(set) var listedShardCount = 0
    /// Bytes of attributes of all streams.
    package internal(set) var attributeBytes = 0
    var streams: [StreamID: StreamState] = [:]
    var idsByName: [StreamName: StreamID] = [:]
    /// The names in order.
    var names: [StreamName] = []
    /// The id of the next stream, from 1: part of the state, so that none is reused after deletion.
    var nextStream: UInt64 = 1
    /// The highest creation second that a shard of a deleted stream had: one of a later stream lies above it, so that
    /// no sequence number is given out twice, whatever the name and however quickly it is used again.
    var deletedSecond: UInt64 = 0
    /// The time of the last event: the next one is not before it.
    var lastEventMillis: Int64 = 0

    package init() { self.init(bounds: Bounds()) }

    package init(bounds: Bounds) { self.bounds = bounds }

    package var streamCount: Int { self.streams.count }

    package func stream(_ id: StreamID) -> StreamState? { self.streams[id] }

    package func stream(named name: StreamName) -> StreamState? {
        self.idsByName[name].flatMap { self.streams[$0] }
    }

    /// At most `limit` streams by name, from the first after `after`, which need not exist.
    package func streams(after: StreamName?, limit: Int) -> [StreamState] {
        let start = after.map { self.namePosition(after: $0) } ?? 0
        return self.names[start...].prefix(max(0, limit)).compactMap { self.stream(named: $0) }
    }

    /// At most `limit` shards by number, from the first after `after`; none when the stream does not exist.
    package func shards(
        of stream: StreamID, filter: ShardFilter, after: ShardNumber?, limit: Int
    ) -> [ShardDescription] {
        self.streams[stream]?.shards(filter, after: after, limit: limit) ?? []
    }

    package func shard(_ ref: ShardRef) -> ShardDescription? { self.streams[ref.stream]?.shard(ref.shard) }

    /// Whether the stream once existed and was deleted; ids that were never given out are not.
    package func wasDeleted(_ id: StreamID) -> Bool {
        (1..<self.nextStream).contains(id.rawValue) && self.streams[id] == nil
    }

    /// Commands for the closed shards whose retention has passed since they were closed, one for each stream.
    package func expirable(nowMillis: Int64) -> [CatalogCommand] {
        let now = EventTime.clamp(nowMillis)
        return self.streams.keys.sorted().compactMap { id in
            guard let expired = self.streams[id]?.expired(atMillis: now), !expired.isEmpty else { return nil }
            return .expireShards(id, expired)
        }
    }

    /// The first position in `names` whose name is greater.
    func namePosition(after name: StreamName) -> Int {
        var low = 0
        var high = self.names.count
        while low < high {
            let middle = low + (high - low) / 2
            if self.names[middle] > name { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

/// The times that an event may carry: those whose second fits a sequence number (36 bits, to the year 4147).
enum EventTime {
    static let secondMax: UInt64 = 0xf_ffff_ffff
    static let millis: ClosedRange<Int64> = 0...(Int64(secondMax) * 1000 + 999)

    static func clamp(_ millis: Int64) -> Int64 {
        min(max(millis, Self.millis.lowerBound), Self.millis.upperBound)
    }
}
