// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@Suite struct PutRecordsTests {
    private static let payload = Array(Samples.groupedPut.dropFirst(FrameHeader.bytes))

    private func read(_ payload: [UInt8]) throws(MalformedBytes) {
        try payload.exactly { raw throws(MalformedBytes) in _ = try PutRecordsView(payload: raw) }
    }

    @Test func `Groups are read in their order where they lie`() throws {
        try Self.payload.exactly { raw throws(MalformedBytes) in
            let view = try PutRecordsView(payload: raw)
            #expect(view.header.stream == Samples.stream)
            #expect(view.header.mapVersion == 9)
            #expect(view.header.sequence == 41)
            #expect(view.header.seenThrough == 38)
            #expect(view.groupCount == 2)
            #expect(view.recordCount == 3)
            #expect(!view.isRoutedByServer)
            let groups = Array(view.groups)
            #expect(groups.map(\.shard) == [ShardNumber(1), ShardNumber(2)])
            #expect(groups.map { Array($0.body) } == [Samples.twoRecords, Samples.oneRecord])
            #expect(groups[0].body.baseAddress == raw.baseAddress.map { $0 + 48 })
        }
    }

    @Test func `A put that the server routes is one group without a shard`() throws {
        try Array(Samples.routedPut.dropFirst(FrameHeader.bytes)).exactly { raw throws(MalformedBytes) in
            let view = try PutRecordsView(payload: raw)
            #expect(view.isRoutedByServer)
            #expect(view.recordCount == 2)
            #expect(view.groups.map(\.shard) == [nil])
        }
    }

    @Test func `Correlation, map version and order can be stamped on a finished frame`() throws {
        var frame = Samples.groupedPut
        PutRecords.stamp(&frame, correlation: 77, mapVersion: 10, sequence: 42, seenThrough: 41)
        var writer = PutRecordsWriter(
            PutRecords.Header(stream: Samples.stream, mapVersion: 10, sequence: 42, seenThrough: 41), capacity: 0)
        writer.append(shard: ShardNumber(1), body: Samples.twoRecords)
        Samples.oneRecord.withUnsafeBytes { writer.append(shard: ShardNumber(2), body: $0) }
        #expect(writer.groupCount == 2)
        #expect(writer.payloadLength == frame.count - FrameHeader.bytes)
        #expect(writer.finish(correlation: 77) == frame)
    }

    /// Offsets in the payload: groups 32, reserved 36, first group's shard 40, length 44, body 48, its count 52, its
    /// records length 56; the second group begins at 103.
    @Test(arguments: [
        ("no groups", 32, little(UInt32(0))),
        ("fewer groups than there are", 32, little(UInt32(1))),
        ("more groups than there are", 32, little(UInt32(3))),
        ("more groups than allowed", 32, little(UInt32(10_001))),
        ("as many groups as can be written", 32, little(UInt32.max)),
        ("a reserved field", 36, little(UInt32(1))),
        ("a routed group that is not the only one", 40, little(UInt32.max)),
        ("a length of 0", 44, little(UInt32(0))),
        ("a length beyond the payload", 44, little(UInt32.max)),
        ("a length that is not the body's", 44, little(UInt32(54))),
        ("an unknown format", 48, [2]),
        ("an unknown codec", 49, [1]),
        ("a body without records", 52, little(UInt32(0))),
        ("more records than have room", 52, little(UInt32(5))),
        ("as many records as can be written", 52, little(UInt32.max)),
        ("records beyond the body", 56, little(UInt32(40))),
        ("records short of the body", 56, little(UInt32(38))),
        ("a second routed group", 103, little(UInt32.max)),
    ])
    func `What is not a put is refused as a whole`(_ name: String, _ offset: Int, _ bytes: [UInt8]) {
        #expect(throws: MalformedBytes.self, "\(name)") { try read(Self.payload.replacing(offset, bytes)) }
    }

    @Test func `10,000 groups are a put, 10,001 are not`() throws {
        func put(_ groups: Int) -> [UInt8] {
            var writer = PutRecordsWriter(PutRecords.Header(stream: Samples.stream, mapVersion: 1))
            for shard in 0..<groups { writer.append(shard: ShardNumber(UInt32(shard)), body: Samples.oneRecord) }
            return Array(writer.finish().dropFirst(FrameHeader.bytes))
        }
        try put(10_000).exactly { raw throws(MalformedBytes) in
            let view = try PutRecordsView(payload: raw)
            #expect(view.groups.reduce(0) { count, _ in count + 1 } == 10_000)
        }
        #expect(throws: MalformedBytes.self) { try read(put(10_001)) }
    }

    @Test func `A body of 16 MiB - 4 KiB is a group, one byte more is not`() throws {
        func put(_ bytes: Int) -> [UInt8] {
            var builder = BatchBodyBuilder(capacity: bytes)
            let data = [UInt8](repeating: 0, count: bytes - BatchBody.headerBytes - BatchBody.recordHeaderBytes)
            data.withUnsafeBytes { builder.append(key: UnsafeRawBufferPointer(rebasing: $0[..<0]), data: $0) }
            var writer = PutRecordsWriter(PutRecords.Header(stream: Samples.stream, mapVersion: 1))
            writer.append(shard: ShardNumber(1), body: builder.finish())
            return Array(writer.finish().dropFirst(FrameHeader.bytes))
        }
        let limit = (16 << 20) - 4096
        try read(put(limit))
        #expect(throws: MalformedBytes.self) { try read(put(limit + 1)) }
    }
}
