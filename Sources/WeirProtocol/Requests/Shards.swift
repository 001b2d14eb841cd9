// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Shards in the order of their numbers, closed ones included while their data can be read.
///
/// ```
/// u64 stream | u8 filter | for filter 3 and 4: i64 ms since 1970 | optional u32 shard after which to begin | u32 limit
/// ```
package struct ListShards: WireCall {
    package typealias Answer = ListShardsAnswer
    package static let type = FrameType.listShards

    package let stream: StreamID
    package let filter: ShardFilter
    package let after: ShardNumber?
    /// 1 to 10,000.
    package let limit: UInt32

    package init(
        stream: StreamID, filter: ShardFilter = .fromTrimHorizon, after: ShardNumber? = nil,
        limit: UInt32 = UInt32(Wire.pageMax)
    ) {
        self.stream = stream
        self.filter = filter
        self.after = after
        self.limit = limit
    }

    package func validate() throws(WeirError) {
        try PageLimit.check(self.limit)
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        self.filter.encode(into: &writer)
        writer.write(optional: self.after?.rawValue)
        writer.write(self.limit)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.filter = try ShardFilter(reading: &reader)
        self.after = try reader.readOptional(UInt32.self).map { ShardNumber($0) }
        self.limit = try reader.read()
    }
}

/// ```
/// u64 map version | u8 more follow (0, 1) | u32 n, n x shard description
/// ```
package struct ListShardsAnswer: WireMessage {
    /// Of the map that this page was made from: pages of one version fit together.
    package let mapVersion: UInt64
    package let shards: [ShardDescription]
    package let hasMore: Bool

    package init(mapVersion: UInt64, shards: [ShardDescription], hasMore: Bool) {
        self.mapVersion = mapVersion
        self.shards = shards
        self.hasMore = hasMore
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.mapVersion)
        writer.write(self.hasMore)
        writer.write(self.shards)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.mapVersion = try reader.read()
        self.hasMore = try reader.readBool()
        self.shards = try reader.readList(of: ShardDescription.self)
    }
}

/// ```
/// u64 stream | u32 shard | optional u128 hash key at which the upper child begins (absent: the middle)
/// ```
package struct SplitShard: WireCall {
    package typealias Answer = ReshardAnswer
    package static let type = FrameType.splitShard

    package let stream: StreamID
    package let shard: ShardNumber
    package let at: HashKey?

    package init(stream: StreamID, shard: ShardNumber, at: HashKey? = nil) {
        self.stream = stream
        self.shard = shard
        self.at = at
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        writer.write(self.shard.rawValue)
        writer.write(optional: self.at?.value)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.shard = ShardNumber(try reader.read())
        self.at = try reader.readOptional(UInt128.self).map { HashKey($0) }
    }
}

/// Two open neighbours, in either order.
///
/// ```
/// u64 stream | u32 shard | u32 shard
/// ```
package struct MergeShards: WireCall {
    package typealias Answer = ReshardAnswer
    package static let type = FrameType.mergeShards

    package let stream: StreamID
    package let first: ShardNumber
    package let second: ShardNumber

    package init(stream: StreamID, first: ShardNumber, second: ShardNumber) {
        self.stream = stream
        self.first = first
        self.second = second
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        writer.write(self.first.rawValue)
        writer.write(self.second.rawValue)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.first = ShardNumber(try reader.read())
        self.second = ShardNumber(try reader.read())
    }
}

/// Re-tiles the key space evenly with that many open shards, in one step.
///
/// ```
/// u64 stream | u32 target
/// ```
package struct UpdateShardCount: WireCall {
    package typealias Answer = ReshardAnswer
    package static let type = FrameType.updateShardCount

    package let stream: StreamID
    /// 1 to 10,000.
    package let target: UInt32

    package init(stream: StreamID, target: UInt32) {
        self.stream = stream
        self.target = target
    }

    package func validate() throws(WeirError) {
        try ShardCount.check(self.target)
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        writer.write(self.target)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.target = try reader.read()
    }
}

/// What a split, a merge or a rescale did, once it is durable.
///
/// ```
/// u64 map version | u32 n, n x u32 closed shards | u32 n, n x u32 opened shards
/// ```
package struct ReshardAnswer: WireMessage {
    package let mapVersion: UInt64
    package let closed: [ShardNumber]
    /// Those that are open after it; steps in between are not named.
    package let opened: [ShardNumber]

    package init(mapVersion: UInt64, closed: [ShardNumber], opened: [ShardNumber]) {
        self.mapVersion = mapVersion
        self.closed = closed
        self.opened = opened
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.mapVersion)
        writer.write(self.closed)
        writer.write(self.opened)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.mapVersion = try reader.read()
        self.closed = try reader.readList(of: ShardNumber.self)
        self.opened = try reader.readList(of: ShardNumber.self)
    }
}
