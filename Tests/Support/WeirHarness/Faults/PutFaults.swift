// SPDX-License-Identifier: Apache-2.0
import WeirModel

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// `weir put` that cannot go on, or is asked not to: it ends in time, and says what became of every record.
enum PutFaults {
    static let cases: [FaultCase] = [
        FaultCase("a full log is told to put, to the log and by status, and put gives up with counts", Self.fullLog),
        FaultCase("Ctrl-C on a put that is throttled finishes for ten seconds, and says what is left", Self.throttled),
        FaultCase("a second Ctrl-C on a put ends it at once, and it says what is left", Self.givenUp),
        FaultCase("connections that end at each answer to a put end it in time, with its cause and counts", Self.cut),
        FaultCase("CRLF belongs to the record, or with --crlf to the line", Self.crlf),
    ]

    private static func fullLog(_ scene: Scene) async throws -> String {
        let server = try await scene.serve(arguments: ["--log-max-bytes", "64MiB"])
        try await server.weir.succeed("stream", "create", "s", "--shards", "1", "--limits", "open")
        let lines = 100
        let put = try await server.weir.run(
            ["put", "s", "--key", "k", "--timeout", "3s", "--json"], input: .bytes(Lines.of(lines, bytes: 1_000_000)))
        try put.expect(75).expect(saying: "log-max-bytes", "gave up", "records put")
        try require(put.seconds < 60, "it took \(put.seconds) s")
        let results = try put.json()
        try require(results.count <= lines && results.count > 60, "\(results.count) results of \(lines) lines")
        var stored = 0
        for result in results {
            if result["sequenceNumber"] != nil {
                stored += 1
            } else {
                try require(result["errorCode"]?.string == "StorageFull", "another error: \(result)")
            }
        }
        try require(stored > 10, "only \(stored) were stored")
        let read = try await server.weir.succeed("get", "s", "--raw").lines.count
        try require(read == stored, "\(read) of \(stored) acknowledged records can be read")
        try await Waiting.until("a word in the server's log") {
            server.process.errors.text.contains("puts are refused: the log is full")
        }
        let status = try await server.weir.succeed("status")
        try require(status.output.contains("log full since 20"), "status does not say it: \(status)")
        let refused = try await server.weir.succeed("status", "--json").json().first?["records-refused-log-full"]
        try require((refused?.integer ?? 0) > 0, "it does not count them")
        try await server.weir.succeed("stream", "delete", "s")
        try await Waiting.until("room after the stream was deleted", within: .seconds(60)) {
            server.process.errors.text.contains("puts are taken again")
        }
        let after = try await server.weir.succeed("status")
        try require(!after.output.contains("log full since"), "status still says it: \(after)")
        try await server.provesThatItWorks()
        return "\(stored) stored; \(put.errors)"
    }

    /// Something between the two, such as a broken load balancer: every connection can be made, and none lives until
    /// a put is answered.
    private static func cut(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "1")
        let proxy = try CuttingProxy.open(to: server)
        defer { proxy.close() }
        let lines = ["one", "two", "three"]
        let put = try await Weir(path: server.weir.path, server: "127.0.0.1:\(proxy.port)").run(
            ["put", "s", "--key", "k", "--timeout", "2s"],
            input: .bytes(Array(lines.map { $0 + "\n" }.joined().utf8)))
        try put.expect(75).expect(saying: "0 records put, 3 unknown (they may be stored)", "gave up: ")
        try require((2..<10).contains(put.seconds), "it took \(put.seconds) s")
        let told = put.errors.split(separator: "\n").filter { $0.contains("no record is acknowledged") }
        try require(
            told.count == 1 && told[0].contains("connections ended before puts were answered"), "it said \(put.errors)")
        let read = try await server.weir.succeed("get", "s", "--raw").lines
        for line in lines {
            let copies = read.filter { $0 == line }.count
            try require((1...20).contains(copies), "'\(line)' is stored \(copies) times")
        }
        try require(proxy.cuts <= 20, "\(proxy.cuts) connections were cut in \(put.seconds) s")
        try await server.provesThatItWorks()
        return "\(proxy.cuts) connections in \(put.seconds) s; \(put.errors)"
    }

    /// A put of more than a shard takes in a minute.
    private static func putTooMuch(_ scene: Scene, _ server: ServerProcess) async throws -> ChildProcess {
        try await server.weir.succeed("stream", "create", "s", "--shards", "1", "--limits", "kinesis")
        let put = try await scene.start(
            ["put", "s", "--key", "k", "--json"], server: server, input: .bytes(Lines.of(60_000, bytes: 20)))
        try await Waiting.until("an acknowledgement") { put.output.lineCount > 0 }
        return put
    }

    private static func stored(_ put: ChildProcess) throws -> (stored: Int, not: Int) {
        let lines = try put.output.lines.map { try JSON(parsing: $0) }
        let stored = lines.filter { $0["sequenceNumber"] != nil }.count
        return (stored, lines.count - stored)
    }

    private static func throttled(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        let put = try await Self.putTooMuch(scene, server)
        // By then it has taken what it can hold, far more than ten seconds are good for.
        try await Waiting.until("more acknowledgements") { put.output.lineCount > 2500 }
        let watch = Stopwatch()
        put.send(SIGINT)
        let ending = try await put.ended()
        try require(ending == .exit(75), "it ended with \(ending): \(put.errors.text)")
        try require((8...30).contains(watch.seconds), "it took \(watch.seconds) s")
        let said = put.errors.text
        try require(said.contains("finishing ") && said.contains("for at most 10 s"), "it said '\(said)'")
        try require(said.contains("gave up: interrupted"), "it said '\(said)'")
        let counts = try Self.stored(put)
        let read = try await server.weir.succeed("get", "s", "--raw").lines.count
        // What was under way at the end may be stored.
        try require(counts.not > 0 && read >= counts.stored, "\(read) read of \(counts)")
        return said
    }

    private static func givenUp(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        let put = try await Self.putTooMuch(scene, server)
        put.send(SIGINT)
        try await Waiting.until("a put that finishes") { put.errors.text.contains("finishing ") }
        let watch = Stopwatch()
        put.send(SIGTERM)
        let ending = try await put.ended()
        try require(ending == .exit(128 + SIGTERM), "it ended with \(ending): \(put.errors.text)")
        try require(watch.seconds < 5, "it took \(watch.seconds) s")
        let said = put.errors.text
        try require(said.contains("records put") && said.contains("gave up: interrupted"), "it said '\(said)'")
        let counts = try Self.stored(put)
        try require(counts.stored > 0 && counts.not > 0, "\(counts)")
        return said
    }

    private static func crlf(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        let lines = Array("one\r\ntwo\r\n".utf8)
        for (arguments, expected) in [([], "one\r\ntwo\r\n"), (["--crlf"], "one\ntwo\n")] as [([String], String)] {
            let name = arguments.isEmpty ? "as-it-is" : "without"
            try await server.weir.succeed("stream", "create", name)
            try await server.weir.run(["put", name, "--key", "k"] + arguments, input: .bytes(lines)).expect(0)
            let read = try await server.weir.succeed("get", name, "--raw").output
            try require(read == expected, "read \(read.debugDescription)")
        }
        return ""
    }
}
