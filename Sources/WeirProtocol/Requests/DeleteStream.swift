// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// ```
/// u64 stream
/// ```
package struct DeleteStream: WireCall {
    package typealias Answer = Empty
    package static let type = FrameType.deleteStream

    package let stream: StreamID

    package init(stream: StreamID) {
        self.stream = stream
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
    }
}
