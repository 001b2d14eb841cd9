// SPDX-License-Identifier: Apache-2.0
import WeirModel

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
        self.closed = try reader.readShardNumbers()
        self.opened = try reader.readShardNumbers()
    }
}
