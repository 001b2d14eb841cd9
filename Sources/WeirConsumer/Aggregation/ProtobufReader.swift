// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Walks over the fields of one protobuf message. Reads what aggregated records need
/// (docs/kinesis-semantics.md, Aggregated records): varints and length-delimited fields;
/// fixed-size fields are passed over. Groups, which that form does not have, are refused.
/// Never reads outside of its range, and never holds more than one field.
struct ProtobufReader {
    enum Value: Equatable {
        case varint(UInt64)
        /// Where the bytes stand.
        case bytes(Range<Int>)
        /// Of 4 or 8 bytes; nobody asks for it.
        case fixed
    }

    private let bytes: UnsafeRawBufferPointer
    private(set) var offset: Int
    private let end: Int

    init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) {
        self.bytes = bytes
        self.offset = range.lowerBound
        self.end = range.upperBound
    }

    /// The next field; `nil` at the end of the message.
    mutating func next() throws(MalformedBytes) -> (number: UInt64, value: Value)? {
        guard self.offset < self.end else { return nil }
        let tag = try self.varint()
        let number = tag >> 3
        guard (1...0x1fff_ffff).contains(number) else { throw MalformedBytes("a field has the number \(number)") }
        switch tag & 7 {
        case 0: return (number, .varint(try self.varint()))
        case 1: return (number, try self.fixed(8))
        case 2:
            let count = try self.varint()
            guard count <= UInt64(self.end - self.offset) else { throw self.cut }
            let begin = self.offset
            self.offset += Int(count)
            return (number, .bytes(begin..<self.offset))
        case 5: return (number, try self.fixed(4))
        default: throw MalformedBytes("a field has the wire type \(tag & 7)")
        }
    }

    private var cut: MalformedBytes { MalformedBytes("a field ends behind its message") }

    private mutating func fixed(_ count: Int) throws(MalformedBytes) -> Value {
        guard self.end - self.offset >= count else { throw self.cut }
        self.offset += count
        return .fixed
    }

    /// Up to ten bytes of 7 bits, lowest first; bits above the 64th are dropped, as other readers do.
    private mutating func varint() throws(MalformedBytes) -> UInt64 {
        var value: UInt64 = 0
        for position in 0..<10 {
            guard self.offset < self.end else { throw self.cut }
            let byte = self.bytes[self.offset]
            self.offset += 1
            value |= UInt64(byte & 0x7f) << UInt64(7 * position)
            if byte < 0x80 { return value }
        }
        throw MalformedBytes("a number has more than ten bytes")
    }
}
