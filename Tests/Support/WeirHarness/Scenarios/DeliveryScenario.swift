// SPDX-License-Identifier: Apache-2.0
import WeirModel

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Workers deliver a stream into one folder while they are killed, stopped, paused and replaced, the server is killed,
/// and shards split. In the end each line must be in exactly one file.
package struct DeliveryScenario: Sendable {
    package var seed = SeededRandom.anySeed()
    package var lines = 10_000
    /// A real log to use, whose lines all differ; `nil`: one is made up.
    package var file: String?
    package var shards = 16
    package var workers = 3
    /// Kills, stops, pauses, splits and kills of the server.
    package var events = 40
    package var compression = "zstd"
    package var size = "64KiB"
    package var parentFolder: String?
    package var onProgress: @Sendable (String) -> Void = { _ in }

    package init() {}

    package func run() async throws -> Report {
        let weir = try Weir.find()
        return try await TemporaryFolder.with("delivery", in: self.parentFolder) { folder in
            try Files.makeFolder(folder + "/files")
            let server = try await ServerProcess.start(weir, folder: folder + "/data")
            var run = Run(scenario: self, server: server, target: folder + "/files")
            do {
                let report = try await run.run()
                try require(report.isGood, "\(report)")
                try await run.server.stop()
                return report
            } catch {
                for process in run.workers + [run.server.process] { process.send(SIGKILL) }
                throw error
            }
        }
    }

    private struct Run {
        let scenario: DeliveryScenario
        var server: ServerProcess
        let target: String
        var random: SeededRandom
        var workers: [ChildProcess] = []
        var counts: [String: Int] = [:]

        init(scenario: DeliveryScenario, server: ServerProcess, target: String) {
            self.scenario = scenario
            self.server = server
            self.target = target
            self.random = SeededRandom(scenario.seed)
        }

        mutating func run() async throws -> Report {
            let scenario = self.scenario
            let log =
                try scenario.file.map { try Files.text(of: $0) }
                ?? AccessLog.made(scenario.lines, seed: scenario.seed)
            // Numbered, so that lines that are alike in the log differ.
            let lines = log.split(separator: "\n").enumerated().map { "\($0.element) #\($0.offset)" }
            try await self.server.weir.succeed(
                "stream", "create", "access", "--shards", "\(scenario.shards)", "--limits", "open")
            for _ in 0..<scenario.workers { try await self.startWorker() }
            for event in 0..<scenario.events {
                let slice = lines[lines.count * event / scenario.events..<lines.count * (event + 1) / scenario.events]
                try await self.put(slice)
                try await self.disturb()
                scenario.onProgress("event \(event + 1) of \(scenario.events)")
            }
            let messages = try await self.finish()
            return try self.judge(lines, messages)
        }

        private mutating func put(_ lines: ArraySlice<String>) async throws {
            let text = lines.map { $0 + "\n" }.joined()
            try await self.server.weir.run(
                ["put", "access", "--key-field", "1"], input: .bytes(Array(text.utf8))
            ).expect(0)
        }

        private mutating func startWorker() async throws {
            self.workers.append(
                try await self.server.weir.start([
                    "deliver", "run", "access", "--to", self.target, "--compression", self.scenario.compression,
                    "--size", self.scenario.size, "--age", "1s", "--session-timeout", "1s",
                ]))
        }

        private mutating func pick() -> Int { Int.random(in: 0..<self.workers.count, using: &self.random) }

        private mutating func disturb() async throws {
            for worker in self.workers {
                guard let ending = worker.ending else { continue }
                throw HarnessError("a worker ended with \(ending): \(worker.errors.text)")
            }
            let pause = Duration.milliseconds(Int.random(in: 0...400, using: &self.random))
            try await Task.sleep(for: pause)
            let dice = Int.random(in: 0..<20, using: &self.random)
            let name: String
            switch dice {
            case 0..<12:
                name = "kills"
                try await self.workers.remove(at: self.pick()).kill9()
                try await self.startWorker()
            case 12..<15:
                name = "pauses beyond the session"
                let worker = self.workers[self.pick()]
                worker.send(SIGSTOP)
                try await Task.sleep(for: .milliseconds(1500))
                worker.send(SIGCONT)
            case 15..<17:
                name = "stops"
                let worker = self.workers.remove(at: self.pick())
                worker.send(SIGTERM)
                let ending = try await worker.ended()
                try require(ending == .exit(0), "a worker ended with \(ending): \(worker.errors.text)")
                try await self.startWorker()
            case 17..<19:
                name = "splits"
                let shards = try await self.server.weir.succeed("shard", "list", "access", "--json").json()
                let open = try shards.filter { $0["state"] == .string("OPEN") }.map { try $0.text("shardId") }
                let shard = open[Int.random(in: 0..<open.count, using: &self.random)]
                try await self.server.weir.succeed("shard", "split", "access", shard)
            default:
                name = "kills of the server"
                try await self.server.process.kill9()
                self.server = try await ServerProcess.start(
                    self.server.weir, folder: self.server.folder, port: self.server.port)
            }
            self.counts[name, default: 0] += 1
        }

        /// Waits until nothing is left to deliver, and ends all workers. Returns what they said.
        private mutating func finish() async throws -> [String] {
            let weir = self.server.weir
            try await Waiting.until("all records in files", within: .seconds(120), every: .milliseconds(200)) {
                let list = try await weir.run("lease", "list", "access", "--app", "deliver", "--json")
                guard list.ending == .exit(0) else { return false }
                return try list.json().allSatisfy { $0["recordsBehind"] == .number("0") }
            }
            for worker in self.workers { worker.send(SIGTERM) }
            for worker in self.workers {
                let ending = try await worker.ended()
                try require(ending == .exit(0), "a worker ended with \(ending): \(worker.errors.text)")
            }
            return self.workers.map(\.errors.text)
        }

        private func judge(_ lines: [String], _ messages: [String]) throws -> Report {
            var report = Report("delivery", seed: self.scenario.seed)
            let folder = try DeliveredFolder.read(self.target)
            let delivered = folder.lines
            if delivered.sorted() != lines.sorted() {
                let counts = Dictionary(grouping: delivered, by: { $0 }).mapValues(\.count)
                let missing = lines.filter { counts[$0] == nil }
                let doubled = counts.filter { $0.value > 1 }
                report.violations.add(
                    "\(missing.count) lines are in no file, such as \(missing.first ?? "-"); \(doubled.count) are in "
                        + "more than one, such as \(doubled.keys.first ?? "-")")
            }
            for fault in folder.faults(stream: "access") { report.violations.add(fault) }
            report.add("lines", lines.count)
            report.add("files", folder.files.count)
            report.add("compression", self.scenario.compression)
            for (name, count) in self.counts.sorted(by: { $0.key < $1.key }) { report.add(name, count) }
            report.add("last word", messages.first?.split(separator: "\n").last.map(String.init) ?? "-")
            return report
        }
    }
}
