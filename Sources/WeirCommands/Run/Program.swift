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
        Interrupts.block()
        // Writing to a pipe without a reader is then an error that the writer handles.
        signal(SIGPIPE, SIG_IGN)
        Task.detached {
            let status = await Self.run(Array(CommandLine.arguments.dropFirst()))
            exit(status.rawValue)
        }
        Interrupts.wait()
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
    package static func write(_ text: String) {
        var line = "weir: " + text + "\n"
        line.withUTF8 { bytes in
            var left = UnsafeRawBufferPointer(bytes)
            while !left.isEmpty {
                let count = system_write(STDERR_FILENO, left.baseAddress, left.count)
                if count < 0 && errno == EINTR { continue }
                // There is nobody to tell that nobody can be told.
                guard count > 0 else { return }
                left = UnsafeRawBufferPointer(rebasing: left[count...])
            }
        }
    }

    /// Whether a person looks at stderr.
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}

/// `write(2)`, under a name that methods called `write` do not hide.
func system_write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
