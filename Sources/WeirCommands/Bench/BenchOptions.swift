// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirClient
import WeirJSON
import WeirModel

/// What the benchmarks have in common.
struct BenchOptions: ParsableArguments {
    @Option(
        help: "The stream; without it one is made, with limits open, and deleted afterwards.",
        transform: Arguments.stream)
    var stream: StreamName?
    @Option(
        help: ArgumentHelp("Shards of the stream that is made (default: 4).", valueName: "n"),
        transform: Arguments.shardCount)
    var shards: Int?
    @Option(
        help: ArgumentHelp("Bytes that the stream that is made keeps (default: no cap).", valueName: "size"),
        transform: Arguments.sizeCap)
    var maxSize: Int64?
    @Option(
        help: ArgumentHelp("Bytes of data of a record (default: 100).", valueName: "bytes"),
        transform: { Int(try SizeText.parse($0, in: 1...Int64(Limits.recordBytesMax - LoadRecords.keyBytes))) })
    var size = 100
    @Option(
        help: ArgumentHelp("Seconds to measure (default: 10).", valueName: "duration"),
        transform: { try BenchOptions.seconds($0, 1...86_400_000) })
    var seconds: Int64 = 10_000
    @Option(
        help: ArgumentHelp("Seconds before that are not measured (default: 1).", valueName: "duration"),
        transform: { try BenchOptions.seconds($0, 0...3_600_000) })
    var warmup: Int64 = 1000
    @Option(
        help: ArgumentHelp("The server's process on this machine, for its CPU time and memory.", valueName: "pid"),
        transform: { Int32(try Arguments.number($0, 1...Int(Int32.max))) })
    var serverPid: Int32?
    @OptionGroup var format: JSONOption

    /// Milliseconds of `10`, `2.5`, or a duration with a unit.
    static func seconds(_ text: String, _ allowed: ClosedRange<Int64>) throws -> Int64 {
        guard let seconds = Double(text), seconds.isFinite, seconds >= 0, seconds < 1e6 else {
            return try DurationText.parse(text, in: allowed)
        }
        let millis = Int64((seconds * 1000).rounded())
        guard allowed.contains(millis) else {
            throw Failure.usage(
                "\(text) is not allowed: \(DurationText.describe(allowed.lowerBound)) to "
                    + DurationText.describe(allowed.upperBound))
        }
        return millis
    }

    func validate() throws {
        if self.stream != nil && (self.shards != nil || self.maxSize != nil) {
            throw ValidationError("--shards and --max-size are for the stream that is made without --stream")
        }
    }

    /// Runs `body` with the stream, and deletes it afterwards if it was made for that.
    func withStream<R>(_ client: WeirClient, _ body: (StreamDescription) async throws -> R) async throws -> R {
        if let stream { return try await body(try await client.describeStream(stream)) }
        let name = try StreamName("bench-\(String(UInt64.random(in: 0...UInt64.max), radix: 36))")
        let settings = StreamSettings(
            maxBytes: self.maxSize, limits: .open,
            recordBytesMax: max(Limits.recordBytesDefault, self.size + LoadRecords.keyBytes))
        let made = try await client.createStream(name, shards: self.shards ?? 4, settings: settings)
        let result: Result<R, any Error>
        do { result = .success(try await body(made)) } catch { result = .failure(error) }
        do {
            try await client.deleteStream(made.id)
        } catch {
            Messages.write("the stream \(name) of the benchmark could not be deleted: \(error)")
        }
        return try result.get()
    }
}

/// How the load is shaped: for what puts many records.
struct LoadOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Records of one request (default: 500).", valueName: "n"),
        transform: { try Arguments.number($0, 1...Limits.putRecordsMax) })
    var batch = 500
    @Option(
        help: ArgumentHelp("Connections (default: 8).", valueName: "n"),
        transform: { try Arguments.number($0, 1...4096) })
    var connections = 8
    @Option(
        help: ArgumentHelp("Requests that each connection keeps under way (default: 8).", valueName: "n"),
        transform: { try Arguments.number($0, 1...4096) })
    var inFlight = 8
    @Option(
        help: ArgumentHelp(
            "Who finds the shard of a record: client, server, or auto (the client, from 16 records a shard and request "
                + "on).",
            valueName: "who"),
        transform: { text in
            guard ["auto", "client", "server"].contains(text) else {
                throw Failure.usage("'\(text)' is not auto, client or server")
            }
            return text
        })
    var grouping = "auto"

    func grouping(shards: Int) -> LoadGrouping {
        switch self.grouping {
        case "client": .client
        case "server": .server
        default: self.batch >= shards * 16 ? .client : .server
        }
    }

    /// Bytes of prebuilt requests that are kept at most.
    static let frameBytesMax = 512 << 20
}

/// What a benchmark prints.
struct BenchReport {
    var object = JSONObject()
    var lines: [String] = []

    /// Fields that every row has (`secs`, `records`, `rec_s`, `mb_s`).
    mutating func setRates(records: Int, seconds: Double, bytes: Double) {
        let seconds = max(seconds, 1e-9)
        self.object.set("secs", .real(seconds, digits: 3))
        self.object.set("records", records)
        self.object.set("rec_s", .real(Double(records) / seconds, digits: 0))
        self.object.set("mb_s", .real(bytes / seconds / 1e6, digits: 1))
        self.lines.append(
            "  \(CountText.describe(Int64(Double(records) / seconds))) records/s, "
                + "\(JSONNumber.fixed(bytes / seconds / 1e6, 1)) MB/s "
                + "(\(CountText.describe(records, "record")) in \(JSONNumber.fixed(seconds, 2)) s)")
    }

    mutating func setLatencies(_ latencies: Latencies?, prefix: String = "", title: String) {
        let names = [("p50_us", 50.0), ("p99_us", 99.0), ("p999_us", 99.9)]
        for (name, percentile) in names {
            let micros = latencies?.micros(percentile)
            self.object.set(prefix + name, micros.map { .real($0, digits: 1) } ?? .null)
        }
        guard let latencies, latencies.count > 0 else { return }
        let texts = names.map { JSONNumber.fixed((latencies.micros($0.1) ?? 0) / 1000, 2) }
        self.lines.append("  \(title): p50 \(texts[0]) ms, p99 \(texts[1]) ms, p99.9 \(texts[2]) ms")
    }

    mutating func setUsage(_ used: UsageWindow.Used, seconds: Double) {
        if let server = used.server {
            self.object.set("srv_cpu_s", .real(server, digits: 2))
            self.lines.append("  server: \(JSONNumber.fixed(server / max(seconds, 1e-9), 2)) cores")
        }
        if let peak = used.serverPeakBytes {
            self.object.set("srv_hwm_mb", .real(Double(peak) / 1_048_576, digits: 0))
        }
        self.object.set("gen_cpu_s", .real(used.own, digits: 2))
        self.object.set("gen_cpu_pct", .real(used.own / max(seconds, 1e-9) * 100, digits: 0))
    }

    mutating func setErrors(_ refused: Int, _ first: WeirError?) {
        self.object.set("errors", refused)
        guard refused > 0 else { return }
        let why = first?.message ?? "without a reason"
        self.object.set("err", .text(why))
        self.lines.append("  refused: \(CountText.describe(refused, "record")), the first because: \(why)")
    }

    func write(json: Bool, title: String) throws {
        let output = StandardOutput()
        if json {
            self.object.write(to: output.bytes)
        } else {
            output.bytes.append(text: ([title] + self.lines).joined(separator: "\n") + "\n")
        }
        try output.flush()
    }
}
