// SPDX-License-Identifier: Apache-2.0
import WeirModel

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Consumers and their leases: what is wrong is said, and no record is skipped.
enum ConsumeFaults {
    static let cases: [FaultCase] = [
        FaultCase("a record that cannot be processed goes to the dead letters with its cause", Self.deadLetter),
        FaultCase("without dead letters it stops its shard, and nothing else", Self.stoppedShard),
        FaultCase("consumers of what is not there", Self.missing),
        FaultCase("two workers with one id", Self.twins),
        FaultCase("one worker with 10,000 shards processes each record once", Self.manyShards),
        FaultCase("leases that are held are reset only by force, and then all comes again", Self.reset),
    ]

    /// Throws for records whose data is 'poison'; prints the others to its stderr.
    private static let program = """
        import base64, json, sys
        for line in sys.stdin:
            message = json.loads(line)
            if message["action"] == "processRecords":
                for record in message["records"]:
                    data = base64.b64decode(record["data"]).decode()
                    if data == "poison":
                        sys.exit(3)
                    print("got " + data, file=sys.stderr, flush=True)
            print('{"action": "done"}', flush=True)
        """

    private static func records(_ lines: [String]) -> ChildProcess.Input {
        .bytes(Array(lines.map { $0 + "\n" }.joined().utf8))
    }

    private static func leases(_ server: ServerProcess, _ stream: String = "s") async throws -> [JSON] {
        let list = try await server.weir.run("lease", "list", stream, "--app", "a", "--json")
        return list.ending == .exit(0) ? try list.json() : []
    }

    private static func consume(
        _ scene: Scene, _ server: ServerProcess, _ more: [String], program: Bool = true
    ) async throws -> ChildProcess {
        var arguments = ["consume", "s", "--app", "a", "--session-timeout", "1s"] + more
        if program {
            let path = scene.folder + "/program.py"
            try Files.write(Self.program, to: path)
            arguments += ["--exec", "python3", "--", path]
        }
        return try await scene.start(arguments, server: server)
    }

