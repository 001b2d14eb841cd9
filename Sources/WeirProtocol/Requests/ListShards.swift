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
