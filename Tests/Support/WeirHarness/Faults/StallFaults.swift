// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel
import WeirProtocol

/// A disk that takes nothing for a while and then goes on.
enum StallFaults {
    static let cases: [FaultCase] = [
        FaultCase("while the disk stalls, what needs no disk is answered; then all goes on", Self.stall),
        FaultCase("answers that wait for a stalled disk take no more memory than they may", Self.burst),
    ]

    private static let pendingBytes = 32 << 20
    private static let soon = Duration.seconds(5)

    private static func stall(_ scene: Scene) async throws -> String {
        let faults = try await FaultPage.make(in: scene.folder)
        let server = try await scene.serve(["event-loops": "2", "memory.pending": "32MiB"], faults: faults)
        var told = ""
        let report = try await Traffic.run("a stalled disk", server, rate: 2000) { traffic in
            let other = try await traffic.client.createStream(
                try StreamName("other"), shards: 1, settings: StreamSettings(limits: .open)
            ).id
            var crowd: [Crowd] = []
            for number in 0..<8 { crowd.append(try await Crowd(server, other, number)) }
            let before = try server.process.residentBytes()
            faults.stall(true)
            try await Waiting.until("a write that waits") { faults.waitingWrites > 0 }
            // Twice of what may wait for the disk: the rest is refused at once, and a ping is answered.
            var refused = 0
            for position in crowd.indices { refused += try await crowd[position].putAndPing() }
            try require(refused > 0, "64 MB were taken where 32 MiB may wait for the disk")
            let during = try server.process.residentBytes()
            let allowed = before + Self.pendingBytes + (64 << 20)
            try require(during <= allowed, "\(during >> 20) MiB are resident; \(allowed >> 20) allowed")
            let acknowledged = traffic.load.acknowledged
            faults.stall(false)
            for position in crowd.indices { try await crowd[position].answers() }
            try await Waiting.until("acknowledgements after the stall", within: .seconds(20)) {
                try traffic.check()
                return traffic.load.acknowledged > acknowledged + 200
            }
            for one in crowd { one.connection.close() }
            told = "\(refused) of 64 puts refused, resident \(before >> 20) MiB and then \(during >> 20) MiB"
            return []
        }
        try require(report.isGood, report.description)
        try await server.stop()
        return told
    }

    /// The largest answers there are, asked for by the smallest requests, while none of them may be told: the stream
    /// that they list is not on the disk yet.
    private static func burst(_ scene: Scene) async throws -> String {
        let faults = try await FaultPage.make(in: scene.folder)
        let server = try await scene.serve(["memory.answers": "4MiB"], faults: faults)
        let other = try await RawConnection.open(server)
        try await other.hello()
        let connection = try await RawConnection.open(server)
        try await connection.hello()
        // Streams are numbered in the order in which they were made.
        let probe = try await other.call(CreateStream(name: "probe", shards: 1, settings: StreamSettings())).stream.id
        let stream = StreamID(probe.rawValue + 1)
        let before = try server.process.residentBytes()
        faults.stall(true)
        try await connection.send(
            CreateStream(name: "wide", shards: 10_000, settings: StreamSettings(limits: .open)).frame(correlation: 1))
        try await Waiting.until("a write that waits") { faults.waitingWrites > 0 }
        for number in 0..<Self.requests {
            try await connection.send(
                ListShards(stream: stream, filter: .fromTrimHorizon).frame(correlation: UInt64(10 + number)))
        }
        _ = try await other.call(Ping(), within: Self.soon)
        let during = try server.process.residentBytes()
        faults.stall(false)
        var (answered, others) = (0, 0)
        while answered + others < 1 + Self.requests {
            let frame = try require(try await connection.frame(), "the server closed behind a stall")
            try require(frame.header.type != .closing, "the connection was closed")
            if frame.header.type == .listShardsAnswer { answered += 1 } else { others += 1 }
        }
        let peak = try server.process.peakResidentBytes()
        // The stream itself takes some memory too.
        let allowed = before + (4 << 20) + (64 << 20)
        for (what, bytes) in [("in the stall", during), ("at most", peak)] {
            try require(bytes <= allowed, "\(bytes >> 20) MiB were resident \(what); \(allowed >> 20) allowed")
        }
        try require(answered == Self.requests, "\(answered) of \(Self.requests) requests were answered")
        connection.close()
        other.close()
        try await server.stop()
        return "resident \(before >> 20) MiB, in the stall \(during >> 20), at most \(peak >> 20)"
    }

    /// Each of 14 bytes, for an answer of a hundred thousand and more.
    private static let requests = 400

    /// One connection that puts more than may wait.
    private struct Crowd {
        static let puts = 8
        let connection: RawConnection
        let request: [UInt8]
        var answered = 0

        init(_ server: ServerProcess, _ stream: StreamID, _ number: Int) async throws {
            self.connection = try await RawConnection.open(server)
            try await self.connection.hello()
            var body = BatchBodyBuilder()
            let data = [UInt8](repeating: UInt8(number), count: 1_000_000)
            Array("k".utf8).withUnsafeBytes { key in data.withUnsafeBytes { body.append(key: key, data: $0) } }
            var writer = PutRecordsWriter(PutRecords.Header(stream: stream, mapVersion: 0))
            writer.append(shard: nil, body: body.finish())
            self.request = writer.finish(correlation: 50)
        }

        /// Returns how many of the puts were refused before the ping behind them was answered.
        mutating func putAndPing() async throws -> Int {
            for _ in 0..<Self.puts { try await self.connection.send(self.request) }
            try await self.connection.send(Ping().frame(correlation: 99))
            while true {
                let frame = try require(
                    try await self.connection.frame(within: StallFaults.soon), "the server closed in a stall")
                if frame.header.correlation == 99 { return self.answered }
                self.answered += 1
            }
        }

        /// Waits for the answers of all the others.
        mutating func answers() async throws {
            while self.answered < Self.puts {
                _ = try require(try await self.connection.frame(), "the server closed behind a stall")
                self.answered += 1
            }
        }
    }
}
