// SPDX-License-Identifier: Apache-2.0
package import WeirModel

/// What a user or the node asks of the catalog. `Catalog.plan` answers with events, or with an error that says what is
/// allowed.
package enum CatalogCommand: Hashable, Sendable {
    /// Opens a stream whose `shards` (1 to 10,000) divide the key space evenly.
    case createStream(name: StreamName, shards: Int, settings: StreamSettings)
    case updateStream(StreamID, StreamChanges)
    /// Hides for ever what arrived before; a time in milliseconds since 1970, not in the future.
    case trimStream(StreamID, beforeMillis: Int64)
    case deleteStream(StreamID)
    /// Divides an open shard at a hash key, the first key of the upper child; `nil` is the middle of its range.
    case splitShard(StreamID, ShardNumber, at: HashKey?)
    /// Joins two open shards whose ranges touch, given in either order.
    case mergeShards(StreamID, ShardNumber, ShardNumber)
    /// Leaves exactly the ranges of a new stream of so many shards (1 to 10,000).
    case rescale(StreamID, to: Int)
    /// Puts another shard with the same keys in the place of every open one, so that what follows is numbered anew. A
    /// shard of fewer than 4 keys stays.
    case renumber(StreamID)
    /// Sets and removes attributes of the stream itself; those of its consumers and applications are the lease table's.
    case setAttributes(StreamID, [AttributeChange])
    /// The node's own: what arrived before is hidden.
    case raiseHorizon(StreamID, toMillis: Int64)
    /// The node's own: what lies in the log up to this position has gone beyond the stream's size cap. A position, so
    /// that no clock has a say.
    case capStream(StreamID, upTo: UInt64)
    /// The node's own: takes closed shards off the list whose retention has passed since they were closed.
    case expireShards(StreamID, [ShardNumber])
}

/// What to change of a stream's settings; `nil` keeps a setting as it is.
package struct StreamChanges: Hashable, Sendable {
    package var retentionMillis: Int64?
    /// `nil` keeps the size cap, `.some(nil)` takes it away.
    package var maxBytes: Int64??
    package var limits: LimitsProfile?
    package var recordBytesMax: Int?

    package init(
        retentionMillis: Int64? = nil, maxBytes: Int64?? = nil, limits: LimitsProfile? = nil, recordBytesMax: Int? = nil
    ) {
        self.retentionMillis = retentionMillis
        self.maxBytes = maxBytes
        self.limits = limits
        self.recordBytesMax = recordBytesMax
    }

    /// The settings after the change; not yet validated.
    func applied(to settings: StreamSettings) -> StreamSettings {
        StreamSettings(
            retentionMillis: self.retentionMillis ?? settings.retentionMillis,
            maxBytes: self.maxBytes ?? settings.maxBytes,
            limits: self.limits ?? settings.profile,
            recordBytesMax: self.recordBytesMax ?? settings.recordBytesMax)
    }
}
