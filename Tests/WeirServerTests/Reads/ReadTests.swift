// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol
import WeirTestKit

@testable import WeirServer

@Suite struct ReadTests {
    @Test func `Iterators of all five types begin where they say`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            let first = try client.put(stream, (0..<5).map { TestRecord("a\($0)") })
            let second = try client.put(stream, (5..<10).map { TestRecord("a\($0)") })
            func keys(_ start: ShardIteratorType) throws -> [String] {
                try client.read(client.iterator(stream, 0, start)).records.map(\.key)
            }
            #expect(try keys(.trimHorizon).count == 10)
            #expect(try keys(.latest) == [])
            let third = try #require(first.entries[0].sequenceNumber(at: 3))
            #expect(try keys(.atSequenceNumber(third)).first == "a3")
            #expect(try keys(.afterSequenceNumber(third)).first == "a4")
            guard case .stored(let position) = second.entries[0].outcome else { return }
            let at = try keys(.atTimestamp(position.arrivalMillis))
            #expect(at.count >= 5 && at.last == "a9")
            #expect(try keys(.atTimestamp(0)).count == 10)
            #expect(try client.put(stream, [TestRecord("late")]).stored == 1)
        }
    }

    @Test func `What an iterator cannot begin at is refused with the reason`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 2)
            let outcome = try client.put(stream, [TestRecord("k", hashKey: .min)])
            let number = try #require(outcome.entries[0].sequenceNumber(at: 0))
            func refusal(_ shard: UInt32, _ start: ShardIteratorType, _ id: StreamID? = nil) throws -> WeirError {
                try client.refusal(
                    GetShardIterator(stream: id ?? stream, shard: ShardNumber(shard), start: start))
            }
            let other = try refusal(1, .atSequenceNumber(number))
            #expect(other.code == .invalidArgument)
            #expect(other.message.contains("shardId-000000000000") && other.message.contains("shardId-000000000001"))
            #expect(try refusal(0, .atTimestamp(.max)).code == .invalidArgument)
            #expect(try refusal(7, .latest).code == .shardNotFound)
            #expect(try refusal(0, .latest, StreamID(77)).code == .streamNotFound)
            let earlier = SequenceNumber(
                shardCreationSecond: number.shardCreationSecond - 1, shard: number.shard, index: 0, arrivalSecond: 0)
            #expect(try refusal(0, .atSequenceNumber(earlier)).code == .invalidArgument)
            _ = try client.call(DeleteStream(stream: stream), Empty.self)
            #expect(try refusal(0, .trimHorizon).code == .streamDeleted)
        }
    }

    @Test func `Iterators that nobody gave out, of another node or too old, are refused`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            let now = node.node.core.clock.wallMillis
            let id = node.node.core.nodeID
            func token(_ issued: Int64, _ node: UInt64, _ shard: UInt32 = 0) -> [UInt8] {
                IteratorToken(
                    stream: stream, shard: ShardNumber(shard), index: 0, issuedAtMillis: issued, nodeID: node
                ).encode()
            }
            #expect(try client.read(token(now - 299_000, id)).records.isEmpty)
            for (bytes, code) in [
                ([1, 2, 3], .invalidArgument), (token(now, id &+ 1), .invalidArgument),
                (token(now - 301_000, id), .iteratorExpired), (token(now, id, 4), .shardNotFound),
                ([UInt8](repeating: 0, count: 513), .invalidArgument),
            ] as [([UInt8], WeirError.Code)] {
                #expect(try client.refusal(GetRecords(iterator: bytes)).code == code)
            }
            let good = token(now, id)
            #expect(try client.refusal(GetRecords(iterator: good, limit: 0)).message.contains("1 to 10000"))
            #expect(try client.refusal(GetRecords(iterator: good, limit: 10_001)).code == .invalidArgument)
            #expect(try client.refusal(GetRecords(iterator: good, maxBytes: 0)).code == .invalidArgument)
            #expect(try client.refusal(GetRecords(iterator: good, waitMillis: 60_001)).code == .invalidArgument)
        }
    }

    @Test func `Reading by iterators gives every record once, also when batches are cut`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            for round in 0..<3 {
                let records = (0..<100).map { TestRecord("k\(round * 100 + $0)") }
                #expect(try client.put(stream, groups: [(ShardNumber(0), records)]).stored == 100)
            }
            for limit in [1, 7, 49, 50, 99, 100, 101, 1000] {
                var keys: [String] = []
                var iterator: [UInt8]? = try client.iterator(stream)
                while let next = iterator {
                    let answer = try client.read(next, limit: limit)
                    #expect(answer.records.count <= limit)
                    #expect(answer.sentRecords <= max(2 * answer.records.count, 100 + answer.records.count))
                    if limit < 50, !answer.records.isEmpty { #expect(answer.sentRecords < 2 * limit + 50) }
                    keys += answer.records.map(\.key)
                    iterator = answer.records.isEmpty ? nil : answer.header.nextIterator
                }
                #expect(keys == (0..<300).map { "k\($0)" }, "limit \(limit)")
            }
        }
    }

    @Test func `An answer keeps to its bytes, but one record always comes`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            for number in 0..<10 {
                #expect(try client.put(stream, [TestRecord("k\(number)", bytes: 100_000)]).stored == 1)
            }
            let iterator = try client.iterator(stream)
            #expect(try client.read(iterator, maxBytes: 250_000).records.count == 2)
            #expect(try client.read(iterator, maxBytes: 1).records.count == 1)
            let behind = try client.read(iterator, maxBytes: 1).header.millisBehindLatest
            #expect(behind >= 0)
            #expect(try client.read(iterator).header.millisBehindLatest == 0)
        }
    }

    @Test func `A long poll is answered by the next record, at once when there is one, and empty in the end`()
        async throws
    {
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            let writer = try node.connect()
            let iterator = try client.iterator(stream, 0, .latest)
            for number in 0..<20 {
                try client.send(GetRecords(iterator: iterator, waitMillis: 30_000).frame(correlation: 7000))
                if number.isMultiple(of: 2) { #expect(try client.ask(Ping()).type == .pingAnswer) }
                #expect(try writer.put(stream, [TestRecord("k\(number)")]).stored == 1)
                let answer = try ReadOut(client.answer(to: 7000))
                #expect(answer.records.first?.key == "k0", "the iterator is a position")
            }
            let tip = try client.iterator(stream, 0, .latest)
            let start = ContinuousClock.now
            let empty = try client.read(tip, wait: 60)
            #expect(empty.records.isEmpty && empty.header.nextIterator != nil)
            #expect(ContinuousClock.now - start >= .milliseconds(55))
            #expect(try client.read(tip).records.isEmpty)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `A long poll that a sleep of the machine has made due is answered about a second after it`() async throws {
        let folder = TestNode.makeFolder()
        defer { TestNode.remove(folder) }
        let clock = ManualClock()
        let node = TestNode(node: try await TestNode.start(folder, clock: clock), folder: folder)
        let (client, stream) = try node.stream()
        let iterator = try client.iterator(stream, 0, .latest)
        // The clock of the node moves on, and the timers of its loops do not.
        try client.send(GetRecords(iterator: iterator, waitMillis: 60_000).frame(correlation: 7000))
        #expect(try client.ask(Ping()).type == .pingAnswer)
        let start = ContinuousClock.now
        clock.advance(millis: 3_600_000)
        #expect(try ReadOut(client.answer(to: 7000)).records.isEmpty)
        #expect(ContinuousClock.now - start < .seconds(20))
        await node.node.shutdown(drain: .zero)
    }

    @Test func `The end of a closed shard is told with its children, also to those who wait`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            let other = try node.connect()
            #expect(try client.put(stream, [TestRecord("a")]).stored == 1)
            let tip = try client.iterator(stream, 0, .latest)
            try client.send(GetRecords(iterator: tip, waitMillis: 30_000).frame(correlation: 7000))
            #expect(try client.ask(Ping()).type == .pingAnswer)
            _ = try other.call(SplitShard(stream: stream, shard: ShardNumber(0)), ReshardAnswer.self)
            let end = try ReadOut(client.answer(to: 7000))
            #expect(end.header.isEndOfShard && end.header.nextIterator == nil)
            #expect(end.header.children.map(\.number) == [ShardNumber(1), ShardNumber(2)])
            #expect(end.header.children.allSatisfy { $0.parents == [ShardNumber(0)] })
            let all = try client.read(client.iterator(stream))
            #expect(all.records.map(\.key) == ["a"] && all.header.isEndOfShard)
            let latest = try client.read(client.iterator(stream, 0, .latest))
            #expect(latest.records.isEmpty && latest.header.isEndOfShard)
        }
    }

    @Test func `Deleting a stream ends the long polls that wait for it`() async throws {
        try await TestNode.run {
            $0.loops = 3
        } _: { node in
            let (client, stream) = try node.stream()
            var waiting: [RawClient] = []
            for _ in 0..<5 {
                let poller = try node.connect()
                let iterator = try poller.iterator(stream)
                try poller.send(GetRecords(iterator: iterator, waitMillis: 30_000).frame(correlation: 7000))
                #expect(try poller.ask(Ping()).type == .pingAnswer)
                waiting.append(poller)
            }
            _ = try client.call(DeleteStream(stream: stream), Empty.self)
            for poller in waiting { #expect(try poller.answer(to: 7000).error?.code == .streamDeleted) }
            // A stream made anew under the name is another one.
            let (_, again) = try node.stream()
            #expect(again != stream)
        }
    }

    @Test func `Five reads a second that bring records; waiting and empty ones do not count`() async throws {
        try await TestNode.run { node in
            let limits = LimitsProfile.explicit(RateLimits(bytesIn: nil, recordsIn: nil, bytesOut: nil, readsOut: 5))
            let (client, stream) = try node.stream(limits: limits)
            let iterator = try client.iterator(stream)
            for _ in 0..<12 { #expect(try client.read(iterator).records.isEmpty) }
            #expect(try client.put(stream, [TestRecord("a")]).stored == 1)
            var codes: [WeirError.Code?] = []
            for number in UInt64(0)..<8 {
                try client.send(GetRecords(iterator: iterator).frame(correlation: 8000 + number))
            }
            for number in UInt64(0)..<8 { codes.append(try client.answer(to: 8000 + number).error?.code) }
            #expect(codes.prefix(5).allSatisfy { $0 == nil })
            #expect(codes.filter { $0 == .throughputExceeded }.count >= 2)
        }
    }

    @Test func `A reply over the rate makes the next call wait`() async throws {
        try await TestNode.run { node in
            let limits = LimitsProfile.explicit(
                RateLimits(bytesIn: nil, recordsIn: nil, bytesOut: 100_000, readsOut: nil))
            let (client, stream) = try node.stream(limits: limits)
            for _ in 0..<5 { #expect(try client.put(stream, [TestRecord("a", bytes: 100_000)]).stored == 1) }
            let iterator = try client.iterator(stream)
            #expect(try client.read(iterator).records.count == 5)
            let error = try client.refusal(GetRecords(iterator: iterator))
            #expect(error.code == .throughputExceeded)
            guard case .after(let pause) = error.verdict.retry else {
                Issue.record("no time to come again")
                return
            }
            #expect((4000...5001).contains(pause.millis), "500 KB at 100 KB/s are 5 s, not \(pause)")
        }
    }
}
