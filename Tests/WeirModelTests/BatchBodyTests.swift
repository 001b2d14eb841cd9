// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@Suite struct BatchBodyTests {
    static func body(_ records: [(key: String, hash: HashKey?, data: String)]) -> [UInt8] {
        var builder = BatchBodyBuilder()
        for record in records {
            Array(record.key.utf8).withUnsafeBytes { key in
                Array(record.data.utf8).withUnsafeBytes { data in
                    builder.append(key: key, explicitHashKey: record.hash, data: data)
                }
            }
        }
        return builder.finish()
    }

    static let sample = Self.body([("a", nil, "hello"), ("", HashKey(7), ""), ("key", .max, "x")])

    @Test func recordsReadBackAsTheyWereWritten() throws {
        try Self.sample.withUnsafeBytes { raw in
            let header = try BatchBody.header(of: raw)
            #expect(header.count == 3)
            #expect(header.bodyLength == raw.count)
            #expect(BatchBody.checksumMatches(raw, header))
            var cursor = RecordCursor(records: raw.slice(BatchBody.headerBytes, header.recordsLength))
            var seen: [String] = []
            while let record = try cursor.next() {
                let parts = [
                    String(decoding: record.key, as: UTF8.self), record.explicitHashKey?.description ?? "-",
                    String(decoding: record.data, as: UTF8.self),
                ]
                seen.append(parts.joined(separator: "|"))
            }
            #expect(seen == ["a|-|hello", "|7|", "key|\(UInt128.max)|x"])
        }
    }

    @Test func everyCutIsNoticed() {
        for length in 0..<Self.sample.count {
            Array(Self.sample[0..<length]).withUnsafeBytes { raw in
                _ = #expect(throws: MalformedBytes.self) { try BatchBody.header(of: raw) }
            }
        }
    }

    @Test func everyFlippedBitIsNoticed() {
        for bit in 0..<Self.sample.count * 8 {
            var flipped = Self.sample
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            flipped.withUnsafeBytes { raw in
                guard let header = try? BatchBody.header(of: raw), header.bodyLength == raw.count else { return }
                #expect(!BatchBody.checksumMatches(raw, header), "bit \(bit)")
            }
        }
    }

    @Test func aPlacementReadsBackAndEveryFlippedBitIsNoticed() throws {
        let placement = Placement(
            stream: StreamID(9), shard: ShardNumber(4), firstIndex: 77, count: 12, arrivalMillis: -5, bodyLength: 1000)
        var bytes = [UInt8](repeating: 0, count: Placement.bytes)
        bytes.withUnsafeMutableBytes { placement.write(to: $0) }
        #expect(try bytes.withUnsafeBytes { try Placement(reading: $0) } == placement)
        for bit in 0..<bytes.count * 8 {
            var flipped = bytes
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            flipped.withUnsafeBytes { raw in
                _ = #expect(throws: MalformedBytes.self) { try Placement(reading: raw) }
            }
        }
    }

    @Test func integersReadAtAnyOffsetAndNotPastTheEnd() throws {
        var writer = ByteWriter()
        writer.write(UInt8(1))
        writer.write(UInt64(0x0102_0304_0506_0708))
        writer.write("zoë")
        writer.write(optional: UInt16?.none)
        try writer.bytes.withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            #expect(try reader.read(UInt8.self) == 1)
            #expect(try reader.read(UInt64.self) == 0x0102_0304_0506_0708)
            #expect(try reader.readString() == "zoë")
            #expect(try reader.readOptional(UInt16.self) == nil)
            try reader.expectEnd()
            #expect(throws: MalformedBytes.self) { try reader.read(UInt8.self) }
        }
    }
}
