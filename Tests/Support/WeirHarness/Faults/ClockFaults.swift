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

/// A wall clock that is wrong: what is younger than its retention is there again when the clock is right, and what
/// does not depend on a clock goes on meanwhile.
enum ClockFaults {
    static let cases: [FaultCase] = [
        FaultCase("a start while the clock is far ahead destroys nothing and says so", Self.aheadAtStart),
        FaultCase("a clock that jumps ahead and back has destroyed and hidden nothing", Self.jumpAndBack),
        FaultCase("while the clock is set back, caps and deletions give room", Self.setBack),
    ]

    /// Beyond every retention there is.
    private static let farMillis: Int64 = 400 * 86_400_000
    private static let dayMillis: Int64 = 86_400_000

    private static func create(_ client: WeirClient, _ name: String, shards: Int = 1) async throws -> StreamID {
        try await client.createStream(
            try StreamName(name), shards: shards, settings: StreamSettings(limits: .open)
        ).id
    }

    /// Fills streams and deletes them, with more than the log takes: their room comes back whatever the clock says, and
    /// the looks that give it back have looked at everything else too.
    private static func deletionsGiveRoom(_ server: ServerProcess) async throws {
        let client = try await server.client()
        for round in 0..<6 {
            let stream = try await Self.create(client, "gone-\(round)")
            var filler = try await Filler(server)
            try await filler.fill(
                stream, records: 12, "filling deleted streams while the clock is wrong, round \(round)")
            filler.close()
            try await client.deleteStream(stream)
        }
        await client.close()
    }

    /// Every line begins with its number and a space.
    private static func numbers(_ server: ServerProcess, _ stream: String) async throws -> [String] {
        try await server.lines(of: stream).map { String($0.prefix { $0 != " " }) }
    }

    private static func expectAll(_ server: ServerProcess, _ stream: String, _ count: Int) async throws {
        let expected = (1...count).map { "\($0)" }
        var read: [String] = []
        do {
            try await Waiting.until(
                "all records after the clock is right", within: .seconds(20), every: .milliseconds(100)
            ) {
                read = try await Self.numbers(server, stream)
                return read == expected
            }
        } catch {
            throw HarnessError("\(error); \(read.count) of \(count) records of '\(stream)' can be read")
        }
    }

    private static func aheadAtStart(_ scene: Scene) async throws -> String {
        let faults = try await FaultPage.make(in: scene.folder)
        let first = try await scene.serve(Scene.smallSegments, faults: faults)
        let client = try await first.client()
        let stream = try await Self.create(client, "s")
        await client.close()
        var filler = try await Filler(first)
        try await filler.fill(stream, records: 14, "filling")
        filler.close()
        try await first.stop()

        faults.clockMillis = Self.farMillis
        let ahead = try await scene.serve(Scene.smallSegments, faults: faults)
        try await Self.deletionsGiveRoom(ahead)
        // Perhaps hidden, never gone; what comes now is stored as always.
        var late = try await Filler(ahead, after: 14)
        try await late.fill(stream, records: 1, "a record while the clock is ahead")
        late.close()
        try await ahead.stop()

        faults.clockMillis = 0
        let right = try await scene.serve(Scene.smallSegments, faults: faults)
        try await Self.expectAll(right, "s", 15)
        try await right.stop()
        return try Self.told(ahead)
    }

    private static func jumpAndBack(_ scene: Scene) async throws -> String {
        let faults = try await FaultPage.make(in: scene.folder)
        let server = try await scene.serve(Scene.smallSegments, faults: faults)
        let client = try await server.client()
        let stream = try await Self.create(client, "s")
        var filler = try await Filler(server)
        try await filler.fill(stream, records: 8, "filling")
        // A closed shard and an application that has worked on it.
        let split = try await client.splitShard(stream, ShardNumber(0))
        try await Self.consumeAll(scene, server)
        let leases = try await server.weir.succeed("lease", "list", "s", "--app", "a", "--json").lines.count

        faults.clockMillis = Self.farMillis
        try await Self.deletionsGiveRoom(server)
        try await filler.fill(stream, records: 2, "records while the clock is ahead")
        faults.clockMillis = 0

        try await filler.fill(stream, records: 2, "records after the clock is right")
        try await Self.expectKept(server, client, stream, split, leases)
        filler.close()
        await client.close()
        try await server.stop()
        let next = try await scene.serve(Scene.smallSegments, faults: faults)
        let nextClient = try await next.client()
        try await Self.expectKept(next, nextClient, stream, split, leases)
        await nextClient.close()
        try await next.stop()
        return try Self.told(server)
    }

    /// The sentence in which the operator was told of the clock.
    private static func told(_ server: ServerProcess) throws -> String {
        try require(
            server.process.errors.lines.first { $0.lowercased().contains("clock") },
            "nothing is said of a clock that is 400 days ahead")
    }

    private static func consumeAll(_ scene: Scene, _ server: ServerProcess) async throws {
        let worker = try await scene.start(
            ["consume", "s", "--app", "a", "--session-timeout", "1s", "--json"], server: server)
        try await Waiting.until("an application that has processed all", every: .milliseconds(50)) {
            let list = try await server.weir.run("lease", "list", "s", "--app", "a", "--json")
            guard list.ending == .exit(0) else { return false }
            let rows = try list.json()
            return rows.count >= 2 && rows.allSatisfy { $0["recordsBehind"] == .number("0") }
        }
        worker.send(SIGTERM)
        try require(try await worker.ended() == .exit(0), "weir consume ended badly: \(worker.errors.text)")
    }

    /// All 12 records, the closed shard with its children, the rows of the application.
    private static func expectKept(
        _ server: ServerProcess, _ client: WeirClient, _ stream: StreamID, _ split: Reshard, _ leases: Int
    ) async throws {
        try await Self.expectAll(server, "s", 12)
        let shards = try await client.listShards(stream)
        try require(
            shards.contains { $0.number == ShardNumber(0) && !$0.isOpen } && shards.count == 3,
            "the closed shard is gone: \(shards.map(\.number)) after \(split)")
        let rows = try await server.weir.succeed("lease", "list", "s", "--app", "a", "--json").lines.count
        try require(rows == leases, "\(rows) of \(leases) rows of the application are there")
    }

    private static func setBack(_ scene: Scene) async throws -> String {
        let faults = try await FaultPage.make(in: scene.folder)
        let server = try await scene.serve(Scene.smallSegments, faults: faults)
        let client = try await server.client()
        let kept = try await Self.create(client, "kept")
        let capped = try await client.createStream(
            try StreamName("capped"), shards: 1,
            settings: StreamSettings(maxBytes: 16 << 20, limits: .open)
        ).id
        var filler = try await Filler(server)
        try await filler.fill(kept, records: 3, "filling")
        faults.clockMillis = -Self.dayMillis
        // More than the log takes, so that it must give back what the cap drops.
        var other = try await Filler(server)
        try await other.fill(capped, records: 80, "a stream with a cap while the clock is a day back")
        try await Self.deletionsGiveRoom(server)
        let read = try await Self.numbers(server, "capped")
        let newest = (1...80).suffix(read.count).map { "\($0)" }
        try require(read == newest && !read.isEmpty, "the newest records are not there: \(read)")
        try await Self.expectAll(server, "kept", 3)
        filler.close()
        other.close()
        await client.close()
        try await server.stop()
        return "\(read.count) of 80 MB are kept by the cap"
    }
}
