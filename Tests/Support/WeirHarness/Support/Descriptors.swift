// SPDX-License-Identifier: Apache-2.0
import CWeirHarness

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Reading and writing files by their numbers, going on after interruptions.
enum Descriptors {
    static func pipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard weir_harness_pipe(&ends) == 0 else { throw HarnessError("no pipe: \(Self.lastError)") }
        return (ends[0], ends[1])
    }

    /// Bytes read; 0 at the end or when reading fails.
    static func read(_ descriptor: Int32, into memory: UnsafeMutableRawPointer, _ count: Int) -> Int {
        while true {
            let got = system_read(descriptor, memory, count)
            if got < 0 && errno == EINTR { continue }
            return max(0, got)
        }
    }

    /// `false` when nobody reads any more or writing fails.
    static func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { raw in
            var left = raw[...]
            while !left.isEmpty {
                let count = system_write(descriptor, UnsafeRawBufferPointer(rebasing: left).baseAddress, left.count)
                if count < 0 {
                    if errno == EINTR { continue }
                    return false
                }
                left = left.dropFirst(count)
            }
            return true
        }
    }

    static func close(_ descriptor: Int32) { system_close(descriptor) }

    static var lastError: String { String(cString: strerror(errno)) }

    /// A write to a pipe or socket that nobody reads is an error that the writer sees, not the end of this process.
    static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }
}

// The names of these calls are also those of functions here.
private func system_read(_ descriptor: Int32, _ memory: UnsafeMutableRawPointer, _ count: Int) -> Int {
    read(descriptor, memory, count)
}

private func system_write(_ descriptor: Int32, _ memory: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, memory, count)
}

private func system_close(_ descriptor: Int32) { _ = close(descriptor) }
