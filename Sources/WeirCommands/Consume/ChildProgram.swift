// SPDX-License-Identifier: Apache-2.0
import CWeir
import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A program that is run: where it lies, and its arguments.
struct ProgramCommand: Hashable, Sendable {
    let path: String
    let arguments: [String]

    /// Looks a name without a slash up in PATH, as a shell does.
    init(_ name: String, _ arguments: [String], path: String? = getenv("PATH").map { String(cString: $0) }) throws {
        self.arguments = [name] + arguments
        if name.contains("/") {
            guard Self.isProgram(name) else { throw Failure(.failed, "'\(name)' is not a program that can be run") }
            try Self.checkForm(name)
            self.path = name
            return
        }
        let folders = (path ?? "/usr/bin:/bin").split(separator: ":", omittingEmptySubsequences: true)
        guard !name.isEmpty, let found = folders.map({ "\($0)/\(name)" }).first(where: Self.isProgram) else {
            throw Failure(.failed, "the program '\(name)' is not in any folder of PATH")
        }
        try Self.checkForm(found)
        self.path = found
    }

    /// A script needs a first line that names its interpreter: only shells run one without.
    private static func checkForm(_ path: String) throws {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        // What may be run and not read is no script.
        guard file >= 0 else { return }
        defer { _ = close(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(file, &bytes, bytes.count)
        guard count >= 0 else { return }
        let head = bytes.prefix(count)
        if head.starts(with: Array("#!".utf8)) {
            let words = head.dropFirst(2).prefix { $0 != UInt8(ascii: "\n") }
                .split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\r") }
            let interpreter = words.first.map { String(decoding: $0, as: UTF8.self) } ?? ""
            guard !interpreter.isEmpty, interpreter.hasPrefix("/") ? Self.isProgram(interpreter) : true else {
                throw Failure(.failed, "'\(path)' wants to be run by '\(interpreter)', which is no program")
            }
        } else if !head.contains(0) {
            throw Failure(
                .failed,
                "'\(path)' is a script without a first line such as #!/bin/sh: put one there, or name the interpreter "
                    + "with --exec and the script behind --")
        }
    }

    private static func isProgram(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
}

extension ProgramFailure {
    static let outputClosed = ProgramFailure("has closed its output", mayHaveEnded: true)
}

/// A running program: lines go in, lines come out. Both are bounded, and so is every wait.
final class ChildProgram: Sendable {
    /// How long a program may take to end when its input has.
    static let endMillis = 5000

    let process: Int32
    private let channel: any Channel
    private let lines: ProgramLines

    private init(process: Int32, channel: any Channel, lines: ProgramLines) {
        self.process = process
        self.channel = channel
        self.lines = lines
    }

    /// Throws `ProgramFailure`.
    static func start(_ command: ProgramCommand, on group: any EventLoopGroup) async throws -> ChildProgram {
        var input: [Int32] = [0, 0]
        var output: [Int32] = [0, 0]
        guard weir_pipe(&input) == 0 else { throw Self.failure(errno) }
        guard weir_pipe(&output) == 0 else {
            let code = errno
            input.forEach { _ = close($0) }
            throw Self.failure(code)
        }
        var process: Int32 = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = command.arguments.map { strdup($0) } + [nil]
        let code = weir_spawn(command.path, &arguments, input[0], output[1], &process)
        for argument in arguments { free(argument) }
        _ = close(input[0])
        _ = close(output[1])
        guard code == 0 else {
            _ = close(input[1])
            _ = close(output[0])
            throw Self.failure(code)
        }
        let lines = ProgramLines()
        do {
            let channel = try await NIOPipeBootstrap(group: group)
                .channelOption(.allowRemoteHalfClosure, value: true)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(LineHandler(lines))
                    }
                }
                .takingOwnershipOfDescriptors(input: output[0], output: input[1]).get()
            return ChildProgram(process: process, channel: channel, lines: lines)
        } catch {
            kill(-process, SIGKILL)
            throw ProgramFailure("could not be connected: \(error)")
        }
    }

    private static func failure(_ code: Int32) -> ProgramFailure {
        ProgramFailure("could not be started: \(String(cString: strerror(code)))")
    }

    /// Returns when the program has taken all of it. When the task is cancelled before, the program is killed: it has
    /// got half a line. Throws `ProgramFailure`.
    func write(_ bytes: [UInt8]) async throws {
        do {
            try await withTaskCancellationHandler {
                try await self.channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
            } onCancel: {
                self.kill9()
            }
        } catch {
            throw ProgramFailure("does not read its input any more", mayHaveEnded: true)
        }
    }

    /// Throws `ProgramFailure` when it has written a line that nobody has asked for: it would answer the next message
    /// before the program has seen that.
    func checkSilent() throws(ProgramFailure) {
        guard let line = self.lines.first else { return }
        let beginning = String(decoding: line.prefix(100), as: UTF8.self)
        throw ProgramFailure("wrote a line that nobody asked for, behind its answer: '\(beginning)'")
    }

    /// The next line that it writes, without its end. Throws `ProgramFailure` at the end of its output, and
    /// `CancellationError`.
    func line() async throws -> [UInt8] { try await self.lines.next() }

    /// Runs `body`, but no longer than so many milliseconds: then the program is killed, which ends whatever waits.
    func within<R: Sendable>(millis: Int, _ body: @escaping @Sendable () async throws -> R) async throws -> R {
        try await withThrowingTaskGroup(of: R?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(nanoseconds: UInt64(millis) * 1_000_000)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let result = first else {
                self.kill9()
                throw ProgramFailure("has not answered within \(millis) ms")
            }
            return result
        }
    }

    private func kill9() {
        kill(-self.process, SIGKILL)
        self.channel.close(promise: nil)
    }

    /// Its input ends; it may end by itself, and is killed when it does not. Says how it ended.
    @discardableResult
    func end(killing: Bool = false) async -> String {
        if killing { kill(-self.process, SIGKILL) }
        self.channel.close(mode: .output, promise: nil)
        let status = await self.wait(millis: Self.endMillis)
        // Nothing that it has started may stay behind.
        kill(-self.process, SIGKILL)
        self.channel.close(promise: nil)
        if let status { return Self.describe(status) }
        guard let status = await self.wait(millis: Self.endMillis) else { return "does not end" }
        return Self.describe(status)
    }

    private func wait(millis: Int) async -> Int32? {
        for _ in 0..<max(1, millis / 5) {
            var status: Int32 = 0
            let found = waitpid(self.process, &status, WNOHANG)
            if found == self.process { return status }
            if found < 0 && errno != EINTR { return 0 }
            // It is waited for also when the task is cancelled: it must not stay behind.
            await withCheckedContinuation { continuation in
                self.channel.eventLoop.scheduleTask(in: .milliseconds(5)) { continuation.resume() }
            }
        }
        return nil
    }

    private static func describe(_ status: Int32) -> String {
        let signal = status & 0x7f
        return signal != 0 ? "was ended by signal \(signal)" : "ended with status \(status >> 8 & 0xff)"
    }
}

/// Lines that a program has written and nobody has asked for.
final class ProgramLines: Sendable {
    static let waitingMax = 10_000

