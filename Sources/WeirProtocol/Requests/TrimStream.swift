// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Hides the records that arrived before a time, for good.
///
/// ```
/// u64 stream | i64 ms since 1970
/// ```
package struct TrimStream: WireCall {
    package typealias Answer = Empty
    package static let type = FrameType.trimStream

    package let stream: StreamID
    package let beforeMillis: Int64

    package init(stream: StreamID, beforeMillis: Int64) {
        self.stream = stream
        self.beforeMillis = beforeMillis
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        writer.write(self.beforeMillis)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.beforeMillis = try reader.read()
    }
}
