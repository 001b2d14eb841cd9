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
