// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Where results go: bytes collect in one buffer, and `flush` hands them to the system.
final class StandardOutput {
    let bytes = OutputBytes(capacity: 256 << 10)
    private let descriptor: Int32

    init(descriptor: Int32 = STDOUT_FILENO) {
        self.descriptor = descriptor
    }

    /// Bytes that may wait for `flush`; above it, `flushIfFull` writes them.
    static let fullBytes = 192 << 10

    func flushIfFull() throws {
        if self.bytes.count >= Self.fullBytes { try self.flush() }
    }

    /// Throws `OutputClosed` when nobody reads any more, and a `Failure` for what else goes wrong.
    func flush() throws {
        defer { self.bytes.removeAll() }
        try Self.write(self.bytes.raw, to: self.descriptor)
    }

    static func write(_ text: String) throws {
        var text = text
        try text.withUTF8 { try Self.write(UnsafeRawBufferPointer($0), to: STDOUT_FILENO) }
    }

    /// Whether a person looks at stdout.
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    private static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws {
        var left = bytes
        while !left.isEmpty {
            let count = system_write(descriptor, left.baseAddress, left.count)
            if count >= 0 {
                left = UnsafeRawBufferPointer(rebasing: left[count...])
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                // Somebody made the pipe non-blocking.
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&waiting, 1, -1)
            case EPIPE: throw OutputClosed()
            case let code: throw Failure(.failed, "writing the results failed: \(String(cString: strerror(code)))")
            }
        }
    }
}

/// A growing buffer of bytes, for output that is written record by record.
final class OutputBytes {
    private var memory: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(capacity: Int = 4096) {
        self.memory = .allocate(byteCount: max(64, capacity), alignment: 16)
    }

    deinit {
        self.memory.deallocate()
    }

    var raw: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self.memory[..<self.count]) }

    /// The bytes as text, for tests and short texts.
    var text: String { String(decoding: self.raw, as: UTF8.self) }

    func removeAll() { self.count = 0 }

    /// Room for `bytes` more behind the end. What is written there counts after `advance`.
    @inline(__always)
    func room(_ bytes: Int) -> UnsafeMutableRawPointer {
        if self.memory.count - self.count < bytes { self.grow(bytes) }
        // The capacity is at least 64, so there is an address.
        return self.memory.baseAddress.unsafelyUnwrapped + self.count
    }

    @inline(__always)
    func advance(_ bytes: Int) { self.count += bytes }

    @inline(never)
    private func grow(_ bytes: Int) {
        let larger = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(self.memory.count * 2, self.count + bytes), alignment: 16)
        larger.copyMemory(from: self.raw)
        self.memory.deallocate()
        self.memory = larger
    }

    @inline(__always)
    func append(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        self.room(bytes.count).copyMemory(from: base, byteCount: bytes.count)
        self.count += bytes.count
    }

    @inline(__always)
    func append(byte: UInt8) {
        self.room(1).storeBytes(of: byte, as: UInt8.self)
        self.count += 1
    }

    /// ASCII that stands in the program.
    @inline(__always)
    func append(_ text: StaticString) {
        self.append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    func append(text: String) {
        var text = text
        text.withUTF8 { self.append(UnsafeRawBufferPointer($0)) }
    }

    /// The decimal form, with zeros in front up to `digits`.
    func append(decimal value: UInt64, digits: Int = 1) {
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

    func append(decimal value: Int64) {
        if value < 0 { self.append(byte: UInt8(ascii: "-")) }
        self.append(decimal: value.magnitude)
    }
}
