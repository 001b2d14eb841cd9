// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

/// Counts are checked against their limit and against the bytes that are there before anything is allocated.
@Suite struct ListTests {
    private func read<Message: WireMessage>(_ type: Message.Type, _ bytes: [UInt8]) throws(MalformedBytes) -> Message {
        try bytes.exactly { raw throws(MalformedBytes) in try Message(payload: raw) }
    }

    @Test func `A count without its elements is refused, whatever it is`() {
        for count: UInt32 in [1, 10_000, 10_001, .max] {
            #expect(throws: MalformedBytes.self) { try read(ListStreamsAnswer.self, [0] + little(count)) }
            #expect(throws: MalformedBytes.self) {
                try read(ListShardsAnswer.self, little(UInt64(1)) + [0] + little(count))
            }
            #expect(throws: MalformedBytes.self) {
                try read(ReshardAnswer.self, little(UInt64(1)) + little(count) + little(UInt32(0)))
            }
        }
        #expect(throws: MalformedBytes.self) { try read(StatusAnswer.self, little(UInt16(1025)) + [0, 0]) }
    }

    @Test func `The shortest elements that there can be are read`() throws {
        let stream = StreamDescription(
            id: StreamID(1), name: try StreamName("s"), settings: StreamSettings(limits: .open), createdAtMillis: 2,
            openShards: 1, mapVersion: 3, horizonMillis: 4)
        let streams = ListStreamsAnswer(streams: [stream], hasMore: false)
        #expect(try read(ListStreamsAnswer.self, streams.encode()) == streams)
        let shard = ShardDescription(
            number: ShardNumber(0), range: .all, parents: [], creationSecond: 1, firstIndex: 0, createdAtMillis: 2,
            closed: nil)
        let shards = ListShardsAnswer(mapVersion: 1, shards: [shard], hasMore: false)
        #expect(try read(ListShardsAnswer.self, shards.encode()) == shards)
        let status = StatusAnswer(numbers: [.init("", 1)], texts: [.init("", "")])
        #expect(try read(StatusAnswer.self, status.encode()) == status)
    }

    @Test func `10,000 shards fit into one page and one frame, 10,001 do not`() throws {
        func shards(_ count: Int) -> [ShardDescription] {
            HashKeyRange.tiling(count).enumerated().map { number, range in
                ShardDescription(
                    number: ShardNumber(UInt32(number)), range: range, parents: [ShardNumber(1), ShardNumber(2)],
                    creationSecond: 1, firstIndex: 2, createdAtMillis: 3,
                    closed: .init(endIndex: 9, atMillis: 10, children: [ShardNumber(7), ShardNumber(8)]))
            }
        }
        let full = ListShardsAnswer(mapVersion: 1, shards: shards(10_000), hasMore: false)
        #expect(full.encode().count <= Limits.frameBytesMax)
        #expect(try read(ListShardsAnswer.self, full.encode()) == full)
        let above = full.encode().withOneMore(countAt: 9, element: full.encode().count / 10_000)
        #expect(throws: MalformedBytes.self) { try read(ListShardsAnswer.self, above) }
    }

    @Test func `Known numbers and texts of Status are found by name, others passed over`() throws {
        let answer = StatusAnswer(
            numbers: [.init("of-a-later-version", 1), .init(StatusAnswer.KnownNumber.openShards.rawValue, 4)],
            texts: [.init("version", "0.1.0")])
        let read = try read(StatusAnswer.self, answer.encode())
        #expect(read[.openShards] == 4)
        #expect(read[.streams] == nil)
        #expect(read[.version] == "0.1.0")
        #expect(read[.writeMode] == nil)
    }

    @Test func `An empty hash key range is malformed`() {
        let shard = ListShardsAnswer(mapVersion: 0, shards: [Samples.openShard], hasMore: false).encode()
        // The lower end, behind map version, flag, count and number.
        let bytes = shard.replacing(17, little(UInt128.max))
        #expect(throws: MalformedBytes.self) { try read(ListShardsAnswer.self, bytes) }
    }
}