    private static func deadLetter(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "1")
        try await server.weir.succeed("stream", "create", "failed", "--shards", "1")
        try await server.weir.run(["put", "s", "--key", "k"], input: Self.records(["one", "poison", "two"])).expect(0)
        let worker = try await Self.consume(scene, server, ["--retries", "1", "--dead-letter", "failed"])
        try await Waiting.until("an empty lag") {
            if let ending = worker.ending { throw HarnessError("weir consume ended with \(ending)") }
            let rows = try await Self.leases(server)
            return rows.count == 1 && rows[0]["recordsBehind"] == .number("0")
        }
        worker.send(SIGTERM)
        try require(try await worker.ended() == .exit(0), "weir consume ended badly: \(worker.errors.text)")
        let said = worker.errors.text
        try require(said.contains("got one") && said.contains("got two"), "not all was processed: \(said)")
        try require(said.contains("1 dead letter"), "the count of dead letters is not told: \(said)")
        let letters = try await server.weir.succeed("get", "failed", "--from", "trim-horizon", "--raw").json()
        try require(letters.count == 1, "\(letters.count) dead letters")
        try require(letters[0]["data"] == .string("cG9pc29u"), "not the record: \(letters[0])")
        let cause = try letters[0].text("cause")
        try require(cause.contains("3"), "the cause does not tell how the program ended: \(cause)")
        return "cause: \(cause)"
    }

    /// A worker that is too slow for its shards loses them with its session, and reads them again. The session is long
    /// enough for a debug build on a machine that has other work; one that looks at all leases with each record is not.
    private static func manyShards(_ scene: Scene) async throws -> String {
        let (shards, count) = (10_000, 20_000)
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "\(shards)")
        let lines = (0..<count).map { "record \($0)" }
        try await server.weir.run(["put", "s", "--key-random"], input: Self.records(lines)).expect(0)
        let worker = try await scene.start(
            ["consume", "s", "--app", "a", "--from", "trim-horizon", "--session-timeout", "60s"], server: server)
        try await Waiting.until("\(count) records of \(shards) shards", within: .seconds(180)) {
            if let ending = worker.ending { throw HarnessError("weir consume ended with \(ending)") }
            return worker.output.lineCount >= count
        }
        worker.send(SIGTERM)
        try require(try await worker.ended() == .exit(0), "weir consume ended badly: \(worker.errors.text)")
        // The data stands behind sequence number and key.
        let read = worker.output.lines.map { String($0.split(separator: "\t").last ?? "") }
        try require(
            read.count == count && Set(read) == Set(lines),
            "\(read.count) records, \(Set(read).count) of them different")
        let warnings = worker.errors.text.split(separator: "\n").filter { $0.contains("warning") }
        try require(warnings.count <= 3, "\(warnings.count) warnings, first: \(warnings.first ?? "")")
        return "\(count) records once, \(warnings.count) warnings"
    }

    private static func stoppedShard(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "2")
        // Keys of both shards.
        try await server.weir.run(["put", "s", "--key", "a"], input: Self.records(["one", "poison", "two"])).expect(0)
        func half(_ key: String) -> UInt128 { Array(key.utf8).withUnsafeBytes { HashKey(hashing: $0).value >> 127 } }
        let other = (0..<100).map { "k\($0)" }.first { half($0) != half("a") }
        let key = try require(other, "no key of the other shard")
        try await server.weir.run(["put", "s", "--key", key], input: Self.records(["three", "four"])).expect(0)
        let worker = try await Self.consume(scene, server, ["--retries", "1"])
        try await Waiting.until("a shard that stands still, and one that is done") {
            if let ending = worker.ending { throw HarnessError("weir consume ended with \(ending)") }
            let behind = try await Self.leases(server).compactMap { $0["recordsBehind"] }
            return worker.errors.text.contains("got four") && behind.contains(.number("0")) && behind.count == 2
        }
        try await Waiting.until("word of the shard that stands still") {
            worker.errors.text.contains("are not processed")
        }
        worker.send(SIGTERM)
        try require(try await worker.ended() == .exit(1), "a shard stood still, and the exit status does not say so")
        let behind = try await Self.leases(server).compactMap { $0["recordsBehind"] }
        try require(behind.contains { $0 != .number("0") }, "the record was skipped: \(behind)")
        return worker.errors.lines.last ?? ""
    }

    private static func missing(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s")
        try await server.weir.run("consume", "nothing", "--app", "a", "--json").expect(1).expect(saying: "'nothing'")
        let gone = try await server.weir.run("consume", "s", "--app", "a", "--exec", scene.folder + "/no-program")
        try gone.expect(1).expect(saying: "no-program")
        try await server.weir.run("lease", "list", "s", "--app", "a").expect(1).expect(saying: "application 'a'")
        try await server.weir.run("consumer", "deregister", "s", "x").expect(1).expect(saying: "'x'")
        try await server.provesThatItWorks()
        return gone.errors
    }

    private static func twins(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s")
        let first = try await Self.consume(scene, server, ["--worker", "w", "--json"], program: false)
        try await Waiting.until("the first one's leases") { try await Self.leases(server).count == 4 }
        let second = try await Self.consume(scene, server, ["--worker", "w", "--json"], program: false)
        try require(try await second.ended() != .exit(0), "two workers with one id went on")
        try require(second.errors.text.contains("'w'"), "it does not say which id: \(second.errors.text)")
        try require(first.ending == nil, "the first one ended: \(first.errors.text)")
        return second.errors.text
    }

    private static func reset(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "1")
        try await server.weir.run(["put", "s", "--key", "k"], input: Self.records(["one", "two"])).expect(0)
        let worker = try await Self.consume(scene, server, ["--json"], program: false)
        try await Waiting.until("two processed records") { worker.output.lineCount == 2 }
        let refused = try await server.weir.run("lease", "reset", "s", "--app", "a", "--from", "trim-horizon")
        try refused.expect(1).expect(saying: "--force")
        try await server.weir.succeed("lease", "reset", "s", "--app", "a", "--from", "trim-horizon", "--dry-run")
        try require(worker.output.lineCount == 2, "a dry run did something")
        try await server.weir.succeed(
            "lease", "reset", "s", "--app", "a", "--from", "trim-horizon", "--force", "--reason", "again")
        try await Waiting.until("both records again") { worker.output.lineCount == 4 }
        let row = try require(try await Self.leases(server).first, "no lease")
        try require(row["resetReason"] == .string("again"), "the reason is not kept: \(row)")
        return refused.errors
    }
}
