// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirStorage

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The one owner of stderr. Whoever has something to say hands it over and goes on at once: a thread of its own writes,
/// so that a pipe that nobody reads, or a disk that hangs, holds up nobody's work. What waits is bounded; what is
/// dropped is counted and told.
final class ErrorOutput: Sendable {
    static let shared = ErrorOutput(descriptor: STDERR_FILENO)

    private struct State {
        var pending: PendingLines
        var hasThread = false
        var isWriting = false
    }

    private let descriptor: Int32
    private let state: Monitor<State>

    init(descriptor: Int32, bytesMax: Int = PendingLines.bytesMax) {
        self.descriptor = descriptor
        self.state = Monitor(State(pending: PendingLines(bytesMax: bytesMax)))
    }

    /// Whole lines. Never waits.
    func write(_ lines: String) { self.change { $0.append(lines) } }

    /// The moving line of figures, which stays below all others; an empty one takes it away.
    func show(_ figures: String) { self.change { $0.show(figures) } }

    private func change(_ body: (inout PendingLines) -> Void) {
        let needsThread = self.state.withLock { state -> Bool in
            body(&state.pending)
            defer { state.hasThread = true }
            return !state.hasThread
        }
        if needsThread { Thread.start("weir-stderr") { self.writeAll() } } else { self.state.wakeAll() }
    }

    /// Waits until everything is written, at most so long. For the end of the program.
    func finish(milliseconds: Int) {
        // Without a thread nothing was ever said.
        _ = self.state.wait(milliseconds: milliseconds) { state in
            !state.hasThread || (state.pending.isEmpty && !state.isWriting) ? true : nil
        }
    }

    private func writeAll() -> Never {
        while true {
            let block = self.state.wait { state -> [UInt8]? in
                let block = state.pending.take()
                state.isWriting = block != nil
                return block
            }
            guard let block else { continue }
            let written = Self.write(block, to: self.descriptor)
            self.state.withLock { state in
                state.isWriting = false
                if written < block.count { state.pending.lost(block[written...]) }
            }
            self.state.wakeAll()
        }
    }

    /// Returns how many of the bytes were written.
    private static func write(_ block: [UInt8], to descriptor: Int32) -> Int {
        block.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = system_write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
                if count > 0 {
                    done += count
                } else if errno == EAGAIN {
                    // Somebody made the pipe non-blocking.
                    var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = poll(&waiting, 1, -1)
                } else if errno != EINTR {
                    break
                }
            }
            return done
        }
    }
}
