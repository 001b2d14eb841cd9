// SPDX-License-Identifier: Apache-2.0
import WeirModel

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
