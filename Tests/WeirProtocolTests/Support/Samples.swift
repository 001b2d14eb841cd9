// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

/// One value of every message, the same as in `docs/wire-protocol.md`.
enum Samples {
    static let stream = StreamID(7)
    static let nodeID: UInt64 = 0x0102_0304_0506_0708
    static let time: Int64 = 1_700_000_000_123
    static let quarter = HashKey(1 << 126)

    static let settings = StreamSettings(
        retentionMillis: 86_400_000, maxBytes: 1 << 30, limits: .kinesis, recordBytesMax: 1_048_576)

    static func description(_ name: String) -> StreamDescription {
        guard let name = try? StreamName(name) else { preconditionFailure("not a stream name: \(name)") }
        return StreamDescription(
            id: Self.stream, name: name, settings: Self.settings, createdAtMillis: Self.time, openShards: 4,
            mapVersion: 9, horizonMillis: 0)
    }

    /// Closed by a split into 4 and 5.
    static let closedShard = ShardDescription(
        number: ShardNumber(1), range: HashKeyRange(Self.quarter, HashKey((1 << 127) - 1)), parents: [],
        creationSecond: 1_700_000_000, firstIndex: 0, createdAtMillis: Self.time,
        closed: .init(endIndex: 1000, atMillis: Self.time + 60_000, children: [ShardNumber(4), ShardNumber(5)]))

    /// Made by a merge of 4 and 5.
    static let openShard = ShardDescription(
        number: ShardNumber(6), range: HashKeyRange(Self.quarter, HashKey((1 << 127) - 1)),
        parents: [ShardNumber(4), ShardNumber(5)], creationSecond: 1_700_000_120, firstIndex: 2000,
        createdAtMillis: Self.time + 120_000, closed: nil)

    static let token = IteratorToken(
        stream: Self.stream, shard: ShardNumber(1), index: 1000, issuedAtMillis: Self.time, nodeID: Self.nodeID)

    static func body(_ records: [(key: String, hashKey: HashKey?, data: String)]) -> [UInt8] {
        var builder = BatchBodyBuilder()
        for record in records {
            Array(record.key.utf8).withUnsafeBytes { key in
                Array(record.data.utf8).withUnsafeBytes { data in
                    builder.append(key: key, explicitHashKey: record.hashKey, data: data)
                }
            }
        }
        return builder.finish()
    }

    static let twoRecords = Self.body([("a", nil, "hello"), ("b", Self.quarter, "")])
    static let oneRecord = Self.body([("k", nil, "x")])

    static func placed(_ placement: Placement, _ body: [UInt8]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Placement.bytes)
        bytes.withUnsafeMutableBytes { placement.write(to: $0) }
        return bytes + body
    }

    /// Two batches of shard 1: indexes 998 and 999, then 1000.
    static let batches: [UInt8] =
        Self.placed(
            Placement(
                stream: Self.stream, shard: ShardNumber(1), firstIndex: 998, count: 2, arrivalMillis: Self.time,
                bodyLength: Self.twoRecords.count), Self.twoRecords)
        + Self.placed(
            Placement(
                stream: Self.stream, shard: ShardNumber(1), firstIndex: 1000, count: 1, arrivalMillis: Self.time + 5,
                bodyLength: Self.oneRecord.count), Self.oneRecord)

    static let recordsHeader = RecordsHeader(
        stream: Self.stream, shard: ShardNumber(1), firstIndex: 999, nextIndex: 1001, millisBehindLatest: 1500,
        missedRecords: 3, shardCreationSecond: 1_700_000_000, batchBytes: UInt32(Self.batches.count),
        nextIterator: Self.token.encode())

    /// The end of shard 4, without records.
    static let endHeader = RecordsHeader(
        stream: Self.stream, shard: ShardNumber(4), firstIndex: 2000, nextIndex: 2000, millisBehindLatest: 0,
        shardCreationSecond: 1_700_000_060, batchBytes: 0, isEndOfShard: true, children: [Self.openShard])
}
