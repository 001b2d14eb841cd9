// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel
import WeirProtocol

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// How a server and the commands end when they are asked to.
enum EndingFaults {
    static let cases: [FaultCase] = [
        FaultCase("SIGTERM under load: every put is answered or refused, exit 0, nothing is lost", Self.drain),
        FaultCase("SIGTERM ends a server with idle and waiting clients soon", Self.idleClients),
        FaultCase("SIGINT is as good as SIGTERM", Self.interrupt),
        FaultCase("a second SIGTERM ends a draining server at once", Self.secondSignal),
        FaultCase("a server that was killed while it was idle has everything", Self.killedIdle),
    ]

    private static func drain(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        let client = try await server.client()
        let stream = try await client.createStream(
            try StreamName("s"), shards: 4, settings: StreamSettings(limits: .open))
        await client.close()
        var counts = (answered: 0, refused: 0, unanswered: 0)
        let results = try await withThrowingTaskGroup(of: Pipelined.self) { group in
            for number in 0..<4 {
                group.addTask { try await Self.pipeline(server, stream.id, "c\(number)") }
            }
            try await Waiting.until("puts under way") {
                let records = try await server.weir.run("status", "--json").json().first?["records-in"]?.integer
                return (records ?? 0) > 200
            }
            server.process.send(SIGTERM)
            return try await group.reduce(into: [Pipelined]()) { $0.append($1) }
        }
        let ending = try await server.process.ended()
        try require(ending == .exit(0), "the server ended with \(ending)")
        var stored: Set<String> = []
        for result in results {
            counts.answered += result.stored.count
            counts.refused += result.refused
            counts.unanswered += result.unanswered
            stored.formUnion(result.stored)
            try require(
                result.closing?.code == .unavailable, "a client was not told why: \(String(describing: result.closing))"
            )
        }
        try require(counts.unanswered == 0, "\(counts.unanswered) puts were taken and not answered")
        let next = try await scene.serve()
        let read = try await next.weir.succeed("get", "s", "--raw").lines
        try require(
            Set(read) == stored && read.count == stored.count, "\(read.count) read, \(stored.count) acknowledged")
        return "\(counts.answered) puts answered, \(counts.refused) refused"
    }

    /// What became of the puts of one connection.
    private struct Pipelined: Sendable {
        var stored: [String] = []
        var refused = 0
        var unanswered = 0
        var closing: WeirError?
    }

    /// Puts of one record each, 32 under way at a time, until the server says goodbye.
    private static func pipeline(_ server: ServerProcess, _ stream: StreamID, _ name: String) async throws -> Pipelined
    {
        let connection = try await RawConnection.open(server)
        try await connection.hello(name)
        var result = Pipelined()
        var underWay: [UInt64: String] = [:]
        var correlation: UInt64 = 100
        var isOpen = true
        while true {
            while isOpen && underWay.count < 32 {
                correlation += 1
                let text = "\(name) \(correlation)"
                var body = BatchBodyBuilder()
                Array(text.utf8).withUnsafeBytes { data in body.append(key: data, data: data) }
                var writer = PutRecordsWriter(PutRecords.Header(stream: stream, mapVersion: 0))
                writer.append(shard: nil, body: body.finish())
                // Whether the server takes it shows in its answers.
                guard (try? await connection.send(writer.finish(correlation: correlation))) != nil else {
                    isOpen = false
                    break
                }
                underWay[correlation] = text
            }
            guard let frame = try? await connection.frame() else { break }
            switch frame.header.type {
            case .putRecordsAnswer:
                let text = try require(underWay.removeValue(forKey: frame.header.correlation), "an answer to nothing")
                let isStored = try frame.payload.withUnsafeBytes {
                    try PutRecordsAnswerView(payload: $0)[0].error == nil
                }
                if isStored { result.stored.append(text) } else { result.refused += 1 }
            case .error:
                underWay[frame.header.correlation] = nil
                result.refused += 1
            case .closing:
                result.closing = try frame.payload.withUnsafeBytes { try Closing(payload: $0) }.error
                // What it had not read by then it never took.
                underWay = [:]
                isOpen = false
            default: throw HarnessError("a frame of type \(frame.header.rawType)")
            }
        }
        result.unanswered = underWay.count
        return result
    }

