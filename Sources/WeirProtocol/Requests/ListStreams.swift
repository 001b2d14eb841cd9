// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Streams in the order of their names.
///
/// ```
/// u8 (0, 1), then if 1: text name after which to begin | u32 limit
/// ```
package struct ListStreams: WireCall {
    package typealias Answer = ListStreamsAnswer
    package static let type = FrameType.listStreams

    /// Need not name a stream that exists.
    package let afterName: String?
    /// 1 to 10,000.
    package let limit: UInt32

    package init(afterName: String? = nil, limit: UInt32 = UInt32(Wire.pageMax)) {
        self.afterName = afterName
        self.limit = limit
    }

    package func validate() throws(WeirError) {
        try PageLimit.check(self.limit)
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.afterName != nil)
        if let afterName { writer.write(afterName) }
        writer.write(self.limit)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.afterName = try reader.readBool() ? try reader.readString() : nil
        self.limit = try reader.read()
    }
}

/// ```
/// u8 more follow (0, 1) | u32 n, n x stream description
/// ```
package struct ListStreamsAnswer: WireMessage {
    package let streams: [StreamDescription]
    /// Whether a page after the last name would hold something.
    package let hasMore: Bool

    package init(streams: [StreamDescription], hasMore: Bool) {
        self.streams = streams
        self.hasMore = hasMore
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.hasMore)
        writer.write(self.streams)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.hasMore = try reader.readBool()
        self.streams = try reader.readList(of: StreamDescription.self)
    }
}
