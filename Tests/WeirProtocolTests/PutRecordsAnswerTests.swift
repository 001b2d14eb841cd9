// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@Suite struct PutRecordsAnswerTests {
    private func payload(_ entries: [PutEntry], records: [Int] = []) -> [UInt8] {
        var writer = PutRecordsAnswerWriter(mapVersion: 3, entries: entries.count, records: records.count)
        for entry in entries { writer.append(entry) }
        for position in records { writer.appendRecord(inEntry: position) }
        return Array(writer.finish(correlation: 1).dropFirst(FrameHeader.bytes))
    }

    private func read(_ payload: [UInt8]) throws(MalformedBytes) {
        try payload.exactly { raw throws(MalformedBytes) in _ = try PutRecordsAnswerView(payload: raw) }
    }

    @Test func `Records of a routed put find their entry and their numbers`() throws {
        let stored = PutEntry(
            shard: ShardNumber(2), count: 2,
            outcome: .stored(.init(firstIndex: 10, arrivalMillis: 5999, shardCreationSecond: 4)))
        let refused = PutEntry(shard: ShardNumber(0), count: 1, refused: .throughputExceeded)
        try payload([stored, refused], records: [0, 1, 0]).exactly { raw throws(MalformedBytes) in
            let view = try PutRecordsAnswerView(payload: raw)
            #expect(view.mapVersion == 3)
            #expect((0..<3).map(view.entryPosition) == [0, 1, 0])
            #expect(view[0] == stored)
            #expect(view[1] == refused)
            #expect(
                view[0].sequenceNumber(at: 1)
                    == SequenceNumber(shardCreationSecond: 4, shard: ShardNumber(2), index: 11, arrivalSecond: 5))
            #expect(view[0].sequenceNumber(at: 2) == nil)
            #expect(view[0].sequenceNumber(at: -1) == nil)
            #expect(view[0].error == nil)
            #expect(view[1].sequenceNumber(at: 0) == nil)
            #expect(view[1].error?.code == .throughputExceeded)
            #expect(view[1].error?.verdict == WeirError.Code.throughputExceeded.usualVerdict)
            #expect(view[1].error?.message.contains("shardId-000000000000") == true)
        }
    }

    @Test(arguments: WeirError.Code.allCases)
    func `Every refusal arrives with its verdict, and a sentence that names the shard`(_ code: WeirError.Code) throws {
        for verdict in [
            code.usualVerdict, .init(maybeStored: true, retry: .after(millis: 12)),
            .init(maybeStored: false, retry: .refreshShardMap),
        ] {
            let entry = PutEntry(shard: ShardNumber(7), count: 9, refused: code, verdict: verdict)
            try payload([entry]).exactly { raw throws(MalformedBytes) in
                let view = try PutRecordsAnswerView(payload: raw)
                #expect(view[0] == entry)
                #expect(view[0].error?.message.contains("shardId-000000000007") == true)
            }
        }
    }

    /// Offsets: entries 8, records 12, first entry 16 with status 20, retry kind 22, flags 23, count 24, retry after
    /// 28, index 32, reserved 56; second entry 64 with arrival 88; records of the put behind 112.
    @Test(arguments: [
        ("no entries", 8, little(UInt32(0))),
        ("more entries than are there", 8, little(UInt32(3))),
        ("as many entries as can be written", 8, little(UInt32.max)),
        ("fewer records than are there", 12, little(UInt32(1))),
        ("as many records as can be written", 12, little(UInt32.max)),
        ("a stored entry to be retried", 22, [1]),
        ("a stored entry that may be stored", 23, [1]),
        ("unknown flags", 23, [2]),
        ("an entry without records", 24, little(UInt32(0))),
        ("counts that do not add up", 24, little(UInt32(2))),
        ("a stored entry to be retried after a time", 28, little(UInt32(1))),
        ("an index that no shard has", 32, little(UInt64(1) << 63)),
        ("the index behind the last", 32, little(UInt64(1) << 63 - 1)),
        ("a reserved field", 56, little(UInt64(1))),
        ("an unknown retry kind", 70, [3]),
        ("a refused entry with a position", 88, little(Int64(1))),
        ("a record of an entry that is not there", 112, little(UInt16(2))),
    ])
    func `What is not an answer is refused`(_ name: String, _ offset: Int, _ bytes: [UInt8]) throws {
        let refused = PutEntry(shard: ShardNumber(0), count: 1, refused: .throughputExceeded)
        let payload = payload([Samples.stored, refused], records: [1, 0])
        try read(payload)
        #expect(throws: MalformedBytes.self, "\(name)") { try read(payload.replacing(offset, bytes)) }
    }

    @Test func `A status of a later version keeps its number`() throws {
        let entry = PutEntry(shard: ShardNumber(1), count: 1, refused: .behind)
        try payload([entry]).replacing(20, little(UInt16(999))).exactly { raw throws(MalformedBytes) in
            let read = try PutRecordsAnswerView(payload: raw)[0]
            #expect(read.outcome == .refused(.init(rawValue: 999), WeirError.Code.behind.usualVerdict))
        }
    }

    @Test func `65,536 entries are an answer and the last one can hold a record`() throws {
        let entries = [PutEntry](repeating: PutEntry(shard: ShardNumber(1), count: 1, refused: .behind), count: 65_536)
        let payload = payload(entries, records: Array(0..<65_536).reversed())
        try payload.exactly { raw throws(MalformedBytes) in
            let view = try PutRecordsAnswerView(payload: raw)
            #expect(view.entryPosition(ofRecord: 0) == 65_535)
        }
        let above = payload.replacing(8, little(UInt32(65_537)))
        #expect(throws: MalformedBytes.self) { try read(above + [UInt8](repeating: 0, count: 48)) }
    }
}
