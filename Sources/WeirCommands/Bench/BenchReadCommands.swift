// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CWeir
import Synchronization
import WeirClient
import WeirModel

/// Ends something that may not have begun.
final class StopSwitch: Sendable {
    private struct State {
        var action: (@Sendable () -> Void)?
        var isStopped = false
    }

    private let state = Mutex(State())

    func arm(_ action: @escaping @Sendable () -> Void) {
        let isStopped = self.state.withLock { state in
            state.action = action
            return state.isStopped
        }
        if isStopped { action() }
    }

    func stop() {
        let action = self.state.withLock { state in
            state.isStopped = true
            return state.action
        }
        action?()
    }
}

struct BenchConsumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consume", abstract: "Read a stream from its beginning to its end, as fast as it comes.",
        discussion: """
            Without --stream records are put first, as weir bench produce does it; that is not measured.

            Examples:
              weir bench consume --records 5000000
              weir bench consume --stream access --json
              weir bench consume --worker
            """)

    @OptionGroup var bench: BenchOptions
    @OptionGroup var load: LoadOptions
    @Option(
        help: ArgumentHelp("Records that are put first (default: 2000000).", valueName: "n"),
        transform: { try Arguments.number($0, 1...Int(Int64.max)) })
    var records: Int?
    @Option(
        help: ArgumentHelp("Records that should be in the stream that was named.", valueName: "n"),
        transform: { try Arguments.number($0, 0...Int(Int64.max)) })
    var expect: Int?
    @Flag(help: "Read through a worker of a consumer application, which checkpoints.") var worker = false
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if self.bench.stream != nil && self.records != nil {
            throw ValidationError("--records is for the stream that is made without --stream")
        }
        if self.bench.stream == nil && self.expect != nil {
            throw ValidationError("--expect is for a stream that is named by --stream")
        }
        if self.worker && self.bench.stream != nil && self.expect == nil {
            throw ValidationError("--worker with --stream needs --expect: a worker goes on until it is told to end")
        }
    }

    private struct Read {
        var records = 0
        var bytes = 0
        var seconds = 0.0
        var used = UsageWindow.Used(own: 0, server: nil, serverPeakBytes: nil)
    }

    func run() async throws {
        let (read, expected) = try await self.connection.withClient {
            $0.readerConnections = min(64, max(1, self.bench.shards ?? 4))
        } _: { client in
            try await self.bench.withStream(client) { stream in
                var expected = self.expect
                if self.bench.stream == nil { expected = try await self.fill(client, stream) }
                if Interrupts.isFinishing { throw Failure(.failed, "interrupted before anything was measured") }
                let goal = expected ?? 0
                let task = Task {
                    self.worker
                        ? try await self.work(client, stream, goal) : try await self.read(client, stream.id)
                }
                let read = try await Interrupts.whileRunning(
                    finish: { task.cancel() }, patience: .seconds(10)
                ) { try await task.value }
                return (read, expected)
            }
        }
        var report = BenchReport()
        report.object.set("test", self.worker ? "work" : "read")
        report.object.set("conns", self.load.connections)
        report.object.set("inflight", self.load.inFlight)
        report.object.set("batch", self.load.batch)
        report.object.set("size", self.bench.size)
        report.setRates(records: read.records, seconds: read.seconds, bytes: Double(read.bytes))
        report.setLatencies(nil, title: "")
        report.setUsage(read.used, seconds: read.seconds)
        report.object.set("read", read.records)
        if let expected { report.object.set("expect", expected) }
        try report.write(json: self.bench.format.json, title: "consume: from the beginning to the end")
        if let expected, expected != read.records, !Interrupts.isFinishing {
            throw Failure(.failed, "\(CountText.describe(expected, "record")) should have come")
        }
    }

    /// Returns how many records were put.
    private func fill(_ client: WeirClient, _ stream: StreamDescription) async throws -> Int {
        let run = PutLoadRun(bench: self.longEnough, load: self.load, records: self.records ?? 2_000_000)
        let result = try await run.run(client, stream, server: try self.connection.address()).load
        if result.refused > 0 {
            throw Failure(.failed, "records were refused: \(result.firstError?.message ?? "without a reason")")
        }
        return result.recordsTotal
    }

    /// Filling ends by the number of records, not by time.
    private var longEnough: BenchOptions {
        var bench = self.bench
        bench.seconds = 86_400_000
        return bench
    }

    private func work(_ client: WeirClient, _ stream: StreamDescription, _ goal: Int) async throws -> Read {
        let window = UsageWindow(pid: self.bench.serverPid)
        let result = try await WorkerLoad.run(client, stream, goal: goal)
        return Read(
            records: result.records, bytes: result.bytes, seconds: result.seconds, used: window.end())
    }

    private func read(_ client: WeirClient, _ stream: StreamID) async throws -> Read {
        var read = Read()
        let window = UsageWindow(pid: self.bench.serverPid)
        let begin = weir_monotonic_nanoseconds()
        for try await batch in client.records(stream, from: .trimHorizon, until: .tip) {
            batch.forEach { record in
                read.records += 1
                read.bytes += record.data.count
            }
        }
        read.seconds = Double(weir_monotonic_nanoseconds() - begin) / 1e9
        read.used = window.end()
        return read
    }
}

