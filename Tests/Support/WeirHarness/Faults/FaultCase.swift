// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirModel

/// One fault or piece of bad input, done to the real program, with what must come of it.
package struct FaultCase: Sendable, CustomStringConvertible {
    package let name: String
    /// Throws `HarnessError` when something else came of it. Returns what there is to tell, if anything.
    private let body: @Sendable (Scene) async throws -> String

    package init(_ name: String, _ body: @escaping @Sendable (Scene) async throws -> String) {
        self.name = name
        self.body = body
    }

    package var description: String { self.name }

    package static let all: [FaultCase] =
        StartFaults.cases + CommandFaults.cases + ShardFaults.cases + ReadFaults.cases + RecordFaults.cases
        + ConnectionFaults.cases + CrowdFaults.cases + DescriptorFaults.cases + EndingFaults.cases + PipeFaults.cases
        + SpaceFaults.cases
        + DamageFaults.cases + ConsumeFaults.cases + WorkerFaults.cases + PutFaults.cases + SignalFaults.cases
        + Self.ofClockAndDisk

    /// Those that a preloaded library makes.
    private static var ofClockAndDisk: [FaultCase] {
        #if os(Linux)
        ClockFaults.cases + WriteFaults.cases + StallFaults.cases + BlockFaults.cases + UpkeepFaults.cases
            + DeliveryFaults.cases + DeliveryRangeFaults.cases + ServerDeliveryFaults.cases
        #else
        []
        #endif
    }

    package func run(in parent: String? = nil) async throws -> String {
        let weir = try Weir.find()
        return try await TemporaryFolder.with("fault", in: parent) { folder in
            let scene = Scene(weir: weir, folder: folder)
            do {
                let told = try await self.body(scene)
                try await scene.end()
                return told
            } catch {
                let said = scene.serverErrors
                try? await scene.end()
                throw HarnessError("\(self.name): \(error)\n  (the servers said: \(said.suffix(3000)))")
            }
        }
    }
}

/// Where a fault case plays: a folder, and the processes in it, which end with it.
package final class Scene: Sendable {
    package let weir: Weir
    package let folder: String
    private let processes = Mutex<[ChildProcess]>([])

    init(weir: Weir, folder: String) {
        self.weir = weir
        self.folder = folder
    }

    package var data: String { self.folder + "/data" }

    /// A server on `data`, with these settings of weir.yaml as `section.name: value`.
    package func serve(
        _ settings: KeyValuePairs<String, String> = [:], data: String? = nil, port: Int = 0, arguments: [String] = []
    ) async throws -> ServerProcess {
        let process = try await self.startServer(settings, data: data, port: port, arguments: arguments)
        return try await ServerProcess.ready(process, self.weir, folder: data ?? self.data)
    }

    package func startServer(
        _ settings: KeyValuePairs<String, String> = [:], data: String? = nil, port: Int = 0, arguments: [String] = [],
        environment: [String: String] = [:]
    ) async throws -> ChildProcess {
        var arguments = arguments
        if !settings.isEmpty {
            let path = self.folder + "/weir.yaml"
            try Files.write(Self.yaml(settings), to: path)
            arguments += ["--config", path]
        }
        return try await self.start(
            ServerProcess.arguments(data ?? self.data, port: port, arguments), environment: environment)
    }

    /// A command that goes on while other things happen.
    package func start(
        _ arguments: [String], server: ServerProcess? = nil, input: ChildProcess.Input = .nothing,
        environment: [String: String] = [:]
    ) async throws -> ChildProcess {
        let process = try await (server?.weir ?? self.weir).start(arguments, input: input, environment: environment)
        self.processes.withLock { $0.append(process) }
        return process
    }

    /// A server that must not start: its exit status is 1, and what it says is returned.
    package func refusedServer(
        _ settings: KeyValuePairs<String, String> = [:], data: String? = nil, port: Int = 0, arguments: [String] = []
    ) async throws -> String {
        let process = try await self.startServer(settings, data: data, port: port, arguments: arguments)
        let ending = try await process.ended()
        let said = process.errors.text
        try require(ending == .exit(1), "expected exit 1 of weir serve, it was \(ending); it said '\(said)'")
        try require(process.output.bytes.isEmpty, "weir serve printed '\(process.output.text)' and then ended")
        try require(said.hasPrefix("weir: ") && said.hasSuffix("\n"), "no sentence for people: '\(said)'")
        return said
    }

    /// A process that ends with the scene.
    func keep(_ process: ChildProcess) { self.processes.withLock { $0.append(process) } }

    private static func yaml(_ settings: KeyValuePairs<String, String>) -> String {
        var sections: [String: [String]] = [:]
        var text = ""
        for (path, value) in settings {
            let parts = path.split(separator: ".")
            if parts.count == 1 {
                text += "\(path): \(value)\n"
            } else {
                sections[String(parts[0]), default: []].append("  \(parts[1]): \(value)\n")
            }
        }
        for (section, lines) in sections { text += "\(section):\n" + lines.joined() }
        return text
    }

    var serverErrors: String { self.processes.withLock { $0 }.map(\.errors.text).joined(separator: "\n") }

    func end() async throws {
        for process in self.processes.withLock({ $0 }) { try await process.kill9() }
    }
}

extension ServerProcess {
    /// Says that this server still works: a put and a get of a stream of its own.
    package func provesThatItWorks() async throws {
        let name = "proof-\(String(SeededRandom.anySeed(), radix: 36))"
        try await self.weir.succeed("stream", "create", name, "--shards", "2")
        try await self.weir.run(["put", name, "--key", "k"], input: .bytes(Array("one\ntwo\n".utf8))).expect(0)
        let read = try await self.weir.succeed("get", name, "--raw").lines
        try require(read == ["one", "two"], "the server still answers, but wrongly: \(read)")
        try await self.weir.succeed("stream", "delete", name)
    }
}