    private struct State {
        var lines: [[UInt8]] = []
        var end: ProgramFailure?
        var waiting: CheckedContinuation<[UInt8], any Error>?
    }

    private let state = Mutex(State())

    func add(_ line: [UInt8]) {
        let waiting = self.state.withLock { state -> CheckedContinuation<[UInt8], any Error>? in
            if let waiting = state.waiting {
                state.waiting = nil
                return waiting
            }
            if state.lines.count < Self.waitingMax {
                state.lines.append(line)
            } else if state.end == nil {
                state.end = ProgramFailure("wrote more than \(Self.waitingMax) lines that nobody asked for")
            }
            return nil
        }
        waiting?.resume(returning: line)
    }

    func end(_ failure: ProgramFailure) {
        let waiting = self.state.withLock { state in
            if state.end == nil { state.end = failure }
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume(throwing: failure)
    }

    /// The line that `next` would return at once.
    var first: [UInt8]? { self.state.withLock { $0.lines.first } }

    /// One task asks at a time.
    func next() async throws -> [UInt8] {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let ready = self.state.withLock { state -> Result<[UInt8], any Error>? in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if !state.lines.isEmpty { return .success(state.lines.removeFirst()) }
                    if let end = state.end { return .failure(end) }
                    state.waiting = continuation
                    return nil
                }
                if let ready { continuation.resume(with: ready) }
            }
        } onCancel: {
            let waiting = self.state.withLock { state in
                defer { state.waiting = nil }
                return state.waiting
            }
            waiting?.resume(throwing: CancellationError())
        }
    }
}

private final class LineHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let lines: ProgramLines
    private var line: [UInt8] = []

    init(_ lines: ProgramLines) { self.lines = lines }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var rest = self.unwrapInboundIn(data).readableBytesView[...]
        while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
            self.line += rest[..<newline]
            if self.line.last == UInt8(ascii: "\r") { self.line.removeLast() }
            self.lines.add(self.line)
            self.line = []
            rest = rest[(newline + 1)...]
        }
        self.line += rest
        guard self.line.count > ProgramAnswer.lineBytesMax else { return }
        self.lines.end(ProgramFailure("wrote a line of more than \(ProgramAnswer.lineBytesMax) bytes"))
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? ChannelEvent, event == .inputClosed else { return }
        self.lines.end(ProgramFailure.outputClosed)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.lines.end(ProgramFailure.outputClosed)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
