// SPDX-License-Identifier: Apache-2.0
import WeirModel

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Commands that fail: the exit status that scripts rely on, and a sentence that says what is allowed.
enum CommandFaults {
    static let cases: [FaultCase] = [
        FaultCase("wrong usage ends with 2 and says what is allowed", Self.usage),
        FaultCase("an unknown stream ends every command with 1 and is named", Self.unknownStream),
        FaultCase("a stream that exists, or that was deleted, is told", Self.existingAndDeleted),
        FaultCase("more shards than the node allows are refused", Self.tooManyShards),
        FaultCase("a server that is not there ends commands with 75", Self.nobodyThere),
        FaultCase("a server that does not answer ends a put with 75", Self.silentServer),
    ]

    private static func usage(_ scene: Scene) async throws -> String {
        let longName = String(repeating: "n", count: 129)
        let table: [(arguments: [String], said: String)] = [
            (["frobnicate"], "frobnicate"),
            (["stream", "create"], "name"),
            (["stream", "create", "white space"], "1 to 128 of a-z"),
            (["stream", "create", "ümlaut"], "1 to 128 of a-z"),
            (["stream", "create", longName], "1 to 128 of a-z"),
            (["stream", "create", ""], "1 to 128 of a-z"),
            (["stream", "create", "s", "--shards", "0"], "1 to 10000"),
            (["stream", "create", "s", "--shards", "10001"], "1 to 10000"),
            (["stream", "create", "s", "--shards", "many"], "many"),
            (["stream", "create", "s", "--retention", "59m"], "1h"),
            (["stream", "create", "s", "--retention", "8761h"], "8760h"),
            (["stream", "create", "s", "--limits", "records-in=0"], "records-in"),
            (["stream", "create", "s", "--limits", "speed=9"], "bytes-in"),
            (["stream", "create", "s", "--max-size", "1KiB"], "1MiB"),
            (["stream", "create", "s", "--max-record", "11MiB"], "10MiB"),
            (["shard", "split", "s", "0", "--at=-1"], "0 to 340282366920938463463374607431768211455"),
            (["shard", "split", "s", "0", "--at", "340282366920938463463374607431768211456"], "hash key"),
            (["shard", "split", "s", "shard-0"], "shardId-"),
            (["shard", "rescale", "s", "--to", "0"], "1 to 10000"),
            (["put", "s", "--key", "a", "--key-random"], "exclude each other"),
            (["put", "s", "--key", ""], "1 to 256"),
            (["put", "s", "--key", String(repeating: "k", count: 257)], "1 to 256"),
            (["put", "s", "--key-field", "0"], "1 to"),
            (["put", "s", "--delimiter", ","], "--key-field"),
            (["get", "s", "--json", "--raw"], "exclude each other"),
            (["get", "s", "--from", "yesterday"], "trim-horizon"),
            (["get", "s", "--from", String(repeating: "1", count: 56)], "sequence number"),
            (["get", "s", "--limit", "0"], "1 to"),
            (["get", "s", "--server", "nowhere"], "nowhere"),
            (["tail", "s", "--server", "127.0.0.1:70000"], "70000"),
        ]
        for (arguments, said) in table {
            let result = try await scene.weir.run(arguments).expect(2)
            try result.expect(saying: said)
            try require(result.outputBytes.isEmpty, "usage errors belong on stderr: \(result)")
        }
        let wrong = try await scene.weir.run(["status"], environment: ["WEIR_SERVER": "no port"])
        try wrong.expect(2).expect(saying: "WEIR_SERVER")
        for arguments in [["--help"], ["serve", "--help"], ["version"], ["--version"]] {
            let result = try await scene.weir.run(arguments).expect(0)
            try require(!result.outputBytes.isEmpty && result.errors.isEmpty, "help is a result: \(result)")
        }
        return "\(table.count) wrong usages"
    }

    private static func unknownStream(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        let table: [[String]] = [
            ["stream", "describe", "ghost"], ["stream", "update", "ghost", "--retention", "2h"],
            ["stream", "trim", "ghost", "--before", "1h"], ["stream", "delete", "ghost"],
            ["shard", "list", "ghost"], ["shard", "split", "ghost", "0"], ["shard", "merge", "ghost", "0", "1"],
            ["shard", "rescale", "ghost", "--to", "2"], ["put", "ghost"], ["get", "ghost"], ["tail", "ghost"],
        ]
        for arguments in table {
            let result = try await server.weir.run(arguments).expect(1)
            try result.expect(saying: "ghost")
            try require(result.outputBytes.isEmpty, "nothing was found, so nothing is printed: \(result)")
        }
        try await server.provesThatItWorks()
        return "\(table.count) commands"
    }

