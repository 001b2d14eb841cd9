// SPDX-License-Identifier: Apache-2.0
import WeirModel

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
