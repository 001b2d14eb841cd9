// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirModel

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The program: reads the arguments, runs the command, and says how it went.
package enum Program {
    /// Call it on the main thread, which it keeps: it would not do to be `async`, because the main thread then waits
    /// with all signals let through.
    package static func main() -> Never {
        StandardDescriptors.reserve()
        Interrupts.block()
        // Writing to a pipe without a reader is then an error that the writer handles.
        signal(SIGPIPE, SIG_IGN)
        Task.detached {
            do throws(Failure) {
                Self.exit(await Self.run(try Self.arguments()))
            } catch {
                Self.exit(Self.end(running: error))
            }
        }
        Interrupts.wait()
    }

    /// The arguments, which are UTF-8: what is not would be taken for something else, a key or the name of a file.
    private static func arguments() throws(Failure) -> [String] {
        var arguments: [String] = []
        for position in 1..<max(1, Int(CommandLine.argc)) {
            guard let bytes = CommandLine.unsafeArgv[position] else { break }
            guard let text = String(validatingCString: bytes) else {
                throw .usage("argument \(position), '\(String(cString: bytes))', is not UTF-8")
            }
            arguments.append(text)
        }
        return arguments
    }

    /// The last words are worth some time, and less after somebody has asked for the end.
    private static func exit(_ status: ExitStatus) -> Never {
        ErrorOutput.shared.finish(milliseconds: Interrupts.isFinishing ? 1000 : 10_000)
        system_exit(Interrupts.status ?? status.rawValue)
    }

    static func run(_ arguments: [String]) async -> ExitStatus {
        var command: any ParsableCommand
        do {
            command = try WeirCommand.parseAsRoot(arguments)
        } catch {
            return Self.end(parsing: error)
        }
        do {
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return .success
        } catch {
            return Self.end(running: error)
        }
    }

    /// Help and the like are results; everything else is a usage error.
    static func end(parsing error: any Error) -> ExitStatus {
        let text = WeirCommand.fullMessage(for: error)
        if WeirCommand.exitCode(for: error).isSuccess {
            do {
                try StandardOutput.write(text + "\n")
                return .success
            } catch {
                return Self.end(running: error)
            }
        }
        let prefix = "Error: "
        Messages.write(text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text)
        return .usage
    }

    static func end(running error: any Error) -> ExitStatus {
        switch error {
        case is OutputClosed: return .success
        case let failure as Failure:
            Messages.write(failure.description)
            return failure.status
        case let error as WeirError:
            Messages.write(error.message)
            return error.exitStatus
        case is CancellationError where Interrupts.isFinishing: return .success
        case is CancellationError:
            Messages.write("interrupted")
            return .failed
        // Help is thrown by a command of its own.
        case _ where WeirCommand.exitCode(for: error).isSuccess: return Self.end(parsing: error)
        default:
            Messages.write("\(error)")
            return .failed
        }
    }
}

/// What people are told beside the results: one line each on stderr.
package enum Messages {
    /// Does not wait until it is written: `Program` does that at the end.
    package static func write(_ text: String) { ErrorOutput.shared.write("weir: " + text + "\n") }

    /// Whether a person looks at stderr.
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Whether the program is the one that its terminal belongs to: figures of one in the background would stand in the
    /// line that somebody types.
    static var isForeground: Bool { tcgetpgrp(STDERR_FILENO) == getpgrp() }
}

/// `exit(3)`, under a name that functions called `exit` do not hide.
private func system_exit(_ status: Int32) -> Never { exit(status) }

/// `write(2)`, under a name that methods called `write` do not hide.
func system_write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