struct BenchLatencyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "latency", abstract: "Measure the time from a put to its acknowledgement and to its reader.",
        discussion: """
            Single records at a fixed rate, while a reader follows all shards.

            Examples:
              weir bench latency
              weir bench latency --rate 5000 --seconds 30 --json
            """)

    @OptionGroup var bench: BenchOptions
    @Option(
        help: ArgumentHelp("Records a second (default: 1000).", valueName: "n"),
        transform: { try Arguments.number($0, 1...1_000_000) })
    var rate = 1000
    @Option(
        help: ArgumentHelp("Requests without an answer, at most (default: 64).", valueName: "n"),
        transform: { try Arguments.number($0, 1...1024) })
    var inFlight = 64
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard self.bench.size >= LatencyLoad.stampBytes else {
            throw ValidationError(
                "--size is at least \(LatencyLoad.stampBytes) here: the time of sending is in the record")
        }
    }

    func run() async throws {
        let mark = UInt64.random(in: 1...UInt64.max)
        let (load, received) = try await self.connection.withClient { client in
            try await self.bench.withStream(client) { stream in
                try await self.measure(client, stream, mark: mark)
            }
        }
        var report = BenchReport()
        report.object.set("test", "tail")
        report.object.set("conns", 1)
        report.object.set("inflight", self.inFlight)
        report.object.set("batch", 1)
        report.object.set("size", self.bench.size)
        report.setRates(
            records: load.records, seconds: load.seconds, bytes: Double(load.records) * Double(self.bench.size))
        report.setLatencies(load.latencies, title: "put to acknowledgement")
        report.setLatencies(received, prefix: "e2e_", title: "put to reader")
        report.object.set("rate", self.rate)
        report.object.set("overrun", load.overrun)
        report.setUsage(load.used, seconds: load.seconds)
        report.object.set("read", Int(received.count))
        report.setErrors(load.refused, load.firstError)
        try report.write(
            json: self.bench.format.json,
            title: "latency: \(CountText.describe(self.rate, "record")) of \(self.bench.size) B a second, one a request"
        )
        if load.refused > 0 { throw Failure(.failed, "some records were refused: the figures are not those of puts") }
    }

    private func measure(
        _ client: WeirClient, _ stream: StreamDescription, mark: UInt64
    ) async throws -> (LatencyLoad.Result, Latencies) {
        let plan = LatencyLoad.Plan(
            inFlight: self.inFlight, size: self.bench.size, rate: self.rate,
            warmupNanos: UInt64(max(200, self.bench.warmup)) * 1_000_000,
            nanos: UInt64(self.bench.seconds) * 1_000_000, serverPID: self.bench.serverPid, stream: stream.id,
            mapVersion: stream.mapVersion)
        let receiver = LatencyReceiver(mark: mark)
        let reading = Task { try await receiver.run(client, stream.id) }
        defer { reading.cancel() }
        let stop = StopSwitch()
        let address = try self.connection.address()
        let load = try await Interrupts.whileRunning(finish: { stop.stop() }, patience: .seconds(10)) {
            try await LatencyLoad.run(plan, mark: mark, server: address, stop: stop)
        }
        // The last records are on their way to the reader.
        for _ in 0..<200 where receiver.latencies(from: load.begin).count < UInt64(load.records) {
            try await Task.sleep(for: .milliseconds(10))
        }
        return (load, receiver.latencies(from: load.begin))
    }
}
