// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirClient
import WeirModel

/// Kills the server at random moments under load, and looks at what is left.
package struct CrashScenario: Sendable {
    package var kills = 100
    package var seed = SeededRandom.anySeed()
    package var producers = 4
    package var keys = 64
    /// Records a second of all producers together.
    package var rate = 20_000
    package var shards = 4
    /// Of the data of a record.
    package var bytes = 24...300
    /// In every third life another stream is filled instead, which is kept small: so that files of the log are used
    /// again with what they held before still behind the new records. Bytes a second; 0: never.
    package var churn = 20_000_000
    /// After its ready line a server lives for so many milliseconds.
    package var lifeMillis = 1...500
    /// In one of so many lives the shards are split, merged or rescaled, perhaps at the moment of the kill; 0: never.
    package var reshardsOneIn = 3
    /// After every so many kills `weir verify` looks at what is left; 0: only in the end.
    package var verifiesOneIn = 5
    /// One of so many kills hits a server that is still starting; 0: none.
    package var killsWhileStarting = 8
    /// Where the data folder is made; `nil` is the system's place for temporary files.
    package var parentFolder: String?
    /// Told after each kill.
    package var onProgress: @Sendable (String) -> Void = { _ in }

    package init() {}

    private struct Lives {
        var killsMillis: [Int64] = []
        var whileStarting = 0
        var reshards = 0
        var starts = Spread()
    }

    package func run() async throws -> Report {
        let weir = try Weir.find()
        return try await TemporaryFolder.with("crash", in: self.parentFolder) { folder in
            do {
                return try await self.run(weir, folder + "/data")
            } catch {
                throw HarnessError("crash, seed \(self.seed): \(error)")
            }
        }
    }

    private func run(_ weir: Weir, _ folder: String) async throws -> Report {
        let server = try await ServerProcess.start(weir, folder: folder)
        let name = try StreamName("crash")
        let client = try await server.client()
        let stream = try await client.createStream(name, shards: self.shards, settings: StreamSettings(limits: .open))
        let load = LoadGenerator(
            Workload(seed: self.seed, producers: self.producers, keys: self.keys, bytes: self.bytes), rate: self.rate)
        let reader = LiveReader()
        let churn = try await self.churnLoad(client)
        let (lives, last) = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await reader.run(client, stream.id) }
            group.addTask { await load.run(client, name) }
            if let churn { group.addTask { await churn.load.run(client, churn.stream) } }
            do {
                let (lives, last) = try await self.live(server, stream.id, load, reader, churn?.load)
                load.stop()
                churn?.load.stop()
                try await load.ended(within: .seconds(120))
                try await churn?.load.ended(within: .seconds(120))
                try await Waiting.until("a reader that has read what was acknowledged", within: .seconds(120)) {
                    try reader.check()
                    return reader.count >= load.acknowledged
                }
                group.cancelAll()
                return (lives, last)
            } catch {
                load.stop()
                churn?.load.stop()
                group.cancelAll()
                await client.close()
                throw error
            }
        }
        await client.close()
        let report = try await self.judge(last, stream, load, reader, lives)
        try await last.stop()
        try await Self.verify(weir, folder)
        return report
    }

    private func churnLoad(_ client: WeirClient) async throws -> (load: LoadGenerator, stream: StreamName)? {
        guard self.churn > 0 else { return nil }
        let stream = try StreamName("churn")
        try await client.createStream(
            stream, shards: 2, settings: StreamSettings(maxBytes: Limits.streamBytesMin, limits: .open))
        let workload = Workload(seed: self.seed, producers: 1, keys: 4, bytes: 20_000...40_000)
        let load = LoadGenerator(workload, rate: max(1, self.churn / 30_000))
        load.pause(true)
        return (load, stream)
    }

    /// One life of the server after the other. Returns the last server, which is left alone.
    private func live(
        _ first: ServerProcess, _ stream: StreamID, _ load: LoadGenerator, _ reader: LiveReader, _ churn: LoadGenerator?
    ) async throws -> (Lives, ServerProcess) {
        var random = SeededRandom(self.seed)
        var lives = Lives()
        var server = first
        let weir = Weir(path: first.weir.path)
        try await Waiting.until("the first acknowledgements and a reader that sees them") {
            try load.check()
            try reader.check()
            return load.acknowledged > 0 && reader.count > 0
        }
        for kill in 1...max(1, self.kills) {
            let life = Int.random(in: self.lifeMillis, using: &random)
            let hitsStart =
                self.killsWhileStarting > 0 && Int.random(in: 1...self.killsWhileStarting, using: &random) == 1
            if let churn {
                load.pause(kill % 3 == 0)
                churn.pause(kill % 3 != 0)
            }
            let resharding = try self.reshard(server, stream, &random)
            try await Task.sleep(for: .milliseconds(life))
            try await server.process.kill9()
            if await resharding?.value == true { lives.reshards += 1 }
            // Between its last record and the next server's first.
            lives.killsMillis.append(weir_wall_milliseconds())
            if hitsStart {
                let starting = try await weir.start(ServerProcess.arguments(first.folder, port: first.port))
                try await Task.sleep(for: .microseconds(Int.random(in: 1...60_000, using: &random)))
                try await starting.kill9()
                lives.whileStarting += 1
                lives.killsMillis.append(weir_wall_milliseconds())
            }
            if self.verifiesOneIn > 0 && kill % self.verifiesOneIn == 0 { try await Self.verify(weir, first.folder) }
            server = try await ServerProcess.start(weir, folder: first.folder, port: first.port)
            lives.starts.add(server.startMilliseconds)
            self.onProgress(
                "kill \(kill) of \(self.kills): after \(life) ms, back in \(Int(server.startMilliseconds)) ms, "
                    + "\(load.acknowledged) acknowledged, \(reader.count) read")
        }
        return (lives, server)
    }

    /// What a kill cuts off is no damage.
    private static func verify(_ weir: Weir, _ folder: String) async throws {
        try await weir.run(["verify", folder], within: .seconds(300)).expect(0)
    }

    /// Changes the shards of the stream while this life lasts. Its value: whether the change was acknowledged; one that
    /// was not may have been made too.
    private func reshard(
        _ server: ServerProcess, _ stream: StreamID, _ random: inout SeededRandom
    ) throws -> Task<Bool, Never>? {
        guard self.reshardsOneIn > 0, Int.random(in: 1...self.reshardsOneIn, using: &random) == 1 else { return nil }
        let dice = random.next()
        let wait = Duration.milliseconds(Int.random(in: 0...self.lifeMillis.upperBound / 2, using: &random))
        let configuration = server.clientConfiguration { $0.callTimeout = .seconds(2) }
        return Task {
            do {
                try await Task.sleep(for: wait)
                let client = try await WeirClient.connect(configuration)
                let result: Result<Void, any Error>
                do {
                    result = .success(try await Self.reshard(client, stream, dice))
                } catch {
                    result = .failure(error)
                }
                await client.close()
                try result.get()
                return true
            } catch {
                return false
            }
        }
    }

    private static func reshard(_ client: WeirClient, _ stream: StreamID, _ dice: UInt64) async throws {
        let open = try await client.listShards(stream, filter: .atLatest).sorted { $0.range.lower < $1.range.lower }
        let position = Int(dice >> 8) % open.count
        switch dice % 3 {
        case 0 where open.count < 12: try await client.splitShard(stream, open[position].number)
        case 1 where position + 1 < open.count:
            try await client.mergeShards(stream, open[position].number, open[position + 1].number)
        default: try await client.rescale(stream, to: 2 + Int(dice >> 16) % 7)
        }
    }

    private func judge(
        _ server: ServerProcess, _ stream: StreamDescription, _ load: LoadGenerator, _ reader: LiveReader,
        _ lives: Lives
    ) async throws -> Report {
        let client = try await server.client()
        var audit = HistoryAudit(
            load.workload, ledgers: load.ledgers.map(\.snapshot), killsMillis: lives.killsMillis)
        var final: [ShardNumber: (first: UInt64, fingerprints: [UInt64])] = [:]
        for try await batch in client.records(stream.id, from: .trimHorizon, until: .tip) {
            batch.forEach { record in
                audit.take(
                    Place(shard: record.shard, index: record.index), arrivalMillis: record.approximateArrivalMillis,
                    key: record.partitionKey, data: record.data)
                final[record.shard, default: (record.index, [])].fingerprints.append(
                    Workload.fingerprint(key: record.partitionKey, data: record.data))
            }
        }
        audit.finish(try await client.listShards(stream.id))
        await client.close()
        var report = Report("crash", seed: self.seed)
        report.add("kills", self.kills + lives.whileStarting)
        report.add("of a starting server", lives.whileStarting)
        report.add("changes of shards acknowledged", lives.reshards)
        report.add("acknowledged", audit.acknowledged)
        report.add("read", audit.read)
        report.add("duplicates of unknown outcome", audit.duplicates)
        report.add("lost", audit.lost)
        report.add("seen by a reader meanwhile", reader.count)
        report.add("log files used again", try Self.filesUsedAgain(server.folder))
        report.add("restart", lives.starts.millisText)
        report.violations.add(audit.violations)
        report.violations.add(reader.judge(final))
        load.judge(&report.violations)
        return report
    }

    /// Log segments on their second or later use.
    private static func filesUsedAgain(_ folder: String) throws -> Int {
        try Files.names(in: folder).filter { $0.hasPrefix("segment-") }.reduce(0) { count, name in
            let header = try Files.beginning(of: folder + "/" + name, bytes: 16)
            // The use count stands at byte 12 of the header (docs/data-folder.md).
            return count + (header.count == 16 && header[12...].contains { $0 != 0 && $0 != 1 } ? 1 : 0)
        }
    }
}
