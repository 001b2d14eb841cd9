// SPDX-License-Identifier: Apache-2.0
import WeirModel

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// `weir consume` among those that it depends on: a reader of its output that does not read, a server that goes away,
/// programs that never work, shards that end.
enum WorkerFaults {
    static let cases: [FaultCase] = [
        FaultCase("a worker whose stdout nobody reads is heard, and ends within seconds", Self.unreadOutput),
        FaultCase("a worker whose stderr nobody reads is heard, and ends within seconds", Self.unreadErrors),
        FaultCase("a worker whose shards all stand still ends, and says why", Self.standstill),
        FaultCase("a worker without its registered consumer ends, and says why", Self.noConsumer),
        FaultCase("a script that no system can run ends consume at once", Self.script),
        FaultCase("consume, tail, get and put say once that the server cannot be reached", Self.away),
        FaultCase("the end of a shard is no lost lease", Self.endOfShard),
        FaultCase("consume into head ends without a word", Self.head),
        FaultCase("consume says how many records a damaged range costs", Self.damage),
    ]

    /// A pipe whose reader opens it and never reads.
    private final class UnreadPipe: Sendable {
        private let descriptor: Int32

        init(_ scene: Scene, _ name: String) throws {
            let path = scene.folder + "/" + name
            try require(mkfifo(path, 0o600) == 0, "no pipe: \(Descriptors.lastError)")
            self.descriptor = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)
            try require(self.descriptor >= 0, "cannot open the pipe: \(Descriptors.lastError)")
        }

        /// From then on nothing goes in.
        func fill() {
            let line = [UInt8](repeating: UInt8(ascii: "x"), count: 4095) + [10]
            while Descriptors.writeAll(self.descriptor, line) {}
        }

