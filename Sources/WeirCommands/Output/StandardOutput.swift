// SPDX-License-Identifier: Apache-2.0

import WeirJSON

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
