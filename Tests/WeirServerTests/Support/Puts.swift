// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

/// A record as a test writes it.
struct TestRecord: Hashable {
    var key: String
    var data: [UInt8]
    var hashKey: HashKey?

    init(_ key: String, _ data: String = "data", hashKey: HashKey? = nil) {
        self.key = key
        self.data = Array(data.utf8)
        self.hashKey = hashKey
    }

    init(_ key: String, bytes: Int, hashKey: HashKey? = nil) {
        self.key = key
        self.data = [UInt8](repeating: 120, count: bytes)
        self.hashKey = hashKey
    }

    var routingKey: HashKey { self.hashKey ?? HashKey(partitionKey: self.key) }
}

enum TestBatch {
    static func body(_ records: [TestRecord]) -> [UInt8] {
        var builder = BatchBodyBuilder()
        for record in records {
            var key = record.key
            key.withUTF8 { key in
                record.data.withUnsafeBytes { data in
                    builder.append(
                        key: UnsafeRawBufferPointer(key), explicitHashKey: record.hashKey, data: data)
                }
            }
        }
        return builder.finish()
    }
}

/// What a put brought.
struct PutOutcome {
    let mapVersion: UInt64
    let entries: [PutEntry]
    /// Of a put that the server routed: the entry of each record.
    let recordEntries: [Int]

    init(_ frame: RawClient.Frame) throws {
        if let error = frame.error { throw error }
        (self.mapVersion, self.entries, self.recordEntries) = try frame.payload.withUnsafeBytes { raw in
            let view = try PutRecordsAnswerView(payload: raw)
            return (
                view.mapVersion, (0..<view.entryCount).map { view[$0] },
                (0..<view.recordCount).map { view.entryPosition(ofRecord: $0) }
            )
        }
    }

    var stored: Int { self.entries.filter { $0.error == nil }.reduce(0) { $0 + Int($1.count) } }
    var refused: Int { self.entries.filter { $0.error != nil }.reduce(0) { $0 + Int($1.count) } }
}

extension RawClient {
    static func putFrame(
        _ stream: StreamID, _ groups: [(ShardNumber?, [TestRecord])], correlation: UInt64, sequence: UInt64 = 0,
        seenThrough: UInt64 = 0
    ) -> [UInt8] {
        var writer = PutRecordsWriter(
            PutRecords.Header(stream: stream, mapVersion: 0, sequence: sequence, seenThrough: seenThrough))
        for (shard, records) in groups { writer.append(shard: shard, body: TestBatch.body(records)) }
        return writer.finish(correlation: correlation)
    }

    /// A put that the server routes.
    func put(
        _ stream: StreamID, _ records: [TestRecord], sequence: UInt64 = 0, seenThrough: UInt64 = 0
    ) throws -> PutOutcome {
        try self.put(stream, groups: [(nil, records)], sequence: sequence, seenThrough: seenThrough)
    }

    func put(
        _ stream: StreamID, groups: [(ShardNumber?, [TestRecord])], sequence: UInt64 = 0, seenThrough: UInt64 = 0
    ) throws -> PutOutcome {
        let correlation = self.nextCorrelation()
        try self.send(
            Self.putFrame(
                stream, groups, correlation: correlation, sequence: sequence, seenThrough: seenThrough))
        return try PutOutcome(self.answer(to: correlation))
    }
}
