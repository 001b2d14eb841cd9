// SPDX-License-Identifier: Apache-2.0
import Foundation
import WeirClient
import WeirModel
import WeirProtocol

/// Connections that do not speak the protocol: closed with a reason, while others are served.
enum ConnectionFaults {
    static let cases: [FaultCase] = [
        FaultCase("garbage bytes close their connection, with a reason, and no other", Self.garbage),
        FaultCase("a client that never says hello is closed", Self.silence),
        FaultCase("half a frame and then silence is closed, while others are served", Self.halfFrame),
        FaultCase("frames that come drop by drop are closed, and take nobody's memory meanwhile", Self.drops),
        FaultCase("a frame over the limit is refused by its header", Self.oversized),
        FaultCase("a client that reads no answers is closed, and memory stays bounded", Self.neverReads),
        FaultCase("connections cut in the middle of puts do no harm", Self.cutPuts),
    ]

    /// Whoever runs the server can read there too why it closed a connection.
    private static func expectTold(_ server: ServerProcess, _ reason: String) async throws {
        try await Waiting.until("'\(reason)' in the server's log", within: .seconds(10)) {
            server.process.errors.text.contains(reason)
        }
    }

    private static func garbage(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        let steady = try await RawConnection.open(server)
        try await steady.hello()
        var random = SeededRandom(7)
        var tried = 0
        func offer(_ bytes: [UInt8]) async throws {
            let connection = try await RawConnection.open(server)
            // It may be closed while the rest is still being sent.
            try? await connection.send(bytes)
            let error = try? await connection.closing()
            if tried == 0 { try require(error != nil, "HTTP got no reason") }
            tried += 1
            _ = try await steady.call(Ping())
        }
        try await offer(Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
        try await offer(
            [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03] + Array(repeating: 0xaa, count: 506))
        try await offer(Array(repeating: 0xff, count: 100))
        for length in [16, 17, 64, 4096, 100_000] {
            // A length within the limit, so that it is the payload that is garbage.
            var bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            bytes.replaceSubrange(0..<4, with: [UInt8(min(length - 16, 255)), 0, 0, 0])
            try await offer(bytes)
        }
        try await server.provesThatItWorks()
        let said = server.process.errors.text
        try require(said.contains("127.0.0.1"), "the log does not say whose connections were closed: '\(said)'")
        return "\(tried) kinds of garbage"
    }

    private static func silence(_ scene: Scene) async throws -> String {
        let server = try await scene.serve(["connections.hello-timeout": "300ms"])
        let silent = try await RawConnection.open(server)
        let half = try await RawConnection.open(server)
        try await half.send(Array(try Hello(clientName: "half").frame(correlation: 1).prefix(20)))
        let greeted = try await RawConnection.open(server)
        try await greeted.hello()
        let error = try await silent.closing()
        try require(error.code == .timedOut, "closed with \(error.code.name): \(error.message)")
        _ = try await half.closing()
        // Who has said hello may be silent for as long as it likes.
        _ = try await greeted.call(Ping())
        try await Self.expectTold(server, error.message)
        return error.message
    }

    private static func halfFrame(_ scene: Scene) async throws -> String {
        let server = try await scene.serve(["connections.stall-timeout": "500ms"])
        let client = try await server.client()
        let stream = try await client.createStream(try StreamName("s"), shards: 1)
        await client.close()
        var stalled: [RawConnection] = []
        for length in [1, 15, 16, 17, 1000] {
            let connection = try await RawConnection.open(server)
            try await connection.hello()
            var body = BatchBodyBuilder()
            Array(repeating: 7, count: 4000).withUnsafeBytes { data in
                Array("key".utf8).withUnsafeBytes { body.append(key: $0, data: data) }
            }
            var writer = PutRecordsWriter(PutRecords.Header(stream: stream.id, mapVersion: 0))
            writer.append(shard: nil, body: body.finish())
            try await connection.send(Array(writer.finish(correlation: 2).prefix(length)))
            stalled.append(connection)
        }
        // While they stall others are served.
        try await server.provesThatItWorks()
        var told = ""
        for connection in stalled {
            let error = try await connection.closing()
            try require(error.code == .timedOut, "closed with \(error.code.name): \(error.message)")
            told = error.message
        }
        try await Self.expectTold(server, told)
        let read = try await server.weir.succeed("get", "s", "--raw").outputBytes
        try require(read.isEmpty, "half a put was stored")
        let memory = try await server.weir.succeed("status", "--json").json().first?["frame-memory-bytes"]
        try require(memory?.integer == 0, "the memory of the cut frames is not free: \(memory ?? .null)")
        return told
    }

    /// Together they announce more than all the memory for frames.
    private static func drops(_ scene: Scene) async throws -> String {
        let server = try await scene.serve(["connections.stall-timeout": "4s"])
        try await server.weir.succeed("stream", "create", "s", "--shards", "1", "--limits", "open")
        var slow: [RawConnection] = []
        for _ in 0..<20 {
            let connection = try await RawConnection.open(server)
            try await connection.hello()
            var writer = ByteWriter()
            FrameHeader(.putRecords, length: 16 << 20 - 5000, correlation: 3).encode(into: &writer)
            try await connection.send(writer.bytes + [1])
            slow.append(connection)
        }
        let put = try await scene.start(
            ["put", "s", "--key", "k", "--timeout", "3s"], server: server, input: .bytes(Lines.of(20, bytes: 900_000)))
        // Something comes all the time, and it does not help them.
        let watch = Stopwatch()
        while watch.seconds < 8, server.process.errors.text.count("comes too slowly") < slow.count {
            for connection in slow { try? await connection.send([2]) }
            try await Task.sleep(for: .milliseconds(300))
        }
        let ending = try await put.ended()
        try require(ending == .exit(0), "put ended with \(ending): \(put.errors.text)")
        let closed = server.process.errors.text.count("comes too slowly")
        try require(closed == slow.count, "\(closed) of \(slow.count) connections were closed in \(watch.seconds) s")
        let memory = try await server.weir.succeed("status", "--json").json().first?["frame-memory-bytes"]
        try require(memory?.integer == 0, "the memory of the cut frames is not free: \(memory ?? .null)")
        try require(try await server.weir.succeed("get", "s", "--raw").lines.count == 20, "not all lines were stored")
        return "\(closed) connections closed after \(watch.seconds) s"
    }

    private static func oversized(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        let connection = try await RawConnection.open(server)
        let limit = try await connection.hello().frameBytesMax
        var writer = ByteWriter()
        FrameHeader(.putRecords, length: Int(limit) + 1, correlation: 3).encode(into: &writer)
        try await connection.send(writer.bytes)
        let error = try await connection.closing()
        try require(error.code == .frameTooLarge, "closed with \(error.code.name): \(error.message)")
        try require(error.message.contains("\(limit)"), "what is allowed is not named: \(error.message)")
        // Before Hello a frame is short.
        let early = try await RawConnection.open(server)
        writer = ByteWriter()
        FrameHeader(.hello, length: Limits.helloFrameBytesMax + 1, correlation: 1).encode(into: &writer)
        try await early.send(writer.bytes)
        _ = try await early.closing()
        try await server.provesThatItWorks()
        try await Self.expectTold(server, error.message)
        return error.message
    }

    private static func neverReads(_ scene: Scene) async throws -> String {
        let server = try await scene.serve([
            "connections.unread-timeout": "500ms", "connections.linger": "100ms", "memory.reads": "32MiB",
        ])
        try await server.weir.succeed("stream", "create", "s", "--shards", "1", "--limits", "open")
        try await server.weir.run(["put", "s", "--key", "k"], input: .bytes(Lines.of(160, bytes: 100_000))).expect(0)
        let client = try await server.client()
        let stream = try await client.describeStream(try StreamName("s"))
        await client.close()
        let before = try server.process.residentBytes()
        var greedy: [RawConnection] = []
        for _ in 0..<6 {
            let connection = try await RawConnection.open(server)
            let node = try await connection.hello().nodeID
            let token = IteratorToken(
                stream: stream.id, shard: ShardNumber(0), index: 0,
                issuedAtMillis: try await connection.call(Ping()).serverTimeMillis, nodeID: node
            ).encode()
            // Answers of 10 MiB each, none of which is read.
            for correlation in 100..<120 {
                try await connection.send(GetRecords(iterator: token).frame(correlation: UInt64(correlation)))
            }
            greedy.append(connection)
        }
        try await server.provesThatItWorks()
        try await Waiting.until("the end of the connections that do not read") {
            let connections = try await server.weir.succeed("status", "--json").json().first?["connections"]?.integer
            return (connections ?? 99) <= 1
        }
        try await Self.expectTold(server, "has not read its answers")
        let after = try server.process.residentBytes()
        try require(after - before < 160 << 20, "resident memory rose from \(before) to \(after) bytes")
        try await server.provesThatItWorks()
        return "resident \(before >> 20) MiB, then \(after >> 20) MiB; \(greedy.count) clients closed"
    }

    private static func cutPuts(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        let client = try await server.client()
        let stream = try await client.createStream(
            try StreamName("s"), shards: 2, settings: StreamSettings(limits: .open))
        await client.close()
        var random = SeededRandom(11)
        for round in 0..<40 {
            let connection = try await RawConnection.open(server)
            try await connection.hello()
            var writer = PutRecordsWriter(PutRecords.Header(stream: stream.id, mapVersion: 0))
            var body = BatchBodyBuilder()
            for record in 0..<20 {
                Array("round \(round), record \(record)".utf8).withUnsafeBytes { data in
                    Array("k\(record)".utf8).withUnsafeBytes { body.append(key: $0, data: data) }
                }
            }
            writer.append(shard: nil, body: body.finish())
            let frame = writer.finish(correlation: 2)
            let length = round % 4 == 0 ? frame.count : Int(random.next() % UInt64(frame.count))
            try await connection.send(Array(frame.prefix(length)))
            // The connection goes out of scope here, in the middle of the frame or before its answer.
        }
        try await server.provesThatItWorks()
        let read = try await server.weir.succeed("get", "s", "--raw").lines
        try require(read.count % 20 == 0, "part of a put was stored: \(read.count) records")
        try require(Set(read).count == read.count, "a put was stored twice")
        return "\(read.count / 20) of 40 puts were stored"
    }
}

extension String {
    /// How often `text` stands in it.
    fileprivate func count(_ text: String) -> Int { self.components(separatedBy: text).count - 1 }
}
