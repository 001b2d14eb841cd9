// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol
import WeirStorage

@testable import WeirServer

/// What the wire page says of puts is what the server does.
@Suite struct PutPageTests {
    private func refusal(_ client: RawClient, _ frame: [UInt8], _ correlation: UInt64) throws -> WeirError? {
        try client.send(frame)
        return try client.answer(to: correlation).error
    }

    /// A put whose second group is wrong, so that it shows whether the first is stored.
    private func frame(
        _ stream: StreamID, _ second: [TestRecord], correlation: UInt64, sequence: UInt64 = 0, seenThrough: UInt64 = 0
    ) -> [UInt8] {
        RawClient.putFrame(
            stream, [(ShardNumber(0), [TestRecord("first", hashKey: .min)]), (ShardNumber(0), second)],
            correlation: correlation, sequence: sequence, seenThrough: seenThrough)
    }

    @Test func `Errors of the first table refuse the whole put, and nothing of it is stored`() async throws {
        let page = try WirePage()
        page.says("refuses **the whole put**, with an error and nothing stored")
        var seen: Set<String> = []
        try await TestNode.runOnFaultyDisk { node, disk in
            let (client, stream) = try node.stream()
            let fine = TestRecord("fine", hashKey: .min)
            var damaged = self.frame(stream, [fine], correlation: 1)
            damaged[damaged.count - 1] ^= 1
            var cut = self.frame(stream, [fine], correlation: 2)
            cut.removeLast(2)
            cut.replaceSubrange(0..<4, with: little(UInt32(cut.count - FrameHeader.bytes)))
            let puts: [(WeirError.Code, [UInt8], UInt64)] = [
                (.checksumMismatch, damaged, 1), (.malformedRequest, cut, 2),
                (.invalidArgument, self.frame(stream, [TestRecord("", hashKey: .min)], correlation: 3), 3),
                (
                    .invalidArgument,
                    self.frame(stream, (0..<500).map { TestRecord("\($0)", hashKey: .min) }, correlation: 4), 4
                ),
                (
                    .recordTooLarge,
                    self.frame(stream, [TestRecord("k", bytes: 1 << 20, hashKey: .min)], correlation: 5), 5
                ),
                (.streamNotFound, self.frame(StreamID(99), [fine], correlation: 6), 6),
                (.invalidArgument, self.frame(stream, [fine], correlation: 7, sequence: 1, seenThrough: 1), 7),
            ]
            for (code, frame, correlation) in puts {
                #expect(try self.refusal(client, frame, correlation)?.code == code)
                seen.insert(code.name)
            }
            #expect(try client.readAll(stream).isEmpty)
            // A write that fails.
            disk.hold()
            try client.send(self.frame(stream, [fine], correlation: 8))
            disk.waitUntilHeld()
            disk.letGo(.lost)
            #expect(try client.answer(to: 8).error?.code == .outcomeUnknown)
            var again = 9 as UInt64
            while let error = try self.refusal(client, self.frame(stream, [fine], correlation: again), again) {
                #expect(error.code == .unavailable && !error.verdict.maybeStored, "the node recovers")
                again += 1
            }
            _ = try client.call(DeleteStream(stream: stream), Empty.self)
            #expect(
                try self.refusal(client, self.frame(stream, [fine], correlation: 7777), 7777)?.code == .streamDeleted)
        }
        // A full log: FullLogTests.
        seen.formUnion(["OutcomeUnknown", "StreamDeleted", "Unavailable", "StorageFull"])
        // Beyond the credit: more than one request at a time while nothing is answered.
        try await TestNode.runOnFaultyDisk({ $0.putCreditRequests = 1 }) { node, disk in
            let (client, stream) = try node.stream()
            disk.hold()
            let fine = TestRecord("fine", hashKey: .min)
            for correlation in 1...2 as ClosedRange<UInt64> {
                try client.send(self.frame(stream, [fine], correlation: correlation))
            }
            #expect(try client.answer(to: 2).error?.code == .creditExceeded)
            // Each connection has a credit of its own.
            page.says("Each connection has a credit of its own.")
            let other = try node.connect()
            try other.send(self.frame(stream, [fine], correlation: 3))
            disk.letGo(nil)
            #expect(try PutOutcome(other.answer(to: 3)).stored == 2)
            #expect(try PutOutcome(client.answer(to: 1)).stored == 2)
            #expect(try client.readAll(stream).count == 4)
            seen.insert("CreditExceeded")
        }
        #expect(page.names(inColumn: "Whole put") == seen)
    }

    @Test func `Errors of the second table refuse a group, and the others are stored`() async throws {
        let page = try WirePage()
        try await TestNode.run { node in
            let (client, stream) = try node.stream(
                shards: 2, limits: .explicit(RateLimits(bytesIn: nil, recordsIn: 2, bytesOut: nil, readsOut: nil)))
            let low = TestRecord("low", hashKey: .min)
            let outcome = try client.put(
                stream,
                groups: [
                    (ShardNumber(0), [low]), (ShardNumber(1), [low]), (ShardNumber(7), [low]),
                    (ShardNumber(0), [low, low, low]),
                ])
            #expect(
                outcome.entries.map { $0.error?.code } == [nil, .wrongShard, .shardNotFound, nil, .throughputExceeded])
            #expect(outcome.stored == 2)
            let behind = try client.put(stream, groups: [(ShardNumber(7), [low])], sequence: 1)
            #expect(behind.entries.map { $0.error?.code } == [.shardNotFound])
            let next = try client.put(stream, groups: [(ShardNumber(7), [low])], sequence: 2)
            #expect(next.entries.map { $0.error?.code } == [.shardNotFound])
        }
        // What the storage refuses comes in the same way.
        #expect(
            page.names(inColumn: "For each group") == [
                "WrongShard", "ShardNotFound", "Behind", "ProvisionedThroughputExceeded", "Unavailable",
            ])
    }

    @Test func `A group without records is told as that`() async throws {
        try WirePage().says("a group without records does not either")
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            let whole = RawClient.putFrame(stream, [(ShardNumber(0), [TestRecord("k")])], correlation: 1)
            let groupAt = FrameHeader.bytes + 40
            // A group of 0 bytes, and a body that holds no records.
            var empty = Array(whole[..<(groupAt + 4)]) + little(UInt32(0))
            empty.replaceSubrange(0..<4, with: little(UInt32(empty.count - FrameHeader.bytes)))
            #expect(
                try self.refusal(client, empty, 1)?.message
                    == "PutRecords: a group of 0 bytes holds no batch: that has 16 bytes and a record at least")
            var none =
                Array(whole[..<(groupAt + 4)]) + little(UInt32(16)) + [1, 0, 0, 0] + [UInt8](repeating: 0, count: 12)
            none.replaceSubrange(0..<4, with: little(UInt32(none.count - FrameHeader.bytes)))
            #expect(
                try self.refusal(client, none, 1)?.message
                    == "PutRecords: a batch without records; at least 1 is allowed")
        }
    }

    @Test func `A batch that the client grouped keeps its bytes, one that the server routed is framed anew`()
        async throws
    {
        let page = try WirePage()
        page.says("The client's checksum is then good for the way to the server only.")
        page.says("the server verifies it on arrival and keeps it with the batch")
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            let records = [TestRecord("a", "one"), TestRecord("b", "two")]
            let body = TestBatch.body(records)
            #expect(try client.put(stream, groups: [(ShardNumber(0), records)]).stored == 2)
            // Two puts that the server routes may share a batch.
            for correlation in 1...2 as ClosedRange<UInt64> {
                try client.send(RawClient.putFrame(stream, [(nil, records)], correlation: correlation))
            }
            for correlation in 1...2 as ClosedRange<UInt64> { _ = try PutOutcome(client.answer(to: correlation)) }
            let frame = try client.ask(
                GetRecords(iterator: client.iterator(stream), limit: 10_000, maxBytes: 1 << 20, waitMillis: 0))
            #expect(frame.payload.contains(body))
            var bodies: [[UInt8]] = []
            try frame.payload.withUnsafeBytes { raw in
                var batches = try RecordsView(payload: raw).batches
                while let batch = try batches.next() {
                    #expect(BatchBody.checksumMatches(batch.body, try BatchBody.header(of: batch.body)))
                    bodies.append(Array(batch.body))
                }
            }
            #expect(bodies.first == body)
        }
    }

    @Test func `A key has 1 to 256 code points, whatever a reader takes for one character`() async throws {
        try WirePage().says("a partition key has 1 to 256 code points, so at most 1,024 bytes")
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            // One character to a reader, 5 code points, 18 bytes.
            let family = "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}"
            #expect(family.count == 1 && family.unicodeScalars.count == 5)
            #expect(try client.put(stream, [TestRecord(String(repeating: family, count: 51) + "k")]).stored == 1)
            let error = #expect(throws: WeirError.self) {
                try client.put(stream, [TestRecord(String(repeating: family, count: 51) + "kk")])
            }
            #expect(error?.code == .invalidArgument)
            #expect(try client.put(stream, [TestRecord(String(repeating: "\u{10ffff}", count: 256))]).stored == 1)
        }
    }

    @Test(arguments: ["seen through", "key", "checksum", "stream"])
    func `An ordered put that is refused as a whole holds back what comes behind it`(why: String) async throws {
        try WirePage().says("An ordered put that is refused as a whole counts as a refusal for every shard")
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            #expect(try client.put(stream, [TestRecord("1")], sequence: 1).stored == 1)
            var frame = RawClient.putFrame(
                why == "stream" ? StreamID(99) : stream, [(nil, [TestRecord(why == "key" ? "" : "2")])], correlation: 2,
                sequence: 2, seenThrough: why == "seen through" ? 2 : 1)
            if why == "checksum" { frame[frame.count - 1] ^= 1 }
            // Both are on their way at once.
            try client.send(
                frame
                    + RawClient.putFrame(
                        stream, [(nil, [TestRecord("3")])], correlation: 3, sequence: 3, seenThrough: 1))
            #expect(try client.answer(to: 2).error != nil)
            #expect(try PutOutcome(client.answer(to: 3)).entries.map { $0.error?.code } == [.behind])
            #expect(try client.put(stream, [TestRecord("2")], sequence: 4, seenThrough: 3).stored == 1)
            #expect(try client.readAll(stream).map(\.key) == ["1", "2"])
        }
    }

    @Test func `Puts of one connection are taken in their order, ordered puts also without a session`() async throws {
        let page = try WirePage()
        page.says("The server takes the puts of one connection in the order in which they came, ordered or not")
        page.says("Ordered puts need no session id.")
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 3)
            var bytes: [UInt8] = []
            for number in 1...200 as ClosedRange<UInt64> {
                bytes += RawClient.putFrame(
                    stream, [(nil, (0..<3).map { TestRecord("k\($0)", "\(number)") })], correlation: number,
                    sequence: number % 2 == 0 ? number : 0)
            }
            try client.send(bytes)
            for number in 1...200 as ClosedRange<UInt64> {
                #expect(try PutOutcome(client.answer(to: number)).stored == 3)
            }
            for shard in 0..<3 as Range<UInt32> {
                let records = try client.readAll(stream, shard)
                for key in Set(records.map(\.key)) {
                    #expect(records.filter { $0.key == key }.map(\.data) == (1...200).map { "\($0)" })
                }
            }
        }
    }
}

/// Little-endian bytes.
func little<I: FixedWidthInteger>(_ value: I) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
