// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The 16 bytes in front of every frame.
///
/// ```
/// 0  u32  bytes behind the header      6  u16  flags (0)
/// 4  u16  type (`FrameType`)           8  u64  correlation id: of the request, repeated in its answer; 0 in a push
/// ```
package struct FrameHeader: Hashable, Sendable {
    package static let bytes = 16
    static let lengthOffset = 0
    static let correlationOffset = 8

    /// Bytes behind the header, 0 to 2^32 - 1; what is allowed depends on the phase of the connection.
    package var length: Int
    /// As it came; `type` is `nil` for a number that this version does not know.
    package var rawType: UInt16
    package var flags: UInt16
    package var correlation: UInt64

    package var type: FrameType? { FrameType(rawValue: self.rawType) }
    /// Header and payload together.
    package var totalLength: Int { Self.bytes + self.length }

    package init(_ type: FrameType, length: Int, correlation: UInt64) {
        self.init(rawType: type.rawValue, flags: 0, length: length, correlation: correlation)
    }

    package init(rawType: UInt16, flags: UInt16, length: Int, correlation: UInt64) {
        self.length = length
        self.rawType = rawType
        self.flags = flags
        self.correlation = correlation
    }

    /// Reads the first 16 bytes of `raw`; judges none of the values. Throws only when fewer are there.
    package init(reading raw: UnsafeRawBufferPointer) throws(MalformedBytes) {
        guard raw.count >= Self.bytes else { throw MalformedBytes("a frame header of \(raw.count) bytes; it has 16") }
        self.init(
            rawType: raw.integer(at: 4), flags: raw.integer(at: 6), length: Int(raw.integer(UInt32.self, at: 0)),
            correlation: raw.integer(at: 8))
    }

    /// Writes 16 bytes to the beginning of `raw`, which has room for them.
    package func write(to raw: UnsafeMutableRawBufferPointer) {
        raw.store(UInt32(clamping: self.length), at: Self.lengthOffset)
        raw.store(self.rawType, at: 4)
        raw.store(self.flags, at: 6)
        raw.store(self.correlation, at: Self.correlationOffset)
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(UInt32(clamping: self.length))
        writer.write(self.rawType)
        writer.write(self.flags)
        writer.write(self.correlation)
    }
}
