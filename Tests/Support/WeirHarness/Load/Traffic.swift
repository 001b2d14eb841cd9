// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// Producers and a reader at work on one stream while something happens to its server, and what is judged when they
/// have ended.
package struct Traffic: Sendable {
    package let client: WeirClient
    package let stream: StreamDescription
    package let load: LoadGenerator
    package let reader: LiveReader

    /// Throws when putting or reading has failed.
    package func check() throws {
        try self.load.check()
        try self.reader.check()
    }

    /// Runs `body` beside the load; it returns the times at which writes failed, in milliseconds since 1970: there
    /// producers may have put records again.
    package static func run(
        _ name: String, _ server: ServerProcess, rate: Int, seed: UInt64 = SeededRandom.anySeed(),
        isolation: isolated (any Actor)? = #isolation, _ body: (Traffic) async throws -> [Int64]
    ) async throws -> Report {
        let client = try await server.client()
        let stream = try await client.createStream(
            try StreamName("traffic"), shards: 3, settings: StreamSettings(limits: .open))
        let load = LoadGenerator(Workload(seed: seed, producers: 2, keys: 24, bytes: 24...2000), rate: rate)
        let traffic = Traffic(client: client, stream: stream, load: load, reader: LiveReader())
        do {
            let report = try await traffic.run(name, seed, body)
            await client.close()
            return report
        } catch {
            await client.close()
            throw HarnessError("seed \(seed): \(error)")
        }
    }

    private func run(
        _ name: String, _ seed: UInt64, isolation: isolated (any Actor)? = #isolation,
        _ body: (Traffic) async throws -> [Int64]
    ) async throws -> Report {
        let (client, stream, load, reader) = (self.client, self.stream, self.load, self.reader)
        let reading = Task { await reader.run(client, stream.id) }
        let putting = Task { await load.run(client, stream.name) }
        defer {
            load.stop()
            reading.cancel()
            putting.cancel()
        }
        try await Waiting.until("the first acknowledgements and a reader that sees them") {
            try self.check()
            return load.acknowledged > 0 && reader.count > 0
        }
        let failures = try await body(self)
        load.stop()
        try await load.ended(within: .seconds(60))
        try await Waiting.until("a reader that has read what was acknowledged") {
            try self.check()
            return reader.count >= load.acknowledged
        }
        return try await self.judge(name, seed, failures)
    }

    private func judge(_ name: String, _ seed: UInt64, _ failures: [Int64]) async throws -> Report {
        var audit = HistoryAudit(
            self.load.workload, ledgers: self.load.ledgers.map(\.snapshot), killsMillis: failures)
        var final: [ShardNumber: (first: UInt64, fingerprints: [UInt64])] = [:]
        for try await batch in self.client.records(self.stream.id, from: .trimHorizon, until: .tip) {
            batch.forEach { record in
                audit.take(
                    Place(shard: record.shard, index: record.index), arrivalMillis: record.approximateArrivalMillis,
                    key: record.partitionKey, data: record.data)
                final[record.shard, default: (record.index, [])].fingerprints.append(
                    Workload.fingerprint(key: record.partitionKey, data: record.data))
            }
        }
        audit.finish(try await self.client.listShards(self.stream.id))
        var report = Report(name, seed: seed)
        report.add("failed writes", failures.count)
        report.add("acknowledged", audit.acknowledged)
        report.add("read", audit.read)
        report.add("duplicates of unknown outcome", audit.duplicates)
        report.add("lost", audit.lost)
        report.violations.add(audit.violations)
        report.violations.add(self.reader.judge(final))
        self.load.judge(&report.violations)
        return report
    }
}
