// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirEngine
import WeirModel

@Suite struct BatchCutTests {
    private func batch(_ count: Int, first: UInt64 = 100) -> (Placement, [UInt8]) {
        let records = (0..<count).map { TestRecord("key-\($0)", "value \($0)", hashKey: $0 == 2 ? HashKey(7) : nil) }
        let body = TestBatch.body(records)
        return (
            Placement(
                stream: StreamID(3), shard: ShardNumber(4), firstIndex: first, count: count, arrivalMillis: 99,
                bodyLength: body.count), body
        )
    }

    private func cut(_ placement: Placement, _ body: [UInt8], _ indexes: Range<UInt64>) throws -> [UInt8]? {
        try body.withUnsafeBytes { try BatchCut.cut(placement, body: $0, to: indexes) }
    }

    @Test(
        arguments: [
            (100, 110, false), (100, 105, false), (100, 104, true), (106, 110, true), (103, 108, false), (0, 101, true),
            (109, 500, true), (0, 500, false),
        ] as [(UInt64, UInt64, Bool)])
    func `A batch is cut when less than half of it is asked for`(_ from: UInt64, _ to: UInt64, _ isCut: Bool) {
        let (placement, _) = self.batch(10)
        #expect(BatchCut.isWorthwhile(placement, from..<to) == isCut)
    }

    @Test func `The cut holds exactly the records that were asked for, framed anew`() throws {
        let (placement, body) = self.batch(10)
        for from in UInt64(98)...112 {
            for to in from...112 {
                let cut = try self.cut(placement, body, from..<to)
                let kept = max(100, from)..<max(max(100, from), min(110, to))
                guard !kept.isEmpty else {
                    #expect(cut == nil)
                    continue
                }
                let bytes = try #require(cut)
                try bytes.withUnsafeBytes { raw in
                    let placement = try Placement(reading: raw)
                    #expect(placement.firstIndex == kept.lowerBound && placement.endIndex == kept.upperBound)
                    #expect(placement.arrivalMillis == 99 && placement.totalLength == raw.count)
                    #expect(placement.stream == StreamID(3) && placement.shard == ShardNumber(4))
                    let body = raw.slice(Placement.bytes, placement.bodyLength)
                    let header = try BatchBody.header(of: body)
                    #expect(header.count == kept.count && header.bodyLength == body.count)
                    #expect(BatchBody.checksumMatches(body, header))
                    var cursor = RecordCursor(records: body.slice(BatchBody.headerBytes, header.recordsLength))
                    for index in kept {
                        let record = try #require(try cursor.next())
                        #expect(String(decoding: record.key, as: UTF8.self) == "key-\(index - 100)")
                        #expect(String(decoding: record.data, as: UTF8.self) == "value \(index - 100)")
                        #expect(record.explicitHashKey == (index == 102 ? HashKey(7) : nil))
                    }
                    #expect(try cursor.next() == nil)
                }
            }
        }
    }

    @Test func `A body that holds fewer records than its placement names is an error`() {
        let (_, body) = self.batch(3)
        let wrong = Placement(
            stream: StreamID(3), shard: ShardNumber(4), firstIndex: 0, count: 9, arrivalMillis: 0,
            bodyLength: body.count)
        #expect(throws: MalformedBytes.self) { try self.cut(wrong, body, 5..<6) }
    }
}
