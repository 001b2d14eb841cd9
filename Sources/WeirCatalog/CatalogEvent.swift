// SPDX-License-Identifier: Apache-2.0
package import WeirModel

/// What is logged: the only thing that changes a `Catalog`. Times are milliseconds since 1970 and never fall from one
/// event to the next, whatever the clock does.
package enum CatalogEvent: Hashable, Sendable {
    case streamCreated(StreamCreated)
    case streamUpdated(StreamUpdated)
    case streamDeleted(StreamDeleted)
    case horizonRaised(HorizonRaised)
    case resharded(Resharding)
    case shardsExpired(ShardsExpired)
    case streamCapped(StreamCapped)
    /// Of the stream itself.
    case attributesChanged(AttributesChanged)

    package var stream: StreamID {
        switch self {
        case .streamCreated(let event): event.stream
        case .streamUpdated(let event): event.stream
        case .streamDeleted(let event): event.stream
        case .horizonRaised(let event): event.stream
        case .resharded(let event): event.stream
        case .shardsExpired(let event): event.stream
        case .streamCapped(let event): event.stream
        case .attributesChanged(let event): event.stream
        }
    }

    package var atMillis: Int64 {
        switch self {
        case .streamCreated(let event): event.atMillis
        case .streamUpdated(let event): event.atMillis
        case .streamDeleted(let event): event.atMillis
        case .horizonRaised(let event): event.atMillis
        case .resharded(let event): event.atMillis
        case .shardsExpired(let event): event.atMillis
        case .streamCapped(let event): event.atMillis
        case .attributesChanged(let event): event.atMillis
        }
    }

    /// Whether a record's shard may be another after the event: such an event opens a commit, and every batch in that
    /// commit was admitted under the map after it.
    package var changesRouting: Bool {
        switch self {
        case .streamCreated, .streamDeleted, .resharded: true
        case .streamUpdated, .horizonRaised, .shardsExpired, .streamCapped, .attributesChanged: false
        }
    }
}

/// A stream was created, with shards 0 to `shards`-1 over `HashKeyRange.tiling(shards)`, each from index 0.
package struct StreamCreated: Hashable, Sendable {
    package let stream: StreamID
    package let atMillis: Int64
    package let name: StreamName
    package let settings: StreamSettings
    /// 1 to 10,000.
    package let shards: Int
    /// Of every shard; 36 bits.
    package let creationSecond: UInt64

    package init(
        stream: StreamID, atMillis: Int64, name: StreamName, settings: StreamSettings, shards: Int,
        creationSecond: UInt64
    ) {
        self.stream = stream
        self.atMillis = atMillis
        self.name = name
        self.settings = settings
        self.shards = shards
        self.creationSecond = creationSecond
    }
}

/// All settings as they are from now on, and the horizon, which a change of retention may raise.
package struct StreamUpdated: Hashable, Sendable {
    package let stream: StreamID
    package let atMillis: Int64
    package let settings: StreamSettings
    package let horizonMillis: Int64

    package init(stream: StreamID, atMillis: Int64, settings: StreamSettings, horizonMillis: Int64) {
        self.stream = stream
        self.atMillis = atMillis
        self.settings = settings
        self.horizonMillis = horizonMillis
    }
}

package struct StreamDeleted: Hashable, Sendable {
    package let stream: StreamID
    package let atMillis: Int64

    package init(stream: StreamID, atMillis: Int64) {
        self.stream = stream
        self.atMillis = atMillis
    }
}

/// What arrived before the horizon is hidden for ever.
package struct HorizonRaised: Hashable, Sendable {
    package let stream: StreamID
    package let atMillis: Int64
    package let horizonMillis: Int64

    package init(stream: StreamID, atMillis: Int64, horizonMillis: Int64) {
        self.stream = stream
        self.atMillis = atMillis
        self.horizonMillis = horizonMillis
    }
}

/// What lies in the log up to a position is hidden for ever: it went beyond the stream's size cap.
package struct StreamCapped: Hashable, Sendable {
    package let stream: StreamID
    package let atMillis: Int64
    /// The LSN of a commit; only rises.
    package let position: UInt64

    package init(stream: StreamID, atMillis: Int64, position: UInt64) {
        self.stream = stream
        self.atMillis = atMillis
        self.position = position
    }
}

/// Closed shards left the list.
package struct ShardsExpired: Hashable, Sendable {
    package let stream: StreamID
    package let atMillis: Int64
    /// At least one, rising.
    package let shards: [ShardNumber]

    package init(stream: StreamID, atMillis: Int64, shards: [ShardNumber]) {
        self.stream = stream
        self.atMillis = atMillis
        self.shards = shards
    }
}
