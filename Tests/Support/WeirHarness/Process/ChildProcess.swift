// SPDX-License-Identifier: Apache-2.0
import CWeir
import CWeirHarness
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A program that the harness started. It is killed when this process ends, whatever ends it.
package final class ChildProcess: Sendable {
    package enum Ending: Hashable, Sendable, CustomStringConvertible {
        case exit(Int32)
        case signal(Int32)

        package var description: String {
            switch self {
            case .exit(let status): "exit \(status)"
            case .signal(let number): "signal \(number)"
            }
        }
    }

    package enum Input: Sendable {
        /// At its end from the start.
        case nothing
        /// These bytes, then the end.
        case bytes([UInt8])
        case file(String)
        /// Open until `closeInput`.
        case open
    }

    package let pid: Int32
    package let output: OutputLines
    package let errors: OutputLines
    /// When it was started, on the monotonic clock.
    package let startedNanos: UInt64
    private let input: Mutex<Int32?>
    private let state = Mutex<Ending?>(nil)

    /// Children must be started on a thread that stays: Linux kills them with it.
    private static let spawner = try? WorkThread("weir-spawner")

    private init(pid: Int32, startedNanos: UInt64, input: Int32?, output: OutputLines, errors: OutputLines) {
        self.pid = pid
        self.startedNanos = startedNanos
        self.input = Mutex(input)
        self.output = output
        self.errors = errors
    }

    /// Starts a program. `onLine` gets each line that it writes to its stdout, instead of them being kept.
    package static func start(
        _ path: String, _ arguments: [String], environment: [String: String] = [:], folder: String? = nil,
        input: Input = .nothing, onLine: OutputLines.Visitor? = nil
    ) async throws -> ChildProcess {
        Descriptors.ignoreBrokenPipes()
        let files = try Streams(input)
        let spawner = try require(Self.spawner, "no thread to start programs on")
        let all = [path] + arguments
        let variables = Self.environment(environment)
        let (pid, code, started) = try await spawner.run { () -> (Int32, Int32, UInt64) in
            let started = weir_monotonic_nanoseconds()
            let pid = CStrings.with(all) { arguments in
                CStrings.with(variables) { variables in
                    weir_harness_spawn(
                        path, arguments, variables, folder, files.input, files.output.write, files.errors.write)
                }
            }
            return (pid, errno, started)
        }
        for descriptor in [files.input, files.output.write, files.errors.write] { Descriptors.close(descriptor) }
        guard pid > 0 else {
            for descriptor in [files.output.read, files.errors.read] { Descriptors.close(descriptor) }
            throw HarnessError("cannot start \(path): \(String(cString: strerror(code)))")
        }
        let process = ChildProcess(
            pid: pid, startedNanos: started, input: files.inputEnd, output: OutputLines(visitor: onLine),
            errors: OutputLines(visitor: nil))
        process.follow(files, input)
        return process
    }

    private func follow(_ files: Streams, _ input: Input) {
        Blocking.thread("weir-stdout") { self.output.read(from: files.output.read) }
        Blocking.thread("weir-stderr") { self.errors.read(from: files.errors.read) }
        if case .bytes(let bytes) = input {
            Blocking.thread("weir-stdin") {
                self.write(bytes)
                self.closeInput()
            }
        }
        Blocking.thread("weir-wait") {
            // Its number stays its own until it is collected below, so that no signal goes to a stranger.
            var info = siginfo_t()
            while waitid(P_PID, id_t(self.pid), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR {}
            // The end of its output belongs to its end: whoever sees the one may rely on the other.
            while !(self.output.isAtEnd && self.errors.isAtEnd) { usleep(500) }
            self.closeInput()
            self.state.withLock { state in
                var status: Int32 = 0
                while waitpid(self.pid, &status, 0) < 0 && errno == EINTR {}
                let signal = status & 0x7f
                state = signal == 0 ? .exit((status >> 8) & 0xff) : .signal(signal)
            }
        }
    }

    /// Writes to its stdin, waiting while the pipe is full. `false` when it does not read any more.
    @discardableResult
    package func write(_ bytes: [UInt8]) -> Bool {
        guard let descriptor = self.input.withLock({ $0 }) else { return false }
        return Descriptors.writeAll(descriptor, bytes)
    }

    /// Bytes that were written to its stdin and that it has not read yet.
    package var unreadInputBytes: Int {
        guard let descriptor = self.input.withLock({ $0 }) else { return 0 }
        var count: Int32 = 0
        return ioctl(descriptor, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
    }

    package func closeInput() {
        if let descriptor = self.input.withLock({ $0.take() }) { Descriptors.close(descriptor) }
    }

    /// How it ended; `nil` while it runs.
    package var ending: Ending? { self.state.withLock { $0 } }

    package func send(_ signal: Int32) {
        self.state.withLock { ending in
            if ending == nil { _ = kill(self.pid, signal) }
        }
    }

    /// Waits for its end; over `within` it is killed and `HarnessError` thrown, with the last that it said.
    @discardableResult
    package func ended(within: Duration = Waiting.usual) async throws -> Ending {
        do {
            return try await Waiting.value("the end of process \(self.pid)", within: within) { self.ending }
        } catch {
            self.send(SIGKILL)
            throw HarnessError("\(error); stderr: \(self.errors.text.suffix(2000))")
        }
    }

    /// Kills it and waits until it is gone.
    package func kill9() async throws {
        self.send(SIGKILL)
        try await self.ended()
    }

    /// Resident memory in bytes, as the system counts it.
    package func residentBytes() throws -> Int { try self.memory("VmRSS:") }

    /// The most that was ever resident.
    package func peakResidentBytes() throws -> Int { try self.memory("VmHWM:") }

    private func memory(_ name: String) throws -> Int {
        let status = try Files.text(of: "/proc/\(self.pid)/status")
        let line = try require(status.split(separator: "\n").first { $0.hasPrefix(name) }, "no \(name) in \(status)")
        return try require(Int(line.split(whereSeparator: { !$0.isNumber }).first ?? ""), "no number in \(line)") * 1024
    }

    /// Ours, without what would lead the program elsewhere, and with `changes`.
    private static func environment(_ changes: [String: String]) -> [String] {
        var variables: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            let pair = String(cString: entry).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { variables[String(pair[0])] = String(pair[1]) }
            next += 1
        }
        variables["WEIR_SERVER"] = nil
        for (name, value) in changes { variables[name] = value }
        return variables.map { "\($0)=\($1)" }
    }
}

/// The ends of the pipes of a program that is being started.
private struct Streams: Sendable {
    let input: Int32
    let inputEnd: Int32?
    let output: (read: Int32, write: Int32)
    let errors: (read: Int32, write: Int32)

    init(_ source: ChildProcess.Input) throws {
        switch source {
        case .nothing, .file:
            var path = "/dev/null"
            if case .file(let given) = source { path = given }
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            try require(descriptor >= 0, "cannot open \(path): \(Descriptors.lastError)")
            (self.input, self.inputEnd) = (descriptor, nil)
        case .bytes, .open:
            let ends = try Descriptors.pipe()
            (self.input, self.inputEnd) = (ends.read, ends.write)
        }
        self.output = try Descriptors.pipe()
        self.errors = try Descriptors.pipe()
    }
}

enum CStrings {
    /// `strings` as C wants them, behind each other with NULL at the end.
    static func with<R>(_ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> R) -> R {
        let pointers = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: strings.count + 1)
        for (position, string) in strings.enumerated() { pointers[position] = strdup(string) }
        pointers[strings.count] = nil
        defer {
            for position in strings.indices { free(pointers[position]) }
            pointers.deallocate()
        }
        return body(pointers)
    }
}
