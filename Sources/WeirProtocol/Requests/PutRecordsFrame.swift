// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// For a sender that lays a put out in memory of its own: the same form as `PutRecordsWriter` makes.
extension PutRecords {
    /// Bytes in front of the first group: frame header and the fixed fields.
    package static let frameHeadBytes = FrameHeader.bytes + Self.headerBytes

    /// Writes the first `frameHeadBytes` bytes of the frame of a put with `groups` groups and `payloadLength` bytes
    /// behind the frame header.
    package static func writeHead(
        to raw: UnsafeMutableRawBufferPointer, _ header: Header, groups: Int, payloadLength: Int, correlation: UInt64
    ) {
        FrameHeader(Self.type, length: payloadLength, correlation: correlation).write(to: raw)
        raw.store(header.stream.rawValue, at: FrameHeader.bytes)
        raw.store(header.mapVersion, at: FrameHeader.bytes + Self.mapVersionOffset)
        raw.store(header.sequence, at: FrameHeader.bytes + Self.sequenceOffset)
        raw.store(header.seenThrough, at: FrameHeader.bytes + Self.seenThroughOffset)
        raw.store(UInt32(groups), at: FrameHeader.bytes + Self.groupCountOffset)
        raw.store(UInt32(0), at: FrameHeader.bytes + Self.groupCountOffset + 4)
    }

    /// Writes the 8 bytes in front of a group's body; `nil` for the one group of a put that the server routes.
    package static func writeGroupHead(
        to raw: UnsafeMutableRawBufferPointer, shard: ShardNumber?, bodyLength: Int
    ) {
        raw.store(shard?.rawValue ?? Wire.routedByServer, at: 0)
        raw.store(UInt32(bodyLength), at: 4)
    }
}
