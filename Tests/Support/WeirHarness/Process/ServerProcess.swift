// SPDX-License-Identifier: Apache-2.0
import WeirClient

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// `weir serve` on a data folder, as a process that can be killed and started again in the same place.
package final class ServerProcess: Sendable {
    package let process: ChildProcess
    package let host: String
    package let port: Int
    package let folder: String
    /// From the start of the process until its ready line.
    package let startMilliseconds: Double
    /// Of this server.
    package let weir: Weir

    package var address: String { "\(self.host):\(self.port)" }

    private init(process: ChildProcess, weir: Weir, host: String, port: Int, folder: String, startMilliseconds: Double)
    {
        self.process = process
        self.host = host
        self.port = port
        self.folder = folder
        self.startMilliseconds = startMilliseconds
        self.weir = Weir(path: weir.path, server: "\(host):\(port)")
    }

    /// What a server is told besides its data folder and where to listen.
    package static func arguments(_ folder: String, port: Int, _ more: [String] = []) -> [String] {
        ["serve", "--data-dir", folder, "--listen", "127.0.0.1:\(port)"] + more
    }

    /// Starts a server and waits until it says that it is ready. With `port` 0 the system chooses one.
    package static func start(
        _ weir: Weir, folder: String, port: Int = 0, arguments: [String] = [], within: Duration = Waiting.usual
    ) async throws -> ServerProcess {
        let process = try await weir.start(Self.arguments(folder, port: port, arguments))
        return try await Self.ready(process, weir, folder: folder, within: within)
    }

    /// Waits for the ready line of a server that was started.
    package static func ready(
        _ process: ChildProcess, _ weir: Weir, folder: String, within: Duration = Waiting.usual
    ) async throws -> ServerProcess {
        let found: (address: (host: String, port: Int), nanos: UInt64)
        do {
            found = try await Waiting.value("the ready line of weir serve", within: within) {
                if let found = Self.readyLine(process) { return found }
                if let ending = process.ending { throw HarnessError("weir serve ended with \(ending)") }
                return nil
            }
        } catch {
            process.send(SIGKILL)
            throw HarnessError(
                "\(error); stdout '\(process.output.text.suffix(500))', stderr '\(process.errors.text.suffix(2000))'")
        }
        return ServerProcess(
            process: process, weir: weir, host: found.address.host, port: found.address.port, folder: folder,
            startMilliseconds: Double(found.nanos - process.startedNanos) / 1e6)
    }

    private static func readyLine(_ process: ChildProcess) -> (address: (host: String, port: Int), nanos: UInt64)? {
        for stream in [process.output, process.errors] {
            if let (line, nanos) = stream.first({ Self.address(in: $0) != nil }), let address = Self.address(in: line) {
                return (address, nanos)
            }
        }
        return nil
    }

    /// `127.0.0.1:40123` of a line that says that the server is ready there.
    static func address(in line: String) -> (host: String, port: Int)? {
        guard line.contains("ready") || line.contains("listening") else { return nil }
        for word in line.split(whereSeparator: { !($0.isNumber || $0 == "." || $0 == ":") }) {
            let parts = word.split(separator: ":")
            if parts.count == 2, parts[0].split(separator: ".").count == 4, let port = Int(parts[1]), port > 0 {
                return (String(parts[0]), port)
            }
        }
        return nil
    }

    /// A client that comes back quickly when the server does.
    package func client(_ change: (inout ClientConfiguration) -> Void = { _ in }) async throws -> WeirClient {
        try await WeirClient.connect(self.clientConfiguration(change))
    }

    package func clientConfiguration(_ change: (inout ClientConfiguration) -> Void = { _ in }) -> ClientConfiguration {
        var configuration = ClientConfiguration(host: self.host, port: self.port, name: "weir-harness")
        configuration.retry = RetryPolicy(firstPauseMillis: 5, longestPauseMillis: 100)
        configuration.callTimeout = .seconds(60)
        // A machine that is busy with other tests is slow, not away.
        configuration.pingInterval = .seconds(60)
        change(&configuration)
        return configuration
    }

    /// Asks it to end, waits, and expects that it ends well.
    package func stop() async throws {
        self.process.send(SIGTERM)
        let ending = try await self.process.ended()
        try require(ending == .exit(0), "weir serve ended with \(ending): \(self.process.errors.text.suffix(2000))")
    }

    /// Runs `body` with a server on a new folder, and stops it.
    package static func with<R>(
        _ name: String, arguments: [String] = [], in parent: String? = nil,
        isolation: isolated (any Actor)? = #isolation, _ body: (ServerProcess) async throws -> R
    ) async throws -> R {
        let weir = try Weir.find()
        return try await TemporaryFolder.with(name, in: parent) { folder in
            let server = try await ServerProcess.start(weir, folder: folder + "/data", arguments: arguments)
            do {
                let result = try await body(server)
                try await server.stop()
                return result
            } catch {
                server.process.send(SIGKILL)
                throw HarnessError("\(error)\n  (the server said: \(server.process.errors.text.suffix(2000)))")
            }
        }
    }
}
