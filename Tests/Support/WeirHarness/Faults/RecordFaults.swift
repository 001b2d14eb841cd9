// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel
import WeirProtocol

/// Records and puts that are not allowed: refused one by one, by their lines, or as a whole where nothing can be told
/// apart; what is good is stored.
enum RecordFaults {
    static let cases: [FaultCase] = [
        FaultCase("lines that cannot be records are refused by their numbers, the others put", Self.lines),
        FaultCase("records over the limits are refused and the connection lives on", Self.limits),
        FaultCase("requests without the right form are refused and the connection lives on", Self.malformed),
    ]

    private static func lines(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "1", "--limits", "open")
        let long = String(repeating: "k", count: 257)
        let input = ["a good line", "", "b and another", "\(long) whose key is too long", "c the last"]
        let result = try await server.weir.run(
            ["put", "s", "--key-field", "1", "--json"], input: .bytes(Array(input.joined(separator: "\n").utf8)))
        try result.expect(1).expect(saying: "line 2", "line 4")
        let lines = try result.json()
        try require(lines.count == 5, "one line for each line: \(result)")
        for (position, line) in lines.enumerated() {
            let isGood = [0, 2, 4].contains(position)
            try require((line["sequenceNumber"] != nil) == isGood, "line \(position + 1): \(line)")
            try require((line["errorCode"] != nil) == !isGood, "line \(position + 1): \(line)")
        }
        let read = try await server.weir.succeed("get", "s", "--raw").lines
        try require(read == [input[0], input[2], input[4]], "what was stored is \(read)")
        let wrong = try await server.weir.run(
            ["put", "s", "--from-json"], input: .bytes(Array("{\"partitionKey\":\"k\"}\nnot json\n".utf8)))
        try wrong.expect(1).expect(saying: "line 1", "line 2")
        let hashes = ["-1", "01", "x", "340282366920938463463374607431768211456"].map {
            "{\"partitionKey\":\"k\",\"data\":\"\",\"explicitHashKey\":\"\($0)\"}\n"
        }
        let hashed = try await server.weir.run(
            ["put", "s", "--from-json"], input: .bytes(Array(hashes.joined().utf8))
        ).expect(1)
        for line in 1...hashes.count { try hashed.expect(saying: "line \(line)") }
        try hashed.expect(saying: "0 to 340282366920938463463374607431768211455")
        let none = try await server.weir.run("put", "s", scene.folder + "/no-such-file").expect(1)
        try none.expect(saying: "no-such-file")
        return result.errors
    }

    private static func limits(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "1", "--limits", "open")
        let client = try await server.client()
        let stream = try await client.describeStream(try StreamName("s"))
        await client.close()
        let connection = try await RawConnection.open(server)
        try await connection.hello()
        func codes(_ records: [(String, Int)]) async throws -> [WeirError.Code?] {
            try await connection.put(
                stream.id, records.map { (key: $0.0, data: Array(repeating: 120, count: $0.1)) }, correlation: 11)
        }
        /// Nothing of the put is stored, and the sentence tells which record and what is allowed.
        func expectRefused(_ records: [(String, Int)], _ code: WeirError.Code, _ said: String) async throws {
            do {
                let codes = try await codes(records)
                throw HarnessError("it was taken: \(codes)")
            } catch let error as WeirError {
                try require(error.code == code, "expected \(code.name), it was \(error.code.name): \(error.message)")
                try require(error.message.contains(said), "expected '\(said)' in '\(error.message)'")
            }
            _ = try await connection.call(Ping())
        }
        try await expectRefused([("k", 10), ("", 10)], .invalidArgument, "1 to 256")
        try await expectRefused(
            [("k", 10), (String(repeating: "\u{df}", count: 257), 10)], .invalidArgument, "1 to 256")
        try await expectRefused([("k", 10), ("k", 1_048_576)], .recordTooLarge, "1048576")
        try await expectRefused(Array(repeating: ("k", 1), count: 501), .invalidArgument, "500")
        try await expectRefused(Array(repeating: ("k", 1_000_000), count: 11), .invalidArgument, "10485760")
        try require(try await server.weir.succeed("get", "s", "--json").lines.isEmpty, "part of a refused put is there")
        let fits = try await codes([(String(repeating: "\u{df}", count: 256), 10), ("k", 1_048_575)])
        try require(fits == [nil, nil], "at the limits: \(fits)")
        let read = try await server.weir.succeed("get", "s", "--json").lines.count
        try require(read == 2, "2 records were acknowledged, \(read) are there")
        return "5 puts refused"
    }

    private static func malformed(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "1")
        let client = try await server.client()
        let stream = try await client.describeStream(try StreamName("s"))
        await client.close()
        let connection = try await RawConnection.open(server)
        try await connection.hello()
        var body = BatchBodyBuilder()
        Array("key".utf8).withUnsafeBytes { body.append(key: $0, data: $0) }
        let good = body.finish()
        func put(_ body: [UInt8], shard: ShardNumber?) -> [UInt8] {
            var writer = PutRecordsWriter(PutRecords.Header(stream: stream.id, mapVersion: 0))
            writer.append(shard: shard, body: body)
            return writer.finish(correlation: 5)
        }
        var flipped = good
        flipped[flipped.count - 1] ^= 1
        func header(_ type: UInt16, flags: UInt16 = 0, _ payload: [UInt8] = []) -> [UInt8] {
            var writer = ByteWriter()
            FrameHeader(rawType: type, flags: flags, length: payload.count, correlation: 5).encode(into: &writer)
            writer.append(payload)
            return writer.bytes
        }
        let table: [(String, [UInt8], WeirError.Code)] = [
            ("an unknown type", header(0x3fff), .malformedRequest),
            ("flags", header(FrameType.ping.rawValue, flags: 1), .unsupportedVersion),
            ("bytes too many", header(FrameType.ping.rawValue, [1]), .malformedRequest),
            (
                "a put cut short", header(FrameType.putRecords.rawValue, Array(repeating: 0, count: 39)),
                .malformedRequest
            ),
            ("a second Hello", try Hello(clientName: "again").frame(correlation: 5), .malformedRequest),
            ("an answer as a request", header(FrameType.pingAnswer.rawValue), .malformedRequest),
            ("a batch damaged on the way", put(flipped, shard: ShardNumber(0)), .checksumMismatch),
        ]
        for (what, frame, code) in table {
            let error = try await connection.refusal(frame, correlation: 5)
            try require(
                error.code == code, "\(what): expected \(code.name), it was \(error.code.name): \(error.message)")
            _ = try await connection.call(Ping())
        }
        let stored = try await connection.answer(put(good, shard: ShardNumber(0)), correlation: 5)
        try stored.payload.withUnsafeBytes { raw in
            let view = try PutRecordsAnswerView(payload: raw)
            try require(view[0].error == nil, "a good batch behind it: \(view[0])")
        }
        return "\(table.count) malformed requests"
    }
}
