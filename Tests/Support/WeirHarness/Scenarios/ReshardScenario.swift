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

/// Splits, merges and rescales a stream under a steady put, with a `weir tail` attached.
package struct ReshardScenario: Sendable {
    package var seed = SeededRandom.anySeed()
    package var producers = 4
    package var keys = 64
    /// Records a second of all producers together.
    package var rate = 50_000
    /// Records that are acknowledged between one change of the shards and the next.
    package var recordsBetween = 50_000
    /// How often all of the changes are made.
    package var rounds = 1
    package var parentFolder: String?
    package var onProgress: @Sendable (String) -> Void = { _ in }

    package init() {}

    package func run() async throws -> Report {
        do {
            return try await ServerProcess.with("reshard", in: self.parentFolder) { server in
                try await self.run(server)
            }
        } catch {
            throw HarnessError("reshard, seed \(self.seed): \(error)")
        }
    }

    private func run(_ server: ServerProcess) async throws -> Report {
        let name = try StreamName("reshard")
        try await server.weir.succeed("stream", "create", name.description, "--shards", "4", "--limits", "open")
        let watcher = TailWatcher()
        let tail = try await server.weir.start(
            ["tail", name.description, "--from", "trim-horizon", "--json"], onLine: { watcher.take($0) })
        let client = try await server.client()
        let stream = try await client.describeStream(name)
        let load = LoadGenerator(
            Workload(seed: self.seed, producers: self.producers, keys: self.keys, bytes: 24...120), rate: self.rate)
        let watch = Stopwatch()
        let changes = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await load.run(client, name) }
            do {
                let changes = try await self.change(server, name, load)
                load.stop()
                try await load.ended(within: .seconds(120))
                return changes
            } catch {
                load.stop()
                await client.close()
                throw error
            }
        }
        let seconds = watch.seconds
        // One line for each record: with nothing killed, nothing is sent twice.
        try await Waiting.until("a tail that has printed what was acknowledged", within: .seconds(120)) {
            if let ending = tail.ending { throw HarnessError("weir tail ended with \(ending): \(tail.errors.text)") }
            return watcher.count >= load.acknowledged
        }
        tail.send(SIGTERM)
        let ending = try await tail.ended()
        let report = try await self.judge(client, stream, load, watcher, ending, changes: changes, seconds: seconds)
        await client.close()
        return report
    }

    /// Makes the changes through the command line, each when enough was acknowledged since the one before. Returns how
    /// many.
    private func change(_ server: ServerProcess, _ name: StreamName, _ load: LoadGenerator) async throws -> Int {
        var changes = 0
        func after(_ what: String, _ arguments: [String]) async throws {
            let goal = load.acknowledged + self.recordsBetween
            try await Waiting.until("\(goal) acknowledged records before '\(what)'", within: .seconds(300)) {
                try load.check()
                return load.acknowledged >= goal
            }
            try await server.weir.run(["shard"] + arguments).expect(0)
            changes += 1
            self.onProgress("\(what): \(load.acknowledged) acknowledged")
        }
        for _ in 0..<max(1, self.rounds) {
            let open = try await self.openShards(server, name)
            try await after("split \(open[1])", ["split", name.description, open[1]])
            let (lower, upper) = try await self.neighbours(server, name)
            try await after("merge \(lower) \(upper)", ["merge", name.description, lower, upper])
            for target in [4, 16, 3, 8, 4] {
                try await after("rescale to \(target)", ["rescale", name.description, "--to", "\(target)"])
                let count = try await self.openShards(server, name).count
                try require(count == target, "\(count) open shards after a rescale to \(target)")
            }
        }
        // The last shards get their share too.
        let goal = load.acknowledged + self.recordsBetween
        try await Waiting.until("records behind the last change", within: .seconds(300)) {
            try load.check()
            return load.acknowledged >= goal
        }
        return changes
    }

    private func listed(_ server: ServerProcess, _ name: StreamName) async throws -> [JSON] {
        try await server.weir.succeed("shard", "list", name.description, "--json").json()
    }

    private func openShards(_ server: ServerProcess, _ name: StreamName) async throws -> [String] {
        try await self.listed(server, name).filter { $0["state"] == .string("OPEN") }.map { try $0.text("shardId") }
    }

    /// The first two open shards in the order of their keys.
    private func neighbours(_ server: ServerProcess, _ name: StreamName) async throws -> (String, String) {
        let open = try await self.listed(server, name).filter { $0["state"] == .string("OPEN") }
            .map { (try HashKey(parsing: try $0.text("startingHashKey")), try $0.text("shardId")) }
            .sorted { $0.0 < $1.0 }
        try require(open.count >= 2, "fewer than two open shards")
        return (open[0].1, open[1].1)
    }

    private func judge(
        _ client: WeirClient, _ stream: StreamDescription, _ load: LoadGenerator, _ watcher: TailWatcher,
        _ ending: ChildProcess.Ending, changes: Int, seconds: Double
    ) async throws -> Report {
        var audit = HistoryAudit(load.workload, ledgers: load.ledgers.map(\.snapshot))
        for entry in watcher.entries {
            Array(entry.key.utf8).withUnsafeBytes { key in
                entry.data.withUnsafeBytes { data in
                    audit.take(entry.place, arrivalMillis: entry.arrivalMillis, key: key, data: data)
                }
            }
        }
        let shards = try await client.listShards(stream.id)
        audit.finish(shards)
        var report = Report("reshard", seed: self.seed)
        report.add("changes", changes)
        report.add("shards", "\(shards.count) (\(shards.filter(\.isOpen).count) open)")
        report.add("acknowledged", audit.acknowledged)
        report.add("records/s", Int(Double(audit.acknowledged) / seconds))
        report.add("printed by tail", audit.read)
        report.add("duplicates", audit.duplicates)
        report.add("lost", audit.lost)
        report.violations.add(audit.violations)
        report.violations.add(watcher.violations)
        load.judge(&report.violations)
        if audit.duplicates > 0 { report.violations.add("\(audit.duplicates) records came twice, nothing was killed") }
        if ending != .exit(0) { report.violations.add("weir tail ended with \(ending) after SIGTERM") }
        return report
    }
}
