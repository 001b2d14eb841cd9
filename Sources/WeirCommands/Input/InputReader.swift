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

/// Reads a file or stdin by the chunk on a thread of its own, a few chunks ahead of the task that takes them.
final class InputReader: Sendable {
    /// Bytes as they were read: the first `count` of `bytes`.
    struct Chunk: Sendable {
        fileprivate(set) var bytes: [UInt8]
        fileprivate(set) var count: Int
    }

    private struct State {
        var ready: [Chunk] = []
        var free: [[UInt8]]
        var waiting: CheckedContinuation<Void, Never>?
        var ended = false
        var stopped = false
        var failure: Failure?
    }

    private let descriptor: Int32
    private let name: String
    private let state: Monitor<State>

    static let chunkBytes = 256 << 10
    static let chunksAhead = 4

    /// A path, or `nil` or `-` for stdin. Throws when the file cannot be opened.
    convenience init(path: String?) throws(Failure) {
        guard let path, path != "-" else {
            self.init(descriptor: STDIN_FILENO, name: "stdin")
            return
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Failure(.failed, "\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        self.init(descriptor: descriptor, name: path)
    }

    /// Reads a descriptor, which is closed at the end unless it is stdin's.
    init(descriptor: Int32, name: String, chunkBytes: Int = InputReader.chunkBytes) {
        self.descriptor = descriptor
        self.name = name
        let free = (0..<Self.chunksAhead).map { _ in [UInt8](repeating: 0, count: chunkBytes) }
        self.state = Monitor(State(free: free))
        Thread.start("weir-input") { self.readAll() }
    }

    private func readAll() {
        while let buffer = self.nextBuffer(), self.readOne(buffer) {}
        if self.descriptor != STDIN_FILENO { close(self.descriptor) }
    }

    /// Waits for a buffer; `nil` when no more is to be read.
    private func nextBuffer() -> [UInt8]? {
        self.state.wait { state -> [UInt8]?? in
            state.ended ? .some(nil) : state.free.popLast().map { .some($0) }
        } ?? nil
    }

    /// False at the end.
    private func readOne(_ buffer: consuming [UInt8]) -> Bool {
        var count = -1
        repeat {
            count = buffer.withUnsafeMutableBytes { read(self.descriptor, $0.baseAddress, $0.count) }
        } while count < 0 && errno == EINTR
        let code = errno
        let chunk = Chunk(bytes: buffer, count: max(0, count))
        let waiting = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            if count > 0 {
                state.ready.append(chunk)
            } else {
                state.ended = true
                if count < 0 {
                    state.failure = Failure(
                        .failed, "reading \(self.name) failed: \(String(cString: strerror(code)))")
                }
            }
            return state.waiting.take()
        }
        waiting?.resume()
        return count > 0
    }

    /// The next chunk; `nil` at the end and after `stop`. Throws when reading failed. For one task at a time.
    func next() async throws(Failure) -> Chunk? {
        while true {
            let (chunk, failure, ended) = self.state.withLock { state -> (Chunk?, Failure?, Bool) in
                (state.ready.isEmpty ? nil : state.ready.removeFirst(), state.failure, state.ended)
            }
            if let chunk { return chunk }
            if let failure { throw failure }
            if ended { return nil }
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let goOn = self.state.withLock { state -> Bool in
                    if !state.ready.isEmpty || state.ended { return true }
                    state.waiting = continuation
                    return false
                }
                if goOn { continuation.resume() }
            }
        }
    }

    /// Gives a chunk's memory back for another one.
    func recycle(_ chunk: consuming Chunk) {
        let bytes = chunk.bytes
        self.state.withLock { $0.free.append(bytes) }
        self.state.wakeAll()
    }

    /// Takes nothing more: what was read ahead is forgotten, and `next` gives `nil`.
    func stop() {
        let waiting = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.ended = true
            state.stopped = true
            state.ready.removeAll()
            return state.waiting.take()
        }
        self.state.wakeAll()
        waiting?.resume()
    }

    /// Whether a person types what is read.
    var isTerminal: Bool { isatty(self.descriptor) == 1 }

    /// Whether it ended by `stop`, before the input did.
    var isStopped: Bool { self.state.withLock { $0.stopped } }
}
