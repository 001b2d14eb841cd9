// SPDX-License-Identifier: Apache-2.0
import CWeir
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What a program writes to one of its streams, by the line, gathered by a thread while it runs.
package final class OutputLines: Sendable {
    /// What to do with each line besides keeping it. Called on the reading thread, without the line's newline.
    package typealias Visitor = @Sendable (borrowing Span<UInt8>) -> Void

    private struct State {
        var bytes: [UInt8] = []
        /// Where the unfinished last line begins.
        var lineStart = 0
        var lineCount = 0
        /// For each of the first lines, when it was whole.
        var times: [UInt64] = []
        var isAtEnd = false
    }

    private let state = Mutex(State())
    private let keepsBytes: Bool
    private let visitor: Visitor?

    /// Kept when a visitor takes the lines; over it the oldest half is dropped.
    private static let keptBytesMax = 64 << 20
    private static let timesMax = 64

    init(visitor: Visitor?) {
        self.visitor = visitor
        self.keepsBytes = visitor == nil
    }

    /// Reads until the end; for a thread of its own.
    func read(from descriptor: Int32) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { memory.deallocate() }
        while true {
            guard let base = memory.baseAddress else { return }
            let count = Descriptors.read(descriptor, into: base, memory.count)
            if count == 0 { break }
            self.append(UnsafeRawBufferPointer(rebasing: memory[..<count]))
        }
        Descriptors.close(descriptor)
        self.state.withLock { $0.isAtEnd = true }
    }

    private func append(_ bytes: UnsafeRawBufferPointer) {
        let now = weir_monotonic_nanoseconds()
        self.state.withLock { state in
            let before = state.bytes.count
            state.bytes.append(contentsOf: bytes)
            var position = before
            while position < state.bytes.count {
                guard let end = Lines.end(in: state.bytes, from: position) else { break }
                state.lineCount += 1
                if state.times.count < Self.timesMax { state.times.append(now) }
                if let visitor { visitor(state.bytes.span.extracting(state.lineStart..<end)) }
                state.lineStart = end + 1
                position = end + 1
            }
            if !self.keepsBytes && state.lineStart > 0 {
                state.bytes.removeFirst(state.lineStart)
                state.lineStart = 0
            }
            precondition(state.bytes.count <= Self.keptBytesMax, "a program wrote more than the harness keeps")
        }
    }

    package var isAtEnd: Bool { self.state.withLock { $0.isAtEnd } }
    package var lineCount: Int { self.state.withLock { $0.lineCount } }
    package var byteCount: Int { self.state.withLock { $0.bytes.count } }
    package var bytes: [UInt8] { self.state.withLock { $0.bytes } }
    package var text: String { String(decoding: self.bytes, as: UTF8.self) }

    /// Lines that are whole.
    package var lines: [String] { Lines.split(self.bytes) }

    /// The first whole line that `match` accepts, with the time on the monotonic clock at which it was there.
    package func first(_ match: (String) -> Bool) -> (line: String, nanos: UInt64)? {
        let lines = self.lines
        guard let position = lines.firstIndex(where: match) else { return nil }
        return self.state.withLock { (lines[position], $0.times.indices.contains(position) ? $0.times[position] : 0) }
    }
}

/// Bytes by the line, quickly also where nothing is optimised.
enum Lines {
    /// Where the line that holds `position` ends: at its newline.
    static func end(in bytes: [UInt8], from position: Int) -> Int? {
        bytes.withUnsafeBytes { raw in
            guard position < raw.count, let base = raw.baseAddress,
                let found = memchr(base + position, 10, raw.count - position)
            else { return nil }
            return UnsafeRawPointer(found) - base
        }
    }

    /// So many lines of so many letters.
    static func of(_ count: Int, bytes: Int) -> [UInt8] {
        var all = [UInt8](repeating: UInt8(ascii: "x"), count: count * (bytes + 1))
        for line in 1...count { all[line * (bytes + 1) - 1] = 10 }
        return all
    }

    /// The lines that have a newline.
    static func split(_ bytes: [UInt8]) -> [String] {
        var lines: [String] = []
        var position = 0
        while let end = Self.end(in: bytes, from: position) {
            lines.append(String(decoding: bytes[position..<end], as: UTF8.self))
            position = end + 1
        }
        return lines
    }
}
