// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import WeirLog
import WeirModel
import WeirProtocol

@testable import WeirServer

@Suite struct PutTests {
    @Test func `A put that the server routes is answered with positions, and read back by shard`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 4)
            let records = (0..<100).map { TestRecord("key-\($0)", "record \($0)") }
            let outcome = try client.put(stream, records)
            #expect(outcome.stored == 100 && outcome.refused == 0)
            #expect(outcome.recordEntries.count == 100 && outcome.entries.count == 4)
            let ranges = HashKeyRange.tiling(4)
            for (position, record) in records.enumerated() {
                let shard = try #require(ranges.firstIndex { $0.contains(record.routingKey) })
                #expect(outcome.entries[outcome.recordEntries[position]].shard == ShardNumber(UInt32(shard)))
            }
            for shard in 0..<4 {
                let expected = records.filter { ranges[shard].contains($0.routingKey) }
                let found = try client.readAll(stream, UInt32(shard))
                #expect(found.map(\.key) == expected.map(\.key), "in the order of the request")
                #expect(found.map(\.index) == (0..<UInt64(expected.count)).map { $0 })
            }
        }
    }

    @Test func `Groups are stored as they came, and each is judged alone`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 2)
            let low = (0..<5).map { TestRecord("l\($0)", hashKey: HashKey(UInt128($0))) }
            let high = (0..<5).map { TestRecord("h\($0)", hashKey: HashKey(UInt128.max - UInt128($0))) }
            let outcome = try client.put(
                stream,
                groups: [
                    (ShardNumber(0), low), (ShardNumber(1), high), (ShardNumber(0), [low[0], high[0]]),
                    (ShardNumber(9), low), (ShardNumber(1), [high[1]]),
                ])
            #expect(outcome.entries.map(\.count) == [5, 5, 2, 5, 1])
            #expect(outcome.entries.map { $0.error?.code } == [nil, nil, .wrongShard, .shardNotFound, nil])
            #expect(outcome.entries[2].error?.verdict.retry == .refreshShardMap)
            #expect(try client.readAll(stream, 0).map(\.key) == low.map(\.key))
            #expect(try client.readAll(stream, 1).map(\.key) == high.map(\.key) + ["h1"])
            let first = try #require(outcome.entries[0].sequenceNumber(at: 0))
            #expect(first.index == 0 && first.shard == ShardNumber(0))
            #expect(outcome.entries[4].sequenceNumber(at: 0)?.index == 5)
        }
    }

    /// Each group is appended by itself, and the third does not fit the 2 MiB that a commit takes.
    @Test func `Groups for several shards lie in one commit`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 3)
            let starts = HashKeyRange.tiling(3).map(\.lower)
            let groups = (0..<3).map { shard in
                (ShardNumber(UInt32(shard)), [TestRecord("k", bytes: 900_000, hashKey: starts[shard])])
            }
            #expect(try client.put(stream, groups: groups).stored == 3)
            let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: node.folder + "/segment-00000001.log")))
            let batches = bytes.withUnsafeBytes { raw in
                var batches: [Int] = []
                var offset = SegmentHeader.bytes
                while offset < raw.count, let header = try? CommitHeader(reading: raw.slice(offset, raw.count - offset))
                {
                    #expect(header.checksumMatches(raw.slice(offset, header.paddedLength)))
                    batches.append(header.batchCount)
                    offset += header.paddedLength
                }
                return batches.filter { $0 > 0 }
            }
            #expect(batches == [3])
        }
    }

    @Test func `A batch whose checksum does not match is refused with the whole put`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            var frame = RawClient.putFrame(
                stream, [(ShardNumber(0), [TestRecord("a")]), (ShardNumber(0), [TestRecord("b")])], correlation: 5)
            frame[frame.count - 1] ^= 1
            try client.send(frame)
            let error = try #require(try client.answer(to: 5).error)
            #expect(error.code == .checksumMismatch && !error.verdict.maybeStored)
            #expect(error.message.contains("from 1 on"))
            #expect(try client.put(stream, [TestRecord("c")]).stored == 1)
            #expect(try client.readAll(stream).map(\.key) == ["c"])
        }
    }

    @Test func `Keys of 1 to 256 characters pass, others are named by their record`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            let allowed = ["a", String(repeating: "k", count: 256), String(repeating: "\u{1f600}", count: 256), "é"]
            #expect(try client.put(stream, allowed.map { TestRecord($0) }).stored == 4)
            #expect(try client.readAll(stream).map(\.key) == allowed)
            let wrong = [
                ("", "is empty"), (String(repeating: "k", count: 257), "257 characters"),
                (String(repeating: "\u{1f600}", count: 257), "1028 bytes"),
                (String(repeating: "é", count: 257), "257 characters"),
            ]
            for (key, what) in wrong {
                let error = #expect(throws: WeirError.self) {
                    try client.put(stream, [TestRecord("fine"), TestRecord(key)])
                }
                #expect(error?.code == .invalidArgument)
                #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
                #expect(error?.message.contains("record 1 ") == true)
                #expect(error?.message.contains("1 to 256 characters") == true)
            }
            var frame = RawClient.putFrame(stream, [(nil, [TestRecord("ab")])], correlation: 5)
            let key = try #require(frame.indices.dropLast().first { frame[$0] == 0x61 && frame[$0 + 1] == 0x62 })
            frame[key] = 0xff
            RawClient.seal(&frame)
            try client.send(frame)
            #expect(try client.answer(to: 5).error?.message.contains("not UTF-8") == true)
            #expect(try client.readAll(stream).count == 4)
        }
    }

    @Test func `Records up to the stream's limit pass, larger ones are refused whole with the limit`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            #expect(try client.put(stream, [TestRecord("k", bytes: (1 << 20) - 1)]).stored == 1)
            let error = #expect(throws: WeirError.self) {
                try client.put(stream, [TestRecord("k"), TestRecord("k", bytes: 1 << 20)])
            }
            #expect(error?.code == .recordTooLarge)
            #expect(error?.message.contains("record 1 ") == true && error?.message.contains("1048576") == true)
            _ = try client.call(UpdateStream(stream: stream, recordBytesMax: 10 << 20), StreamAnswer.self)
            #expect(try client.put(stream, [TestRecord("k", bytes: (10 << 20) - 1)]).stored == 1)
            #expect(try client.put(stream, [TestRecord("k", "")]).stored == 1, "data may be empty")
            #expect(try client.readAll(stream).map(\.dataBytes) == [(1 << 20) - 1, (10 << 20) - 1, 0])
        }
    }

    @Test func `A put holds at most 500 records and 10 MiB`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            #expect(try client.put(stream, (0..<500).map { TestRecord("k\($0)") }).stored == 500)
            let many = #expect(throws: WeirError.self) {
                try client.put(stream, (0..<501).map { TestRecord("k\($0)") })
            }
            #expect(many?.code == .invalidArgument && many?.message.contains("1 to 500") == true)
            let large = #expect(throws: WeirError.self) {
                try client.put(stream, (0..<11).map { TestRecord("k\($0)", bytes: 1_000_000) })
            }
            #expect(large?.code == .invalidArgument && large?.message.contains("10485760") == true)
            #expect(try client.put(stream, (0..<10).map { TestRecord("k\($0)", bytes: 1_000_000) }).stored == 10)
            #expect(try client.readAll(stream).count == 510)
        }
    }

    @Test func `A body that holds more or fewer records than it names is malformed`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            for count in [1, 3] as [UInt32] {
                var frame = RawClient.putFrame(stream, [(nil, [TestRecord("a"), TestRecord("b")])], correlation: 5)
                frame.withUnsafeMutableBytes { $0.store(count, at: RawClient.bodyOffset + 4) }
                RawClient.seal(&frame)
                try client.send(frame)
                let error = try #require(try client.answer(to: 5).error)
                #expect(error.code == .malformedRequest, "\(error)")
                #expect(error.message.contains("\(count) records"))
            }
            #expect(try client.ask(Ping()).type == .pingAnswer)
        }
    }

    @Test func `A stream that is not there, or no more, is told`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            let unknown = #expect(throws: WeirError.self) { try client.put(StreamID(99), [TestRecord("k")]) }
            #expect(unknown?.code == .streamNotFound)
            #expect(try client.put(stream, [TestRecord("k")]).stored == 1)
            _ = try client.call(DeleteStream(stream: stream), Empty.self)
            let deleted = #expect(throws: WeirError.self) { try client.put(stream, [TestRecord("k")]) }
            #expect(deleted?.code == .streamDeleted)
        }
    }

    @Test func `After a split its parent refuses and its children take over`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            let before = try client.put(stream, [TestRecord("a"), TestRecord("b")])
            let split = try client.call(SplitShard(stream: stream, shard: ShardNumber(0)), ReshardAnswer.self)
            #expect(split.closed == [ShardNumber(0)] && split.opened == [ShardNumber(1), ShardNumber(2)])
            let grouped = try client.put(stream, groups: [(ShardNumber(0), [TestRecord("a")])])
            #expect(grouped.entries[0].error?.code == .wrongShard)
            #expect(grouped.mapVersion == split.mapVersion && split.mapVersion > before.mapVersion)
            let records = (0..<50).map { TestRecord("k\($0)") }
            let routed = try client.put(stream, records)
            #expect(routed.stored == 50 && Set(routed.entries.map(\.shard)) == [ShardNumber(1), ShardNumber(2)])
            let parent = try #require(before.entries[0].sequenceNumber(at: 1))
            #expect(routed.entries.allSatisfy { $0.sequenceNumber(at: 0).map { $0 > parent } == true })
            #expect(try client.readAll(stream, 0).count == 2)
            #expect(try client.readAll(stream, 1).count + client.readAll(stream, 2).count == 50)
        }
    }

    @Test func `Many connections on several loops lose and double nothing`() async throws {
        try await TestNode.run {
            $0.loops = 3
        } _: { node in
            let (client, stream) = try node.stream(shards: 8)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<6 {
                    group.addTask {
                        let client = try node.connect()
                        for round in 0..<20 {
                            let records = (0..<25).map { TestRecord("w\(writer)-\($0)", "\(round)") }
                            #expect(try client.put(stream, records).stored == 25)
                        }
                    }
                }
                try await group.waitForAll()
            }
            var found: [String: [String]] = [:]
            for shard in UInt32(0)..<8 {
                let records = try client.readAll(stream, shard)
                #expect(records.map(\.index) == (0..<UInt64(records.count)).map { $0 })
                for record in records { found[record.key, default: []].append(record.data) }
            }
            #expect(found.count == 150)
            #expect(found.values.allSatisfy { $0 == (0..<20).map { "\($0)" } }, "each key in its order, once")
            let status = try client.call(Status(), StatusAnswer.self)
            #expect(status[.recordsIn] == 3000)
        }
    }
}

extension RawClient {
    /// Where the first body of a put's frame begins.
    static var bodyOffset: Int { FrameHeader.bytes + PutRecords.headerBytes + PutRecords.groupHeaderBytes }

    /// Computes the checksum of the only body of a frame again.
    static func seal(_ frame: inout [UInt8]) {
        let offset = Self.bodyOffset
        frame.withUnsafeMutableBytes { raw in
            let body = UnsafeRawBufferPointer(rebasing: raw[offset...])
            let checksum = BatchBody.checksum(
                header: body, records: body.slice(BatchBody.headerBytes, body.count - BatchBody.headerBytes))
            raw.store(checksum, at: offset + 12)
        }
    }
}
