// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The form of a put: records grouped by shard, each group a batch body as it will be stored.
///
/// ```
/// 0   u64  stream                                     24  u64  seen through
/// 8   u64  map version that the groups were made by   32  u32  groups, 1 to 10,000
/// 16  u64  sequence (0: not ordered)                  36  u32  0
/// 40  groups: u32 shard | u32 body length | body; shard 0xFFFFFFFF: routed by the server, then the only group
/// ```
package enum PutRecords {
    package static let type = FrameType.putRecords
    package static let headerBytes = 40
    package static let groupHeaderBytes = 8
    static let mapVersionOffset = 8
    static let sequenceOffset = 16
    static let seenThroughOffset = 24
    static let groupCountOffset = 32

    /// The fixed fields in front of the groups.
    package typealias Header = PutHeader

    /// Writes what is known only when the put is sent, or sent again, into a frame that is complete otherwise.
    package static func stamp(
        _ frame: inout [UInt8], correlation: UInt64, mapVersion: UInt64, sequence: UInt64, seenThrough: UInt64
    ) {
        precondition(frame.count >= FrameHeader.bytes + Self.headerBytes, "not the frame of a put")
        frame.withUnsafeMutableBytes { raw in
            raw.store(correlation, at: FrameHeader.correlationOffset)
            raw.store(mapVersion, at: FrameHeader.bytes + Self.mapVersionOffset)
            raw.store(sequence, at: FrameHeader.bytes + Self.sequenceOffset)
            raw.store(seenThrough, at: FrameHeader.bytes + Self.seenThroughOffset)
        }
    }
}
