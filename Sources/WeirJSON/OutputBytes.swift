// SPDX-License-Identifier: Apache-2.0

/// A growing buffer of bytes, for output that is written record by record.
package final class OutputBytes {
    private var memory: UnsafeMutableRawBufferPointer
    package private(set) var count = 0

    package init(capacity: Int = 4096) {
        self.memory = .allocate(byteCount: max(64, capacity), alignment: 16)
    }

    deinit {
        self.memory.deallocate()
    }

    package var raw: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self.memory[..<self.count]) }

    /// The bytes as text, for tests and short texts.
    package var text: String { String(decoding: self.raw, as: UTF8.self) }

    package func removeAll() { self.count = 0 }

    /// Room for `bytes` more behind the end. What is written there counts after `advance`.
    @inline(__always)
    package func room(_ bytes: Int) -> UnsafeMutableRawPointer {
        if self.memory.count - self.count < bytes { self.grow(bytes) }
        // The capacity is at least 64, so there is an address.
        return self.memory.baseAddress.unsafelyUnwrapped + self.count
    }

    @inline(__always)
    package func advance(_ bytes: Int) { self.count += bytes }

    @inline(never)
    private func grow(_ bytes: Int) {
        let larger = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(self.memory.count * 2, self.count + bytes), alignment: 16)
        larger.copyMemory(from: self.raw)
        self.memory.deallocate()
        self.memory = larger
    }

    @inline(__always)
    package func append(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        self.room(bytes.count).copyMemory(from: base, byteCount: bytes.count)
        self.count += bytes.count
    }

    @inline(__always)
    package func append(byte: UInt8) {
        self.room(1).storeBytes(of: byte, as: UInt8.self)
        self.count += 1
    }

    /// ASCII that stands in the program.
    @inline(__always)
    package func append(_ text: StaticString) {
        self.append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    package func append(text: String) {
        var text = text
        text.withUTF8 { self.append(UnsafeRawBufferPointer($0)) }
    }

    /// The decimal form, with zeros in front up to `digits`, 1 to 20.
    package func append(decimal value: UInt64, digits: Int = 1) {
        precondition(digits <= 20, "a number of 64 bits is written with at most 20 digits")
        let to = self.room(20)
        var end = 20
        var left = value
        while left != 0 || 20 - end < digits {
            end -= 1
            (to + end).storeBytes(of: UInt8(truncatingIfNeeded: 48 + left % 10), as: UInt8.self)
            left /= 10
        }
        to.copyMemory(from: to + end, byteCount: 20 - end)
        self.count += 20 - end
    }

    package func append(decimal value: Int64) {
        if value < 0 { self.append(byte: UInt8(ascii: "-")) }
        self.append(decimal: value.magnitude)
    }
}
