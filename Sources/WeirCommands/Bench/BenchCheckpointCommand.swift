// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CWeir
import WeirClient
import WeirJSON
import WeirModel

struct BenchCheckpointCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint", abstract: "Checkpoint every shard of a stream once a second.",
        discussion: """
            One worker holds all shards and checkpoints them one after the other, spread evenly over each second. \
            A few records are put into each shard first.

            Examples:
              weir bench checkpoint --shards 1000
              weir bench checkpoint --shards 100 --seconds 30 --json
            """)

    @OptionGroup var bench: BenchOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard self.bench.stream == nil else { throw ValidationError("this makes a stream of its own, with --shards") }
    }

    func run() async throws {
        let result = try await self.connection.withClient { client in
            try await self.bench.withStream(client) { stream in
                let task = Task { try await self.measure(client, stream) }
                // The stream goes whatever ends this.
                return try await Interrupts.whileRunning(finish: { task.cancel() }, patience: .seconds(10)) {
                    do {
                        return try await task.value
                    } catch is CancellationError {
                        throw Failure(.failed, "interrupted before all was measured")
                    }
                }
            }
        }
        var report = BenchReport()
        report.object.set("test", "checkpoint")
        report.object.set("shards", self.bench.shards ?? 4)
        report.object.set("secs", .real(result.seconds, digits: 3))
        report.object.set("checkpoints", Int(result.latencies.count))
        report.object.set("commits", Int(clamping: result.commits))
        let checkpoints = CountText.describe(Int(result.latencies.count), "checkpoint")
        let commits = CountText.describe(Int(clamping: result.commits), "commit")
        report.lines.append("  \(checkpoints) in \(JSONNumber.fixed(result.seconds, 2)) s, in \(commits)")
        report.setLatencies(result.latencies, title: "checkpoint to its answer")
        report.setUsage(result.used, seconds: result.seconds)
        try report.write(json: self.bench.format.json, title: "checkpoint: every shard once a second")
    }

    private struct Result: Sendable {
        let latencies: Latencies
        let seconds: Double
        let commits: Int64
        let used: UsageWindow.Used
    }

    private func measure(_ client: WeirClient, _ stream: StreamDescription) async throws -> Result {
        let rounds = Int(self.bench.seconds / 1000)
        let shards = try await client.listShards(stream.id)
        try await self.fill(client, stream, shards, each: rounds)
        let member = GroupMember(
            stream: stream.id, application: try ApplicationName("bench"),
            owner: LeaseOwner(worker: .generated(), incarnation: UInt64.random(in: 1...UInt64.max)))
        let leases =
            try await client.joinGroup(
                member, sessionTimeoutMillis: Limits.sessionTimeoutMillis.upperBound, from: .trimHorizon
            ).leases ?? []
        let before = try await Self.commits(client)
        let window = UsageWindow(pid: self.bench.serverPid)
        let begin = weir_monotonic_nanoseconds()
        let latencies = try await self.checkpoint(client, member, leases, shards, rounds: rounds)
        return Result(
            latencies: latencies, seconds: Double(weir_monotonic_nanoseconds() - begin) / 1e9,
            commits: try await Self.commits(client) - before, used: window.end())
    }

    private static func commits(_ client: WeirClient) async throws -> Int64 {
        try await client.status().number("durable-lsn") ?? 0
    }

    /// As many records in each shard as there will be checkpoints.
    private func fill(
        _ client: WeirClient, _ stream: StreamDescription, _ shards: [ShardDescription], each: Int
    ) async throws {
        let producer = try await client.producer(stream)
        let batcher = producer.batcher { _ in }
        for _ in 0..<each {
            for shard in shards {
                try await batcher.append(key: "k", explicitHashKey: shard.range.lower, data: [1, 2, 3, 4])
            }
        }
        try await batcher.drain()
        try await producer.finish()
    }

    private func checkpoint(
        _ client: WeirClient, _ member: GroupMember, _ leases: [AssignedLease], _ shards: [ShardDescription],
        rounds: Int
    ) async throws -> Latencies {
        let known = Dictionary(uniqueKeysWithValues: shards.map { ($0.number, $0) })
        let clock = ContinuousClock()
        let start = clock.now
        return try await withThrowingTaskGroup(of: UInt64.self) { group in
            var latencies = Latencies()
            var underWay = 0
            for round in 0..<rounds {
                for (position, lease) in leases.enumerated() {
                    let at = round * 1_000_000_000 + position * 1_000_000_000 / max(1, leases.count)
                    // A few at a time, so that a timer is not needed for each.
                    if position % 8 == 0 { try await clock.sleep(until: start + .nanoseconds(at), tolerance: .zero) }
                    guard let shard = known[lease.shard] else { continue }
                    let number = SequenceNumber(
                        shardCreationSecond: shard.creationSecond, shard: shard.number,
                        index: shard.firstIndex + UInt64(round), arrivalSecond: 0)
                    group.addTask {
                        let sent = weir_monotonic_nanoseconds()
                        try await client.checkpoint(
                            member, shard: lease.shard, counter: lease.counter,
                            .sequenceNumber(number, subSequence: nil))
                        return weir_monotonic_nanoseconds() - sent
                    }
                    underWay += 1
                    if underWay > 64, let nanos = try await group.next() {
                        latencies.record(nanos: nanos)
                        underWay -= 1
                    }
                }
            }
            for try await nanos in group { latencies.record(nanos: nanos) }
            return latencies
        }
    }
}
