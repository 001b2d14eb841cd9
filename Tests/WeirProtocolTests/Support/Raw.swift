// SPDX-License-Identifier: Apache-2.0

extension [UInt8] {
    /// The bytes in memory of exactly their size, so that a read beyond them is one beyond the allocation.
    func exactly<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let exact = UnsafeMutableRawBufferPointer.allocate(byteCount: self.count, alignment: 1)
        defer { exact.deallocate() }
        exact.copyBytes(from: self)
        return try body(UnsafeRawBufferPointer(exact))
    }

    func replacing(_ offset: Int, _ bytes: [UInt8]) -> [UInt8] {
        var copy = self
        copy.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        return copy
    }

    /// With one element more at the end of the list whose count stands at an offset, and a count that says so.
    func withOneMore(countAt offset: Int, element bytes: Int) -> [UInt8] {
        let count = self.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
        return self.replacing(offset, little(UInt32(littleEndian: count) + 1)) + self.suffix(bytes)
    }
}

/// A value as its little-endian bytes.
func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
}