        deinit { Descriptors.close(self.descriptor) }
    }

    private static func shell(_ scene: Scene, _ server: ServerProcess, _ script: String) async throws -> ChildProcess {
        let process = try await ChildProcess.start(
            "/bin/bash", ["-c", "set -o pipefail; " + script],
            environment: ["WEIR": scene.weir.path, "WEIR_SERVER": server.address, "FOLDER": scene.folder])
        scene.keep(process)
        return process
    }

    private static func leases(_ server: ServerProcess, _ stream: String = "s") async throws -> [JSON] {
        let list = try await server.weir.run("lease", "list", stream, "--app", "a", "--json")
        return list.ending == .exit(0) ? try list.json() : []
    }

    private static func count(_ rows: [JSON], of worker: String) -> Int {
        rows.count { $0["leaseOwner"] == .string(worker) }
    }

    private static func untilNothingIsBehind(_ server: ServerProcess, _ stream: String = "s") async throws {
        try await Waiting.until("an empty lag of \(stream)") {
            let rows = try await Self.leases(server, stream)
            return !rows.isEmpty && rows.allSatisfy { $0["recordsBehind"] == .number("0") }
        }
    }

    /// For several times the session timeout of a second, in which something must stay true.
    private static func throughSessions(_ check: () async throws -> Void) async throws {
        let watch = Stopwatch()
        try await Waiting.until("four session timeouts", every: .milliseconds(100)) {
            try await check()
            return watch.seconds > 4
        }
    }

    private static func fill(_ server: ServerProcess, _ lines: Int, bytes: Int) async throws {
        try await server.weir.succeed("stream", "create", "s", "--shards", "4", "--limits", "open")
        try await server.weir.run(["put", "s"], input: .bytes(Lines.of(lines, bytes: bytes))).expect(0)
    }

    private static func unreadOutput(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        // Of each shard more than a pipe holds.
        try await Self.fill(server, 4000, bytes: 500)
        let pipe = try UnreadPipe(scene, "output")
        let worker = try await Self.shell(
            scene, server, "exec \"$WEIR\" consume s --app a --worker first --session-timeout 1s > \"$FOLDER/output\"")
        try await Waiting.until("all leases") { Self.count(try await Self.leases(server), of: "first") == 4 }
        let other = try await scene.start(
            ["consume", "s", "--app", "a", "--worker", "second", "--session-timeout", "1s"], server: server)
        try await Self.throughSessions {
            let held = Self.count(try await Self.leases(server), of: "first")
            // Some are handed over; those that are being printed are not.
            try require(held > 0, "the worker lost its leases: \(worker.errors.text)")
            try require(worker.ending == nil, "it ended: \(worker.errors.text)")
        }
        let watch = Stopwatch()
        worker.send(SIGTERM)
        let ending = try await worker.ended(within: .seconds(30))
        let seconds = watch.seconds
        let said = worker.errors.text
        try require(ending == .exit(75), "SIGTERM ended it with \(ending): \(said)")
        try require(said.contains("processed ") && said.contains("nobody has read the output"), "it says: \(said)")
        try require(!said.contains("no heartbeat"), "it was not heard: \(said)")
        try require(seconds < 20, "it took \(seconds) s to end")
        // What was not printed is the other's now.
        try await Self.untilNothingIsBehind(server)
        withExtendedLifetime(pipe) {}
        other.send(SIGTERM)
        try require(try await other.ended() == .exit(0), "the other one: \(other.errors.text)")
        return said
    }

    private static func unreadErrors(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await Self.fill(server, 40, bytes: 20)
        let pipe = try UnreadPipe(scene, "errors")
        pipe.fill()
        // Each attempt is a line of the log.
        let worker = try await Self.shell(
            scene, server,
            """
            exec "$WEIR" consume s --app a --worker first --session-timeout 1s --retries 100000 --exec false \
            2> "$FOLDER/errors"
            """)
        try await Waiting.until("all leases") { Self.count(try await Self.leases(server), of: "first") == 4 }
        try await Self.throughSessions {
            let held = Self.count(try await Self.leases(server), of: "first")
            try require(held == 4 && worker.ending == nil, "it holds \(held) leases")
        }
        let watch = Stopwatch()
        worker.send(SIGTERM)
        let ending = try await worker.ended(within: .seconds(30))
        try require(ending == .exit(0), "SIGTERM ended it with \(ending)")
        try require(watch.seconds < 20, "it took \(watch.seconds) s to end")
        withExtendedLifetime(pipe) {}
        return ""
    }

    private static func standstill(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await Self.fill(server, 40, bytes: 20)
        let worker = try await server.weir.run(
            ["consume", "s", "--app", "a", "--session-timeout", "1s", "--retries", "1", "--exec", "false"],
            within: .seconds(40))
        try worker.expect(1).expect(saying: "all 4 shards of this worker stand still", "could not be processed")
        try require(!worker.errors.contains("heartbeat"), "it speaks of heartbeats: \(worker.errors)")
        // It has left: the next one has them at once, and nothing was skipped.
        let next = try await scene.start(["consume", "s", "--app", "a", "--json"], server: server)
        try await Waiting.until("all records") { next.output.lineCount == 40 }
        next.send(SIGTERM)
        try await next.ended()
        return worker.errors.split(separator: "\n").last.map(String.init) ?? ""
    }

    private static func noConsumer(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await Self.fill(server, 40, bytes: 20)
        let nobody = try await server.weir.run(
            ["consume", "s", "--app", "a", "--consumer", "nobody"], within: .seconds(40))
        try nobody.expect(1).expect(saying: "'nobody' is not registered")
        try await server.weir.succeed("consumer", "register", "s", "c")
        let worker = try await scene.start(["consume", "s", "--app", "a", "--consumer", "c"], server: server)
        try await Waiting.until("all records") { worker.output.lineCount == 40 }
        try await server.weir.succeed("consumer", "deregister", "s", "c")
        let ending = try await worker.ended(within: .seconds(40))
        let said = worker.errors.text
        try require(ending == .exit(1) && said.contains("'c' is not registered"), "\(ending): \(said)")
        for said in [nobody.errors, said] {
            try require(said.split(separator: "\n").count == 1, "more than a sentence: \(said)")
        }
        return said
    }

    private static func script(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await Self.fill(server, 40, bytes: 20)
        let path = scene.folder + "/worker.sh"
        try Files.write("cat > /dev/null\n", to: path)
        try Files.setMode(0o755, of: path)
        let result = try await server.weir.run(
            ["consume", "s", "--app", "a", "--exec", path], within: .seconds(40))
        try result.expect(1).expect(saying: "#!/bin/sh")
        // It has not even joined.
        try require(try await Self.leases(server).isEmpty, "there are leases")
        return result.errors
    }

    private static func away(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "1", "--limits", "open")
        try await server.weir.succeed("stream", "create", "long", "--shards", "1", "--limits", "open")
        try await server.weir.run(["put", "long", "--key", "k"], input: .bytes(Lines.of(40_000, bytes: 1000)))
            .expect(0)
        // 2 MB a second, so that get is still at it.
        try await server.weir.succeed("stream", "update", "long", "--limits", "kinesis")
        let reads = [
            try await scene.start(["consume", "s", "--app", "a", "--json"], server: server),
            try await scene.start(["tail", "s", "--raw", "--from", "trim-horizon"], server: server),
            try await scene.start(["get", "long", "--raw"], server: server),
        ]
        let put = try await scene.start(["put", "s", "--key", "k", "--json"], server: server, input: .open)
        let hasty = try await scene.start(
            ["put", "s", "--key", "k", "--json", "--timeout", "2s"], server: server, input: .open)
        let puts = [put, hasty]
        for put in puts { put.write(Array("one\n".utf8)) }
        try await Waiting.until("something of each") { (reads + puts).allSatisfy { $0.output.lineCount > 0 } }
        try await server.process.kill9()
        for put in puts { put.write(Array("two\n".utf8)) }
        // An attempt in the very moment of the kill is refused in other words: the connection was there, and broke.
        let why = ["weir: cannot connect to \(server.address): connection refused", "weir: the connection broke"]
        func told(_ process: ChildProcess) -> Int {
            process.errors.lines.count { line in
                line.contains("; it is tried again ") && why.contains { line.hasPrefix($0) }
            }
        }
        for (name, process) in zip(["consume", "tail", "get", "put", "put --timeout"], reads + puts) {
            let text = { process.errors.text.isEmpty ? "nothing" : process.errors.text }
            try await Waiting.until("word of \(name), which says \(text())", within: .seconds(20)) { told(process) > 0 }
        }
        let ending = try await hasty.ended(within: .seconds(30))
        try require(ending == .exit(75) && told(hasty) == 1, "put ended with \(ending): \(hasty.errors.text)")
        for first in ["consume s --app b", "tail s", "get s", "put s --key k"] {
            let result = try await server.weir.run(
                first.split(separator: " ").map(String.init), input: .bytes(Array("one\n".utf8)), within: .seconds(20))
            let said = "weir: cannot connect to \(server.address): connection refused\n"
            try require(result.ending == .exit(75) && result.errors == said, "\(result)")
        }
        let next = try await scene.serve(port: server.port)
        let running = reads + [put]
        try await Waiting.until("all to be back") {
            running.allSatisfy { $0.errors.text.contains("connected to \(server.address) again") }
        }
        try await Waiting.until("the second line") { put.output.lineCount == 2 }
        for process in running {
            let errors = process.errors.text
            try require(told(process) == 1, "not once: \(errors)")
            process.send(SIGTERM)
            try await process.ended()
        }
        try await next.provesThatItWorks()
        return reads[1].errors.text
    }

    private static func endOfShard(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        let program = scene.folder + "/worker.sh"
        try Files.write("#!/bin/sh\nwhile read line; do echo '{\"action\":\"done\"}'; done\n", to: program)
        try Files.setMode(0o755, of: program)
        for round in 0..<6 {
            let stream = "s\(round)"
            try await server.weir.succeed("stream", "create", stream, "--shards", "2")
            try await server.weir.run(["put", stream], input: .bytes(Lines.of(200, bytes: 20))).expect(0)
            let isPrinted = round % 2 == 0
            let worker = try await scene.start(
                ["consume", stream, "--app", "a"] + (isPrinted ? ["--json"] : ["--exec", program]), server: server)
            try await Self.untilNothingIsBehind(server, stream)
            try await server.weir.succeed("shard", "split", stream, "0")
            try await server.weir.run(["put", stream], input: .bytes(Lines.of(200, bytes: 20))).expect(0)
            try await Waiting.until("the children") {
                let rows = try await Self.leases(server, stream)
                let names = ["2", "3"].map { JSON.string("shardId-00000000000\($0)") }
                return names.allSatisfy { name in rows.contains { $0["leaseKey"] == name } }
                    && rows.allSatisfy { $0["recordsBehind"] == .number("0") }
            }
            worker.send(SIGTERM)
            let ending = try await worker.ended()
            try require(ending == .exit(0), "it ended with \(ending): \(worker.errors.text)")
            try require(worker.errors.text.isEmpty, "it says: \(worker.errors.text)")
            if isPrinted { try require(worker.output.lineCount == 400, "\(worker.output.lineCount) records") }
        }
        return ""
    }

    private static func head(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await Self.fill(server, 4000, bytes: 200)
        for (application, form) in ["x": "--json", "y": ""] {
            let result = try await Self.shell(
                scene, server, "\"$WEIR\" consume s --app \(application) \(form) | head -n 3")
            let ending = try await result.ended(within: .seconds(40))
            try require(ending == .exit(0) && result.output.lineCount == 3, "\(ending): \(result.output.text)")
            try require(result.errors.text.isEmpty, "it complains: \(result.errors.text)")
        }
        return ""
    }

    private static func damage(_ scene: Scene) async throws -> String {
        let first = try await scene.serve()
        try await first.weir.succeed("stream", "create", "s", "--shards", "1")
        for number in 0..<6 {
            let line = "needle-\(number)-" + String(repeating: "x", count: 100) + "\n"
            try await first.weir.run(["put", "s", "--key", "k"], input: .bytes(Array(line.utf8))).expect(0)
        }
        try await first.stop()
        _ = try DamageFaults.flip(scene, "segment-", at: "needle-2-")
        let server = try await scene.serve()
        let worker = try await scene.start(["consume", "s", "--app", "a", "--json"], server: server)
        try await Waiting.until("the good records, and word of the other one") {
            worker.output.lineCount == 5 && worker.errors.text.contains("missed ")
        }
        try await Self.untilNothingIsBehind(server)
        worker.send(SIGTERM)
        try require(try await worker.ended() == .exit(0), "it ended badly: \(worker.errors.text)")
        let said = worker.errors.text
        try require(said.contains("missed 1 record of shardId-000000000000"), "it says: \(said)")
        try require(said.split(separator: "\n").count == 1, "more than once: \(said)")
        return said
    }
}
