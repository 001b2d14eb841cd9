// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Workers share the shards of a stream under load: one is killed, one stopped, one added, one stands still for a
/// while, and shards split and merge meanwhile. Every acknowledged record must be processed.
package struct ConsumersScenario: Sendable {
    package var seed = SeededRandom.anySeed()
    package var shards = 16
    package var producers = 4
    package var keys = 64
    /// Records a second of all producers together.
    package var rate = 5_000
    /// Records that are acknowledged between one event and the next.
    package var recordsBetween = 5_000
    package var sessionSeconds = 3
    /// How long a worker stands still.
    package var pauseSeconds = 20
    package var parentFolder: String?
    package var onProgress: @Sendable (String) -> Void = { _ in }

    package init() {}

    package func run() async throws -> Report {
        do {
            return try await ServerProcess.with("consumers", in: self.parentFolder) { server in
                try await self.run(server)
            }
        } catch {
            throw HarnessError("consumers, seed \(self.seed): \(error)")
        }
    }

    private func run(_ server: ServerProcess) async throws -> Report {
        let name = try StreamName("orders")
        try await server.weir.succeed(
            "stream", "create", name.description, "--shards", "\(self.shards)", "--limits", "open")
        let client = try await server.client()
        let stream = try await client.describeStream(name)
        let load = LoadGenerator(
            Workload(seed: self.seed, producers: self.producers, keys: self.keys, bytes: 24...120), rate: self.rate)
        let history = History(
            server: server, stream: name, load: load, audit: ConsumptionAudit(load.workload),
            watcher: LeaseWatcher(client: client, stream: stream.id, application: try ApplicationName("judge")),
            scenario: self)
        var report = Report("consumers", seed: self.seed)
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await load.run(client, name) }
                do {
                    try await history.play(&report)
                } catch {
                    load.stop()
                    throw error
                }
            }
            history.audit.judge(load.ledgers, try await client.listShards(stream.id), &report)
            load.judge(&report.violations)
        } catch {
            await client.close()
            throw error
        }
        await client.close()
        return report
    }
}

/// What happens in a run, one thing after the other.
private struct History {
    let server: ServerProcess
    let stream: StreamName
    let load: LoadGenerator
    let audit: ConsumptionAudit
    let watcher: LeaseWatcher
    let scenario: ConsumersScenario

    private func start(_ worker: String) async throws -> ConsumerProcess {
        let audit = self.audit
        return try await ConsumerProcess.start(
            self.server.weir, self.stream, self.watcher.application, worker,
            sessionTimeout: "\(self.scenario.sessionSeconds)s"
        ) { line in audit.take(line, of: worker) }
    }

    /// Waits for load, so that each event finds the workers busy.
    private func goOn(_ workers: [ConsumerProcess]) async throws {
        let acknowledged = self.load.acknowledged + self.scenario.recordsBetween
        let processed = self.audit.unique + self.scenario.recordsBetween / 2
        try await Waiting.until("\(acknowledged) records acknowledged and \(processed) processed") {
            try self.load.check()
            for worker in workers { try worker.check() }
            return self.load.acknowledged >= acknowledged && self.audit.unique >= processed
        }
    }

    private func shard(_ what: String, _ arguments: [String]) async throws {
        try await self.server.weir.run(["shard", what, self.stream.description] + arguments).expect(0)
        self.scenario.onProgress("shard \(what) \(arguments.joined(separator: " "))")
    }

    /// The first two open shards in the order of their keys.
    private func neighbours() async throws -> [String] {
        let open = try await self.watcher.client.listShards(self.watcher.stream, filter: .atLatest)
            .sorted { $0.range.lower < $1.range.lower }
        return open.prefix(2).map(\.number.description)
    }

    func play(_ report: inout Report) async throws {
        let a = try await self.start("a-killed")
        let b = try await self.start("b-stopped")
        let c = try await self.start("c-paused")
        try await self.watcher.shared(by: [a, b, c], atLeast: self.scenario.shards / 4)
        try await self.goOn([a, b, c])
        try await self.shard("split", [try await self.neighbours()[0]])
        try await self.goOn([a, b, c])

        a.process.send(SIGKILL)
        let ofA = try await self.watcher.held(by: a.name)
        self.audit.mayRepeat(ofA)
        let killed = try await self.watcher.moved(from: a.name, ofA, within: self.patience)
        self.scenario.onProgress("killed: \(ofA.count) leases with others after \(Int(killed)) ms")
        try await self.goOn([b, c])
        try await self.shard("merge", try await self.neighbours())
        try await self.goOn([b, c])

        let ofB = try await self.watcher.held(by: b.name)
        b.process.send(SIGTERM)
        let stopped = try await self.watcher.moved(from: b.name, ofB, within: self.patience)
        if try await b.process.ended() != .exit(0) {
            report.violations.add("a stopped worker ended badly: \(b.process.errors.text.suffix(1000))")
        }
        self.scenario.onProgress("stopped: \(ofB.count) leases with others after \(Int(stopped)) ms")
        let d = try await self.start("d-added")
        try await self.watcher.shared(by: [c, d], atLeast: self.scenario.shards / 4)
        try await self.goOn([c, d])

        c.process.send(SIGSTOP)
        let ofC = try await self.watcher.held(by: c.name)
        self.audit.mayRepeat(ofC)
        let paused = try await self.watcher.moved(from: c.name, ofC, within: self.patience)
        self.scenario.onProgress("paused: \(ofC.count) leases with others after \(Int(paused)) ms")
        try await self.shard("split", [try await self.neighbours()[1]])
        try await Task.sleep(for: .seconds(max(0, Double(self.scenario.pauseSeconds) - paused / 1000)))
        c.process.send(SIGCONT)
        try await self.watcher.shared(by: [c, d], atLeast: 1)
        try await self.shard("split", [try await self.neighbours()[0]])
        try await self.goOn([c, d])

        try await self.finish([c, d], &report)
        report.add("moved after a kill", "\(Int(killed)) ms")
        report.add("after a stop", "\(Int(stopped)) ms")
        report.add("after a pause", "\(Int(paused)) ms")
    }

    private var patience: Duration { .seconds(self.scenario.sessionSeconds + 30) }

    /// Everything that was put is processed, then the workers are told to end.
    private func finish(_ workers: [ConsumerProcess], _ report: inout Report) async throws {
        self.load.stop()
        try await self.load.ended(within: .seconds(120))
        let goal = self.load.acknowledged
        do {
            try await Waiting.until("\(goal) processed records", within: .seconds(60)) {
                for worker in workers { try worker.check() }
                return self.audit.unique >= goal
            }
        } catch {
            // The judge says which ones are missing.
            report.violations.add("\(error)")
        }
        for worker in workers { worker.process.send(SIGTERM) }
        for worker in workers where try await worker.process.ended() != .exit(0) {
            report.violations.add("\(worker.name) ended badly: \(worker.process.errors.text.suffix(1000))")
        }
        let left = try await self.watcher.leases().filter { $0.owner != nil || $0.lag.records > 0 }
        if !left.isEmpty {
            report.violations.add("leases that are held or behind at the end: \(left.map(\.shard.description))")
        }
        report.add("leases", try await self.watcher.leases().count)
    }
}