    private static func existingAndDeleted(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "twice")
        try await server.weir.run("stream", "create", "twice").expect(1).expect(saying: "twice", "exists")
        let tail = try await scene.start(["tail", "twice"], server: server)
        try await server.weir.run(["put", "twice", "--key", "k"], input: .bytes(Array("old\n".utf8))).expect(0)
        let described = try await server.weir.succeed("status", "--json").json()
        try await Waiting.until("a tail that waits for records") {
            let waiting = try await server.weir.succeed("status", "--json").json().first?[
                "subscriptions-and-long-polls"]
            return (waiting?.integer ?? 0) > 0
        }
        try await server.weir.succeed("stream", "delete", "twice")
        let ending = try await tail.ended()
        try require(ending == .exit(1), "a tail of a deleted stream ended with \(ending): \(tail.errors.text)")
        try require(tail.errors.text.contains("deleted"), "tail does not say why: \(tail.errors.text)")
        // A stream of the same name is another stream.
        try await server.weir.succeed("stream", "create", "twice")
        let read = try await server.weir.succeed("get", "twice", "--raw").lines
        try require(read.isEmpty, "the new stream holds records of the deleted one: \(read)")
        try require(described.count == 1, "status --json is one object")
        return tail.errors.text
    }

    private static func tooManyShards(_ scene: Scene) async throws -> String {
        let server = try await scene.serve(["limits.open-shards": "100", "limits.streams": "3"])
        try await server.weir.succeed("stream", "create", "a", "--shards", "60")
        let refused = try await server.weir.run("stream", "create", "b", "--shards", "41").expect(1)
        try refused.expect(saying: "100")
        try await server.weir.run("shard", "rescale", "a", "--to", "101").expect(1).expect(saying: "100")
        try await server.weir.succeed("stream", "create", "b", "--shards", "40")
        try await server.weir.run("shard", "split", "a", "0").expect(1).expect(saying: "100")
        try await server.weir.succeed("stream", "delete", "b")
        try await server.weir.succeed("shard", "split", "a", "0")
        try await server.weir.succeed("stream", "create", "c", "--shards", "1")
        try await server.weir.succeed("stream", "create", "d", "--shards", "1")
        try await server.weir.run("stream", "create", "e", "--shards", "1").expect(1).expect(saying: "3")
        return refused.errors
    }

    private static func nobodyThere(_ scene: Scene) async throws -> String {
        // A port that was free a moment ago.
        let server = try await scene.serve()
        try await server.stop()
        var said = ""
        for arguments in [["status"], ["stream", "list"], ["get", "s"], ["put", "s", "--timeout", "300ms"]] {
            let result = try await server.weir.run(arguments).expect(75)
            try result.expect(saying: server.address + ": connection refused\n")
            said = result.errors
        }
        return said
    }

    private static func silentServer(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s")
        let put = try await scene.start(
            ["put", "s", "--key", "k", "--json", "--timeout", "1s"], server: server, input: .open)
        put.write(Array("first\n".utf8))
        try await Waiting.until("the first acknowledgement") { put.output.lineCount == 1 }
        server.process.send(SIGSTOP)
        put.write(Array("second\nthird\n".utf8))
        put.closeInput()
        let ending = try await put.ended()
        server.process.send(SIGCONT)
        try require(ending == .exit(75), "expected exit 75, it was \(ending): \(put.errors.text)")
        let lines = try put.output.lines.map { try JSON(parsing: $0) }
        try require(lines.count == 3, "one line for each of 3 lines: \(put.output.text)")
        try require(lines[0]["sequenceNumber"] != nil, "the first was stored: \(lines[0])")
        for line in lines[1...] {
            try require(line["errorCode"] != nil && line["errorMessage"] != nil, "an error for \(line)")
        }
        // What it gave up was perhaps stored, but in order and at most once.
        try await server.provesThatItWorks()
        let read = try await server.weir.succeed("get", "s", "--raw").lines
        try require(["first", "second", "third"].starts(with: read), "what was stored is \(read)")
        return put.errors.text
    }
}
