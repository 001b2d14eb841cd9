// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirCommands

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@Suite struct InputReaderTests {
    private func ends() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        let made = pipe(&ends)
        try #require(made == 0)
        return (ends[0], ends[1])
    }

    @Test func givesAllBytesInTheirOrder() async throws {
        let ends = try self.ends()
        let text = (0..<50_000).map { "line \($0)\n" }.joined()
        let writer = Task.detached {
            var bytes = Array(text.utf8)[...]
            while !bytes.isEmpty {
                let count = bytes.withUnsafeBytes { system_write(ends.write, $0.baseAddress, $0.count) }
                bytes = bytes.dropFirst(max(0, count))
            }
            close(ends.write)
        }
        let reader = InputReader(descriptor: ends.read, name: "a pipe", chunkBytes: 4096)
        var received: [UInt8] = []
        while let chunk = try await reader.next() {
            received += chunk.bytes[..<chunk.count]
            reader.recycle(chunk)
        }
        await writer.value
        #expect(String(decoding: received, as: UTF8.self) == text)
        #expect(!reader.isStopped)
    }

    @Test func endsWhenItIsStoppedWhileItWaits() async throws {
        let ends = try self.ends()
        let reader = InputReader(descriptor: ends.read, name: "a pipe")
        async let chunk = reader.next()
        reader.stop()
        #expect(try await chunk == nil)
        #expect(reader.isStopped)
        close(ends.write)
    }

    @Test func saysWhyAFileCannotBeRead() {
        let error = #expect(throws: Failure.self) { try InputReader(path: "/nonexistent/file") }
        #expect(error?.description == "/nonexistent/file cannot be read: No such file or directory")
    }

    @Test func saysWhyReadingFailed() async throws {
        let reader = try InputReader(path: "/")
        await #expect(throws: Failure(.failed, "reading / failed: Is a directory")) { _ = try await reader.next() }
    }
}

extension InputReader.Chunk: Equatable {
    public static func == (left: Self, right: Self) -> Bool {
        left.bytes[..<left.count] == right.bytes[..<right.count]
    }
}