    private static func idleClients(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s")
        let idle = try await RawConnection.open(server)
        try await idle.hello()
        let silent = try await RawConnection.open(server)
        let tail = try await scene.start(["tail", "s"], server: server)
        try await Waiting.until("a tail that waits for records") {
            let waiting = try await server.weir.succeed("status", "--json").json().first?[
                "subscriptions-and-long-polls"]
            return (waiting?.integer ?? 0) > 0
        }
        let watch = Stopwatch()
        try await server.stop()
        let seconds = watch.seconds
        try require(seconds < 10, "with idle clients alone it took \(seconds) s to end")
        let error = try await idle.closing()
        try require(error.code == .unavailable, "closed with \(error.code.name): \(error.message)")
        _ = try await silent.receiveToEnd()
        // A tail outlives its server for a while, and sees what comes when it is back.
        try require(tail.ending == nil, "the tail did not wait for the server: \(tail.errors.text)")
        let next = try await scene.serve(port: server.port)
        try await next.weir.run(["put", "s", "--key", "k"], input: .bytes(Array("back\n".utf8))).expect(0)
        try await Waiting.until("the record in the tail") { tail.output.text.contains("back") }
        return "ended in \(Int(seconds * 1000)) ms"
    }

    private static func interrupt(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.provesThatItWorks()
        server.process.send(SIGINT)
        let ending = try await server.process.ended()
        try require(ending == .exit(0), "it ended with \(ending)")
        return ""
    }

    private static func secondSignal(_ scene: Scene) async throws -> String {
        let server = try await scene.serve(arguments: ["--drain", "10m"])
        try await server.weir.succeed("stream", "create", "s", "--shards", "1", "--limits", "open")
        try await server.weir.run(["put", "s", "--key", "k"], input: .bytes(Lines.of(100, bytes: 100_000))).expect(0)
        let client = try await server.client()
        let stream = try await client.describeStream(try StreamName("s"))
        await client.close()
        // Answers that nobody reads keep the server waiting for as long as it may.
        let slow = try await RawConnection.open(server)
        let node = try await slow.hello().nodeID
        let token = IteratorToken(
            stream: stream.id, shard: ShardNumber(0), index: 0,
            issuedAtMillis: try await slow.call(Ping()).serverTimeMillis, nodeID: node
        ).encode()
        for correlation in 100..<104 {
            try await slow.send(GetRecords(iterator: token).frame(correlation: UInt64(correlation)))
        }
        server.process.send(SIGTERM)
        try await Waiting.until("a server that drains") { server.process.errors.text.contains("stopping") }
        server.process.send(SIGTERM)
        let watch = Stopwatch()
        let ending = try await server.process.ended(within: .seconds(20))
        try require(ending != .exit(0) || watch.seconds < 10, "the second signal was not heard")
        let next = try await scene.serve()
        let read = try await next.weir.succeed("get", "s", "--raw").lines.count
        try require(read == 100, "\(read) of 100 acknowledged records are there")
        return "ended with \(ending) in \(Int(watch.milliseconds)) ms"
    }

    private static func killedIdle(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "3", "--retention", "48h")
        try await server.weir.run(["put", "s", "--key-random"], input: .bytes(Array("a\nb\nc\n".utf8))).expect(0)
        try await server.weir.succeed("shard", "split", "s", "1")
        let before = try await server.weir.succeed("shard", "list", "s", "--json").output
        let described = try await server.weir.succeed("stream", "describe", "s", "--json").output
        try await server.process.kill9()
        let next = try await scene.serve()
        try require(
            try await next.weir.succeed("shard", "list", "s", "--json").output == before, "the shards are others")
        try require(
            try await next.weir.succeed("stream", "describe", "s", "--json").output == described,
            "the stream is described otherwise")
        let read = try await next.weir.succeed("get", "s", "--raw").lines.sorted()
        try require(read == ["a", "b", "c"], "read \(read)")
        return "back in \(Int(next.startMilliseconds)) ms"
    }
}
