// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirClient
import WeirModel
import WeirProtocol

/// Iterators that are not what they should be; each is refused by its name, and the connection lives on.
enum ReadFaults {
    static let cases: [FaultCase] = [
        FaultCase("misused iterators are refused and the connection lives on", Self.iterators),
        FaultCase("reading one shard from the number of another is refused", Self.foreignNumber),
    ]

    /// A server with a stream `s` of two shards and a record in each. Returns their numbers too.
    private static func prepare(_ scene: Scene) async throws -> (ServerProcess, StreamDescription, [SequenceNumber]) {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "2")
        var numbers: [SequenceNumber] = []
        for key in ["a", "b", "c", "d", "e", "f"] {
            let result = try await server.weir.run(
                ["put", "s", "--key", key, "--json"], input: .bytes(Array("data\n".utf8)))
            let text = try result.expect(0).json()[0].text("sequenceNumber")
            numbers.append(try SequenceNumber(parsing: text))
        }
        let first = try require(numbers.first { $0.shard == ShardNumber(0) }, "no key of shard 0")
        let second = try require(numbers.first { $0.shard == ShardNumber(1) }, "no key of shard 1")
        let client = try await server.client()
        let stream = try await client.describeStream(try StreamName("s"))
        await client.close()
        return (server, stream, [first, second])
    }

    private static func iterators(_ scene: Scene) async throws -> String {
        let (server, stream, numbers) = try await Self.prepare(scene)
        let connection = try await RawConnection.open(server)
        let node = try await connection.hello().nodeID
        let now = weir_wall_milliseconds()
        func expect(_ frame: [UInt8], _ code: WeirError.Code, _ what: String) async throws {
            let error = try await connection.refusal(frame, correlation: 9)
            try require(
                error.code == code, "\(what): expected \(code.name), it was \(error.code.name): \(error.message)")
            // The same connection goes on.
            _ = try await connection.call(Ping())
        }
        func iterator(_ shard: UInt32, _ start: ShardIteratorType, stream id: StreamID? = nil) -> [UInt8] {
            GetShardIterator(stream: id ?? stream.id, shard: ShardNumber(shard), start: start).frame(correlation: 9)
        }
        func get(_ token: [UInt8], limit: UInt32 = 10) -> [UInt8] {
            GetRecords(iterator: token, limit: limit).frame(correlation: 9)
        }
        func token(issued: Int64, node: UInt64, stream id: StreamID? = nil, shard: UInt32 = 0) -> [UInt8] {
            IteratorToken(
                stream: id ?? stream.id, shard: ShardNumber(shard), index: 0, issuedAtMillis: issued, nodeID: node
            ).encode()
        }
        try await expect(iterator(0, .atSequenceNumber(numbers[1])), .invalidArgument, "the number of another shard")
        try await expect(iterator(1, .afterSequenceNumber(numbers[0])), .invalidArgument, "after it")
        try await expect(iterator(0, .atTimestamp(now + 3_600_000)), .invalidArgument, "a time to come")
        try await expect(iterator(7, .trimHorizon), .shardNotFound, "an unknown shard")
        try await expect(iterator(0, .trimHorizon, stream: StreamID(4711)), .streamNotFound, "an unknown stream")
        try await expect(get(token(issued: now - 301_000, node: node)), .iteratorExpired, "an iterator of 301 s ago")
        try await expect(get(token(issued: now, node: node &+ 1)), .invalidArgument, "an iterator of another node")
        try await expect(get(token(issued: now, node: node, shard: 9)), .shardNotFound, "an unknown shard")
        try await expect(get([1, 2, 3]), .invalidArgument, "bytes that are no iterator")
        try await expect(get(Array(repeating: 7, count: 600)), .invalidArgument, "too many of them")
        try await expect(get(token(issued: now, node: node), limit: 10_001), .invalidArgument, "too large a limit")
        // A good one works in between, and again.
        for _ in 0..<2 {
            let answer = try await connection.answer(get(token(issued: now, node: node)), correlation: 9)
            try require(answer.header.type == .getRecordsAnswer, "a good iterator was not answered")
        }
        try await server.weir.succeed("stream", "delete", "s")
        try await expect(get(token(issued: now, node: node)), .streamDeleted, "an iterator of a deleted stream")
        return ""
    }

    private static func foreignNumber(_ scene: Scene) async throws -> String {
        let (server, _, numbers) = try await Self.prepare(scene)
        try await server.weir.run("get", "s", "--shard", "0", "--from", numbers[1].description).expect(2)
            .expect(saying: "shardId-000000000001")
        try await server.weir.run("get", "s", "--from", numbers[0].description).expect(2).expect(saying: "--shard")
        try await server.weir.run("get", "s", "--shard", "5").expect(1).expect(saying: "shardId-000000000005")
        let own = try await server.weir.succeed("get", "s", "--shard", "1", "--from", numbers[1].description, "--json")
        let first = try require(try own.json().first, "nothing at the record's own number")
        try require(first["sequenceNumber"] == .string(numbers[1].description), "it begins at \(first)")
        return ""
    }
}
