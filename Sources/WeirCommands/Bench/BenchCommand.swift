// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import NIOCore
import WeirClient
import WeirModel

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure a server: how much it takes, gives, and how quickly.",
        discussion: """
            The load generator is a part of this program and takes little of the processor. Figures of one machine and \
            one moment do not travel: compare only what was measured in the same run.
            """,
        subcommands: [
            BenchProduceCommand.self, BenchConsumeCommand.self, BenchCheckpointCommand.self, BenchLatencyCommand.self,
        ])
}

struct BenchProduceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "produce", abstract: "Put as many records as the server takes.",
        discussion: """
            Each connection keeps so many requests under way and sends the next when one is answered. Requests are \
            made beforehand and sent again and again; the latency is that of a request, with all its records on disk.

            Examples:
              weir bench produce
              weir bench produce --size 1024 --connections 8 --in-flight 4 --seconds 30 --json
              weir bench produce --batch 1 --connections 1 --in-flight 64
            """)

    @OptionGroup var bench: BenchOptions
    @OptionGroup var load: LoadOptions
    @Option(
        help: ArgumentHelp("Stop after so many records; then there is no warm-up.", valueName: "n"),
        transform: { try Arguments.number($0, 1...Int(Int64.max)) })
    var records: Int?
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let result = try await self.connection.withClient { client in
            try await self.bench.withStream(client) { stream in
                try await PutLoadRun(bench: self.bench, load: self.load, records: self.records)
                    .run(client, stream, server: try self.connection.address())
            }
        }
        var report = BenchReport()
        report.object.set("test", self.load.batch == 1 ? "unbatched" : "append")
        report.object.set("conns", self.load.connections)
        report.object.set("inflight", self.load.inFlight)
        report.object.set("batch", self.load.batch)
        report.object.set("size", self.bench.size)
        report.object.set("shards", result.shards)
        report.setRates(
            records: result.load.records, seconds: result.load.seconds,
            bytes: Double(result.load.records) * Double(self.bench.size))
        report.setLatencies(result.load.latencies, title: "a request")
        report.setUsage(result.load.used, seconds: result.load.seconds)
        report.object.set("total_acked", result.load.recordsTotal)
        report.setErrors(result.load.refused, result.load.firstError)
        try report.write(
            json: self.bench.format.json,
            title:
                "produce: \(CountText.describe(self.load.connections, "connection")) "
                + "x \(self.load.inFlight) in flight, "
                + "\(CountText.describe(self.load.batch, "record")) of \(self.bench.size) B a request, "
                + CountText.describe(result.shards, "shard"))
        if result.load.refused > 0 {
            throw Failure(.failed, "some records were refused: the figures are not those of puts")
        }
    }
}

/// Makes the requests and runs the load.
struct PutLoadRun {
    let bench: BenchOptions
    let load: LoadOptions
    let records: Int?

    struct Result {
        let load: PutLoad.Result
        let shards: Int
    }

    func run(_ client: WeirClient, _ stream: StreamDescription, server: ServerAddress) async throws -> Result {
        let map = try await client.shardMap(stream.id)
        let bytesMax = stream.settings.recordBytesMax
        guard self.bench.size + LoadRecords.keyBytes <= bytesMax else {
            throw Failure(.failed, "the records of \(stream.name) may have \(bytesMax) bytes, with their key of 16")
        }
        let requestBytes = self.load.batch * (self.bench.size + LoadRecords.keyBytes)
        guard requestBytes <= Limits.putBytesMax else {
            throw Failure.usage("a request may have \(Limits.putBytesMax) bytes of records, these have \(requestBytes)")
        }
        let frames = LoadFrames(
            stream: stream.id, map: map, batch: self.load.batch, size: self.bench.size,
            grouping: self.load.grouping(shards: map.shards.count))
        // Where they would take too much memory, connections share their requests.
        let perConnection = self.load.inFlight * requestBytes
        let sets = max(1, min(self.load.connections, LoadOptions.frameBytesMax / max(1, perConnection)))
        let seed = UInt64.random(in: 0...UInt64.max)
        let plan = PutLoad.Plan(
            connections: self.load.connections, inFlight: self.load.inFlight, batch: self.load.batch,
            warmupNanos: UInt64(self.bench.warmup) * 1_000_000, nanos: UInt64(self.bench.seconds) * 1_000_000,
            recordsMax: self.records, serverPID: self.bench.serverPid,
            frames: (0..<sets).map { set in
                frames.make(
                    self.load.inFlight, firstCorrelation: LoadConnection.firstCorrelation, seed: seed &+ UInt64(set)
                ).map { ByteBuffer(bytes: $0) }
            })
        let (stop, giveUp) = (StopSwitch(), StopSwitch())
        let handlers = Interrupts.Handlers(finish: { stop.stop() }, giveUp: { giveUp.stop() })
        let result = try await Interrupts.whileRunning(handlers) {
            try await PutLoad.run(plan, server: server) { handle in
                stop.arm { handle.stop() }
                giveUp.arm { handle.giveUp() }
            }
        }
        return Result(load: result, shards: map.shards.count)
    }
}
