// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Finds lines in chunks of bytes. A line ends at its newline, which does not belong to it; a carriage return does.
///
/// Lines are visited where they lie in the chunk; only one that crosses a border is copied.
struct LineSplitter {
    /// A line, valid while it is visited. `length` is larger than the number of bytes when it is longer than allowed:
    /// the bytes are then its beginning.
    struct Line {
        let bytes: UnsafeRawBufferPointer
        let length: Int

        var isTooLong: Bool { self.length > self.bytes.count }
    }

    /// Bytes of a line that are kept.
    private let bytesMax: Int
    private var offset = 0
    /// The beginning of a line whose end is in a later chunk, or a whole one that was not taken yet.
    private var carried: [UInt8] = []
    private var carriedLength = 0
    private var isCarriedWhole = false

    init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    /// Visits the lines of a chunk from where the last call stopped. `visit` returns `false` to get the same line again
    /// in the next call, with the same chunk. True when the chunk is used up and the next one may come.
    mutating func split(_ chunk: UnsafeRawBufferPointer, _ visit: (Line) -> Bool) -> Bool {
        if self.isCarriedWhole, !self.visitCarried(visit) { return false }
        while self.offset < chunk.count {
            let rest = UnsafeRawBufferPointer(rebasing: chunk[self.offset...])
            guard let base = rest.baseAddress, let found = memchr(base, 10, rest.count) else {
                self.carry(rest)
                break
            }
            let length = UnsafeRawPointer(found) - base
            let bytes = UnsafeRawBufferPointer(rebasing: rest[..<length])
            if self.carriedLength > 0 {
                self.carry(bytes)
                self.isCarriedWhole = true
                self.offset += length + 1
                if !self.visitCarried(visit) { return false }
            } else {
                let kept = length > self.bytesMax ? UnsafeRawBufferPointer(rebasing: bytes[..<self.bytesMax]) : bytes
                guard visit(Line(bytes: kept, length: length)) else { return false }
                self.offset += length + 1
            }
        }
        self.offset = 0
        return true
    }

    /// Visits the last line if it has no newline. `false` when it is to come again.
    mutating func finish(_ visit: (Line) -> Bool) -> Bool {
        self.carriedLength == 0 ? true : self.visitCarried(visit)
    }

    private mutating func carry(_ bytes: UnsafeRawBufferPointer) {
        self.carriedLength += bytes.count
        self.carried.append(contentsOf: bytes.prefix(self.bytesMax - self.carried.count))
    }

    private mutating func visitCarried(_ visit: (Line) -> Bool) -> Bool {
        let length = self.carriedLength
        let taken = self.carried.withUnsafeBytes { visit(Line(bytes: $0, length: length)) }
        guard taken else { return false }
        self.carried.removeAll(keepingCapacity: true)
        self.carriedLength = 0
        self.isCarriedWhole = false
        return true
    }
}
