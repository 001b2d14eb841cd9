// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// One hot key under the limits of the contract: 1,000 records a second and shard, the rest refused record by record.
package struct ThrottleScenario: Sendable {
    package var seed = SeededRandom.anySeed()
    /// Records a second that are offered over the bare protocol, and for how long.
    package var offeredRate = 5000
    package var seconds = 3.0
    /// Lines of the `weir put` that has to finish all the same.
    package var lines = 4000
    package var parentFolder: String?

    /// Of the contract.
    private static let allowedRate = 1000.0
    /// A full bucket: one second's worth.
    private static let burst = 1000.0

    package init() {}

    package func run() async throws -> Report {
        try await ServerProcess.with("throttle", in: self.parentFolder) { server in
            var report = Report("throttle", seed: self.seed)
            try await self.offer(server, &report)
            try await self.put(server, &report)
            return report
        }
    }

    /// Offers more than is allowed, and counts what is stored.
    private func offer(_ server: ServerProcess, _ report: inout Report) async throws {
        try await server.weir.succeed("stream", "create", "hot", "--shards", "4")
        let client = try await server.client()
        let stream = try await client.describeStream(try StreamName("hot"))
        let connection = try await RawConnection.open(server)
        try await connection.hello()
        let clock = ContinuousClock()
        let batch = 250
        var (offered, stored, throttled) = (0, 0, 0)
        let begin = clock.now
        // Between these two the bucket is refilled and, being empty, gives all of it away.
        var (emptied, last) = (begin, begin)
        while clock.now - begin < .seconds(self.seconds) {
            let records = (0..<batch).map { (key: "hot", data: Array("record \(offered + $0)".utf8)) }
            offered += batch
            last = clock.now
            let results = try await connection.put(stream.id, records, correlation: UInt64(offered))
            for code in results {
                switch code {
                case nil: stored += 1
                case .throughputExceeded?: throttled += 1
                case let code?: report.violations.add("a record was refused with \(code.name)")
                }
            }
            if emptied == begin && throttled > 0 { emptied = clock.now }
            try await clock.sleep(until: begin + .seconds(Double(offered) / Double(self.offeredRate)))
        }
        let elapsed = Self.seconds(clock.now - begin)
        report.add("offered", "\(offered) in \(Int(elapsed * 1000)) ms")
        report.add("stored", stored)
        report.add("throttled", throttled)
        let most = Self.burst + Self.allowedRate * elapsed + 1
        if Double(stored) > most { report.violations.add("\(stored) stored in \(elapsed) s; at most \(most) may be") }
        let least = Self.allowedRate * Self.seconds(last - emptied)
        if Double(stored) < least * 0.9 {
            report.violations.add("only \(stored) stored; the limit alone would allow \(least)")
        }
        if Double(offered) > most * 1.2 && throttled == 0 { report.violations.add("nothing was throttled") }
        let counted = try await client.status().number("throttled-records")
        if counted != Int64(throttled) {
            report.violations.add("status counts \(counted ?? -1) throttled records, \(throttled) were")
        }
        let read = try await server.weir.succeed("get", "hot", "--raw").lines.count
        if read != stored { report.violations.add("\(read) records are there, \(stored) were acknowledged") }
        await client.close()
    }

    /// `weir put` into one hot shard: slower than it could be, but complete and in order.
    private func put(_ server: ServerProcess, _ report: inout Report) async throws {
        try await server.weir.succeed("stream", "create", "put", "--shards", "1")
        let lines = (0..<self.lines).map { "line \($0)" }
        let result = try await server.weir.run(
            ["put", "put", "--key", "hot", "--json"], input: .bytes(Array((lines.joined(separator: "\n") + "\n").utf8)),
            within: .seconds(120))
        try result.expect(0)
        let least = (Double(self.lines) - Self.burst) / Self.allowedRate
        report.add(
            "weir put", "\(self.lines) lines in \(Int(result.seconds * 1000)) ms (at least \(Int(least * 1000)))")
        if result.seconds < least { report.violations.add("weir put was faster than the limit allows") }
        let stored = try result.json().filter { $0["sequenceNumber"] != nil }.count
        if stored != self.lines { report.violations.add("\(stored) of \(self.lines) lines were acknowledged") }
        let read = try await server.weir.succeed("get", "put", "--raw").lines
        if read != lines { report.violations.add("what was read is not what was put: \(read.count) lines") }
        let throttled =
            try await server.weir.succeed("status", "--json").json().first?["throttled-records"]?.integer ?? 0
        report.add("throttled in all", throttled)
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }
}
