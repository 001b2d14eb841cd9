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
/// u8 more follow (0, 1) | u32 n, n x stream description | [n x u8 profile]
/// ```
package struct ListStreamsAnswer: WireMessage {
    package let streams: [StreamDescription]
    /// Whether a page after the last name would hold something.
    package let hasMore: Bool
    /// Whether the profiles are named, for a client that has `Wire.Features.limitsProfiles`.
    package private(set) var namesProfiles = false

    package init(streams: [StreamDescription], hasMore: Bool) {
        self.streams = streams
        self.hasMore = hasMore
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.hasMore)
        writer.write(self.streams)
        guard self.namesProfiles else { return }
        for stream in self.streams { stream.settings.profile.encode(into: &writer) }
    }

    package func told(to features: UInt64) -> Self {
        var told = self
        told.namesProfiles = !self.streams.isEmpty && features & Wire.Features.limitsProfiles != 0
        return told
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.hasMore = try reader.readBool()
        var streams = try reader.readList(of: StreamDescription.self)
        self.namesProfiles = !streams.isEmpty && reader.remaining > 0
        if self.namesProfiles {
            for position in streams.indices { streams[position] = try streams[position].named(reading: &reader) }
        }
        self.streams = streams
    }
}
