// SPDX-License-Identifier: Apache-2.0

/// Little-endian loads and stores at any alignment: the byte order of every form that Weir sends or stores.
extension UnsafeRawBufferPointer {
    @inlinable
    package func integer<T: FixedWidthInteger>(_ type: T.Type = T.self, at offset: Int) -> T {
        T(littleEndian: self.loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// The bytes `[offset, offset + count)`; the caller has checked that they lie inside.
    @inlinable
    package func slice(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[offset..<offset + count])
    }
}

extension UnsafeMutableRawBufferPointer {
    @inlinable
    package func store<T: FixedWidthInteger>(_ value: T, at offset: Int) {
        self.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }
}

/// Appends little-endian values to an array: for control messages, events and headers, not for records.
package struct ByteWriter: Sendable {
    package private(set) var bytes: [UInt8]

    package init(capacity: Int = 64) {
        self.bytes = []
        self.bytes.reserveCapacity(capacity)
    }

    package var count: Int { self.bytes.count }

    @inlinable
    package mutating func write<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { self.append($0) }
    }

    package mutating func append(_ raw: UnsafeRawBufferPointer) {
        self.bytes.append(contentsOf: raw)
    }

    package mutating func append(_ raw: [UInt8]) {
        self.bytes.append(contentsOf: raw)
    }

    package mutating func write(_ value: Bool) {
        self.write(value ? UInt8(1) : UInt8(0))
    }

    /// A UTF-8 string behind its length in bytes as `UInt16`; longer ones are cut at a character, so a message
    /// that is too long still arrives.
    package mutating func write(_ text: String) {
        var text = text
        while text.utf8.count > Int(UInt16.max) { text.removeLast(max(1, text.count / 8)) }
        self.write(UInt16(text.utf8.count))
        self.bytes.append(contentsOf: text.utf8)
    }

    /// A value that may be absent: one byte 0 or 1, then the value.
    package mutating func write<T: FixedWidthInteger>(optional value: T?) {
        self.write(value != nil)
        if let value { self.write(value) }
    }

    /// Overwrites what stands at `offset`, for lengths and checksums that are known last.
    package mutating func overwrite<T: FixedWidthInteger>(_ value: T, at offset: Int) {
        self.bytes.withUnsafeMutableBytes { $0.store(value, at: offset) }
    }
}

/// What a reader found wrong: the form ends too early, or a value is not allowed there.
package struct MalformedBytes: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// Reads little-endian values in order and refuses to go past the end.
package struct ByteReader {
    package let bytes: UnsafeRawBufferPointer
    @inlinable package var offset: Int { self.position }
    @usableFromInline var position = 0

    package init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    @inlinable
    package var remaining: Int { self.bytes.count - self.position }

    @inlinable
    package mutating func read<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(MalformedBytes) -> T {
        let size = MemoryLayout<T>.size
        guard self.remaining >= size else { throw self.cut(size) }
        let start = self.position
        self.position = start + size
        return self.bytes.integer(T.self, at: start)
    }

    @usableFromInline
    func cut(_ count: Int) -> MalformedBytes {
        MalformedBytes("\(count) bytes expected at offset \(self.offset), \(self.remaining) are left")
    }

    package mutating func readBool() throws(MalformedBytes) -> Bool {
        switch try self.read(UInt8.self) {
        case 0: return false
        case 1: return true
        case let other: throw MalformedBytes("a flag is 0 or 1, not \(other)")
        }
    }

    package mutating func readOptional<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(MalformedBytes) -> T? {
        try self.readBool() ? try self.read(T.self) : nil
    }

    package mutating func readString(maxBytes: Int = Int(UInt16.max)) throws(MalformedBytes) -> String {
        let count = Int(try self.read(UInt16.self))
        guard count <= maxBytes else { throw MalformedBytes("a text of \(count) bytes; \(maxBytes) are allowed here") }
        let raw = try self.readBytes(count)
        guard let text = String(validating: raw, as: UTF8.self) else { throw MalformedBytes("a text is not UTF-8") }
        return text
    }

    package mutating func readBytes(_ count: Int) throws(MalformedBytes) -> UnsafeRawBufferPointer {
        guard count >= 0, self.remaining >= count else {
            throw MalformedBytes("\(count) bytes expected at offset \(self.offset), \(self.remaining) are left")
        }
        defer { self.position += count }
        return self.bytes.slice(self.offset, count)
    }

    package func expectEnd() throws(MalformedBytes) {
        guard self.remaining == 0 else { throw MalformedBytes("\(self.remaining) bytes too many") }
    }
}
