// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@Suite struct RecordsTests {
    private struct Seen: Equatable {
        let index: UInt64
        let arrivalMillis: Int64
        let key: String
        let data: String
    }

    private func payload(_ header: RecordsHeader, _ batches: [UInt8]) -> [UInt8] {
        var header = header
        header.batchBytes = UInt32(batches.count)
        return Array(header.answerHead(correlation: 1).dropFirst(FrameHeader.bytes)) + batches
    }

    private func records(_ payload: [UInt8]) throws(MalformedBytes) -> [Seen] {
        try payload.exactly { raw throws(MalformedBytes) in
            var seen: [Seen] = []
            try RecordsView(payload: raw).forEachRecord { index, arrivalMillis, record in
                seen.append(
                    Seen(
                        index: index, arrivalMillis: arrivalMillis, key: String(decoding: record.key, as: UTF8.self),
                        data: String(decoding: record.data, as: UTF8.self)))
            }
            return seen
        }
    }

    private func placement(
        stream: StreamID = Samples.stream, shard: UInt32 = 1, first: UInt64 = 998, count: Int = 2, length: Int? = nil
    ) -> Placement {
        Placement(
            stream: stream, shard: ShardNumber(shard), firstIndex: first, count: count, arrivalMillis: Samples.time,
            bodyLength: length ?? Samples.twoRecords.count)
    }

    @Test func `Records outside of what was asked are dropped`() throws {
        let all = [
            Seen(index: 998, arrivalMillis: Samples.time, key: "a", data: "hello"),
            Seen(index: 999, arrivalMillis: Samples.time, key: "b", data: ""),
            Seen(index: 1000, arrivalMillis: Samples.time + 5, key: "k", data: "x"),
        ]
        for first in 998...1001 {
            for next in first...1001 {
                var header = Samples.recordsHeader
                (header.firstIndex, header.nextIndex) = (UInt64(first), UInt64(next))
                let seen = try records(payload(header, Samples.batches))
                #expect(seen == all.filter { $0.index >= first && $0.index < next }, "[\(first), \(next))")
            }
        }
    }

    @Test func `Numbers are made from the header, the index and the arrival`() {
        let number = Samples.recordsHeader.sequenceNumber(index: 999, arrivalMillis: 1_700_000_005_999)
        let same = SequenceNumber(
            shardCreationSecond: 1_700_000_000, shard: ShardNumber(1), index: 999, arrivalSecond: 1_700_000_005)
        #expect(number == same)
        let early = Samples.recordsHeader.sequenceNumber(index: 0, arrivalMillis: .min)
        #expect(early.arrivalSecond == 1_700_000_000, "not below the shard's own second")
    }

    @Test func `A flipped bit anywhere in a batch is found`() throws {
        for bit in 0..<Samples.batches.count * 8 {
            var batches = Samples.batches
            batches[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: MalformedBytes.self, "bit \(bit)") {
                try records(payload(Samples.recordsHeader, batches))
            }
        }
    }

    @Test func `A batch that does not belong here is refused, though its checksums are right`() throws {
        let body = Samples.twoRecords
        let wrong = [
            self.placement(stream: StreamID(8)), self.placement(shard: 2), self.placement(count: 1),
            self.placement(count: 3), self.placement(first: .max), self.placement(first: 1 << 63 - 2),
            self.placement(length: body.count + 1), self.placement(length: body.count - 1), self.placement(length: 0),
        ]
        #expect(throws: Never.self) { try records(payload(Samples.recordsHeader, Samples.placed(placement(), body))) }
        for placement in wrong {
            #expect(throws: MalformedBytes.self, "\(placement)") {
                try records(payload(Samples.recordsHeader, Samples.placed(placement, body)))
            }
        }
    }

    @Test func `A body that counts its records wrongly is refused`() throws {
        for count in [1, 3] {
            var body = Samples.twoRecords
            body.withUnsafeMutableBytes {
                BatchBody.seal($0, count: count, recordsLength: $0.count - BatchBody.headerBytes)
            }
            let batch = Samples.placed(placement(count: count), body)
            #expect(throws: MalformedBytes.self) { try records(payload(Samples.recordsHeader, batch)) }
        }
    }

    @Test func `The end of a shard comes with its children and without an iterator`() throws {
        try payload(Samples.endHeader, []).exactly { raw throws(MalformedBytes) in
            let header = try RecordsView(payload: raw).header
            #expect(header == Samples.endHeader)
            #expect(header.isEndOfShard)
            #expect(header.nextIterator == nil)
            #expect(header.children == [Samples.openShard])
        }
        let open = payload(Samples.endHeader, []).replacing(12, little(UInt32(0)))
        #expect(throws: MalformedBytes.self) { try records(open) }
    }

    @Test(arguments: [
        ("unknown flags", 12, little(UInt32(2))), ("going backwards", 24, little(UInt64(998))),
        ("more batches than are there", 56, little(UInt32.max)), ("a long iterator", 60, little(UInt16(513))),
        ("children that are not there", 62, little(UInt16.max)),
    ])
    func `A header that cannot be is refused`(_ name: String, _ offset: Int, _ bytes: [UInt8]) throws {
        let payload = payload(Samples.recordsHeader, Samples.batches)
        #expect(throws: MalformedBytes.self, "\(name)") { try records(payload.replacing(offset, bytes)) }
    }
}
