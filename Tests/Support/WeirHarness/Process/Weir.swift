// SPDX-License-Identifier: Apache-2.0
import Foundation
import WeirClient

/// The program under test: where it is, and how its commands are run against one server.
package struct Weir: Sendable {
    package let path: String
    /// `HOST:PORT` for commands that talk to a server.
    package var server: String?

    package init(path: String, server: String? = nil) {
        self.path = path
        self.server = server
    }

    /// The program `weir` that was built together with the running one: it lies beside it. `WEIR_BINARY` names another.
    package static func find() throws -> Weir {
        if let path = ProcessInfo.processInfo.environment["WEIR_BINARY"] { return Weir(path: path) }
        return Weir(path: try Self.beside("weir"))
    }

    /// Another program that was built together with the running one.
    package static func beside(_ name: String) throws -> String {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let path = URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent(name).path
        try require(
            FileManager.default.isExecutableFile(atPath: path),
            "there is no program \(name) beside \(own): build all of it with 'swift build', or name weir in WEIR_BINARY"
        )
        return path
    }

    /// What a command did.
    package struct Result: Sendable, CustomStringConvertible {
        package let command: String
        package let ending: ChildProcess.Ending
        package let outputBytes: [UInt8]
        package let errors: String
        package let seconds: Double

        package var output: String { String(decoding: self.outputBytes, as: UTF8.self) }
        package var lines: [String] { Lines.split(self.outputBytes) }
        package var description: String {
            "\(self.command): \(self.ending), stdout '\(self.output.prefix(500))', stderr '\(self.errors.prefix(1000))'"
        }

        /// Each line as a JSON value.
        package func json() throws -> [JSON] { try self.lines.map { try JSON(parsing: $0) } }

        /// Throws unless the command ended with this status.
        @discardableResult
        package func expect(_ status: Int32) throws -> Result {
            try require(self.ending == .exit(status), "expected exit \(status) of \(self)")
            return self
        }

        /// Throws unless what it wrote to stderr contains each of `texts`, whatever their case.
        @discardableResult
        package func expect(saying texts: String...) throws -> Result {
            for text in texts {
                try require(
                    self.errors.lowercased().contains(text.lowercased()), "expected '\(text)' on stderr of \(self)")
            }
            return self
        }
    }

    private var environment: [String: String] { self.server.map { ["WEIR_SERVER": $0] } ?? [:] }

    /// Starts a command.
    package func start(
        _ arguments: [String], input: ChildProcess.Input = .nothing, folder: String? = nil,
        environment: [String: String] = [:], onLine: OutputLines.Visitor? = nil
    ) async throws -> ChildProcess {
        try await ChildProcess.start(
            self.path, arguments, environment: self.environment.merging(environment) { $1 }, folder: folder,
            input: input, onLine: onLine)
    }

    /// Runs a command to its end.
    package func run(
        _ arguments: [String], input: ChildProcess.Input = .nothing, within: Duration = Waiting.usual,
        environment: [String: String] = [:]
    ) async throws -> Result {
        let watch = Stopwatch()
        let process = try await self.start(arguments, input: input, environment: environment)
        let ending = try await process.ended(within: within)
        return Result(
            command: "weir " + arguments.joined(separator: " "), ending: ending, outputBytes: process.output.bytes,
            errors: process.errors.text, seconds: watch.seconds)
    }

    package func run(_ arguments: String...) async throws -> Result { try await self.run(arguments) }

    /// Runs a command that must succeed.
    @discardableResult
    package func succeed(_ arguments: String...) async throws -> Result {
        try await self.run(arguments).expect(0)
    }
}
