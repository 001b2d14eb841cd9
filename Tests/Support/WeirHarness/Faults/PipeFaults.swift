// SPDX-License-Identifier: Apache-2.0
import WeirModel

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Commands between other programs: pipes that close, lines that must not wait.
enum PipeFaults {
    static let cases: [FaultCase] = [
        FaultCase("get into head ends without a word", Self.head),
        FaultCase("tail writes each batch at once, also into a pipe, and ends well", Self.flushed),
        FaultCase("put acknowledges line by line from a pipe that stays open, and drains at Ctrl-C", Self.openPipe),
        FaultCase("a second Ctrl-C ends a put at once", Self.secondInterrupt),
        FaultCase("get --json into put --from-json copies a stream", Self.copy),
    ]

    private static func shell(_ scene: Scene, _ server: ServerProcess, _ script: String) async throws -> Weir.Result {
        let process = try await ChildProcess.start(
            "/bin/bash", ["-c", "set -o pipefail; " + script],
            environment: ["WEIR": scene.weir.path, "WEIR_SERVER": server.address])
        let ending = try await process.ended()
        return Weir.Result(
            command: script, ending: ending, outputBytes: process.output.bytes, errors: process.errors.text, seconds: 0)
    }

    private static func head(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "2", "--limits", "open")
        // More than a pipe holds.
        let lines = (0..<20_000).map { "line \($0) " + String(repeating: "x", count: 60) + "\n" }.joined()
        try await server.weir.run(["put", "s", "--key", "k"], input: .bytes(Array(lines.utf8))).expect(0)
        for arguments in ["--raw", "--json", ""] {
            let result = try await Self.shell(scene, server, "\"$WEIR\" get s \(arguments) | head -n 1")
            try result.expect(0)
            try require(result.lines.count == 1, "one line: \(result)")
            try require(result.errors.isEmpty, "it complains: \(result)")
        }
        let put = try await Self.shell(
            scene, server, "yes | head -n 50000 | \"$WEIR\" put s --key k --json | head -n 1")
        try require(put.lines.count == 1, "one line: \(put)")
        let full = try await Self.shell(scene, server, "\"$WEIR\" get s --raw > /dev/full")
        try full.expect(1).expect(saying: "results")
        return full.errors
    }

    private static func flushed(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "2")
        let tail = try await scene.start(["tail", "s", "--from", "trim-horizon", "--raw"], server: server)
        for line in ["one", "two", "three"] {
            try await server.weir.run(["put", "s", "--key", "k"], input: .bytes(Array((line + "\n").utf8))).expect(0)
            // Nothing comes behind it that could push it out.
            try await Waiting.until("'\(line)' in the pipe") { tail.output.lines.last == line }
        }
        tail.send(SIGINT)
        let ending = try await tail.ended()
        try require(ending == .exit(0), "Ctrl-C ended tail with \(ending): \(tail.errors.text)")
        try require(tail.errors.text.hasPrefix("weir: read 3 records "), "it says: \(tail.errors.text)")
        return ""
    }

    private static func openPipe(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "2")
        let put = try await scene.start(["put", "s", "--key", "k", "--json"], server: server, input: .open)
        for count in 1...3 {
            put.write(Array("line \(count)\n".utf8))
            try await Waiting.until("acknowledgement \(count)") { put.output.lineCount == count }
        }
        // The beginning of a line that will never be whole is no record.
        put.write(Array("half a li".utf8))
        put.send(SIGINT)
        let ending = try await put.ended()
        try require(ending == .exit(0), "Ctrl-C ended put with \(ending): \(put.errors.text)")
        let read = try await server.weir.succeed("get", "s", "--raw").lines
        try require(read == ["line 1", "line 2", "line 3"], "read \(read)")
        return ""
    }

    private static func secondInterrupt(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s")
        // When the first signal comes before the second line was read there is nothing to wait for, and all went well:
        // then once more.
        for _ in 0..<10 {
            let put = try await scene.start(
                ["put", "s", "--key", "k", "--json", "--timeout", "10m"], server: server, input: .open)
            put.write(Array("first\n".utf8))
            try await Waiting.until("the first acknowledgement") { put.output.lineCount == 1 }
            server.process.send(SIGSTOP)
            defer { server.process.send(SIGCONT) }
            put.write(Array("second\n".utf8))
            try await Waiting.until("a put that has read its second line") { put.unreadInputBytes == 0 }
            put.send(SIGINT)
            // It waits for the fate of the second line, for up to ten minutes; it must not when asked again.
            try await Waiting.until(
                "the end of a put that was asked twice", within: .seconds(20), every: .milliseconds(20)
            ) {
                put.send(SIGINT)
                return put.ending != nil
            }
            if let ending = put.ending, ending != .exit(0) { return "\(ending)" }
        }
        throw HarnessError("it says that all went well, ten times")
    }

    private static func copy(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "old", "--shards", "3", "--limits", "open")
        try await server.weir.succeed("stream", "create", "new", "--shards", "5", "--limits", "open")
        var random = SeededRandom(3)
        let lines = (0..<2000).map { line in "key\(random.next() % 50) \u{1f40e} \"quoted\" \\ \t \(line)" }
        try await server.weir.run(
            ["put", "old", "--key-field", "1"], input: .bytes(Array((lines.joined(separator: "\n") + "\n").utf8))
        ).expect(0)
        try await Self.shell(scene, server, "\"$WEIR\" get old --json | \"$WEIR\" put new --from-json").expect(0)
        func byKey(_ stream: String) async throws -> [String: [String]] {
            let records = try await server.weir.succeed("get", stream, "--json").json()
            return Dictionary(grouping: records) { $0["partitionKey"]?.string ?? "" }
                .mapValues { $0.compactMap { $0["data"]?.string } }
        }
        let (old, new) = (try await byKey("old"), try await byKey("new"))
        try require(old == new && old.values.joined().count == 2000, "the copy differs")
        return ""
    }
}
