// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@testable import WeirServer

/// Rates so low that nothing fills while a test runs, bursts large enough to see what passes.
@Suite struct ThrottlingTests {
    private static func records(_ count: Int64) -> LimitsProfile {
        .explicit(RateLimits(bytesIn: nil, recordsIn: count, bytesOut: nil, readsOut: nil))
    }

    @Test func `Of a group the first records pass and the rest is told when to come again`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(limits: Self.records(7))
            let outcome = try client.put(stream, groups: [(ShardNumber(0), (0..<20).map { TestRecord("k\($0)") })])
            #expect(outcome.entries.map(\.count) == [7, 13])
            #expect(outcome.entries[0].error == nil)
            let refusal = try #require(outcome.entries[1].error)
            #expect(refusal.code == .throughputExceeded && !refusal.verdict.maybeStored)
            guard case .after(let pause) = refusal.verdict.retry else {
                Issue.record("no time to come again")
                return
            }
            #expect((1...150).contains(pause.millis))
            #expect(try client.readAll(stream).map(\.key) == (0..<7).map { "k\($0)" })
            let status = try client.call(Status(), StatusAnswer.self)
            #expect(status.numbers.first { $0.name == "throttled-records" }?.value == 13)
            #expect(status[.recordsIn] == 7)
        }
    }

    @Test func `Of records that the server routes a smaller one behind a refused one may pass`() async throws {
        try await TestNode.run { node in
            let limits = LimitsProfile.explicit(RateLimits(bytesIn: 1, recordsIn: nil, bytesOut: nil, readsOut: nil))
            let (client, stream) = try node.stream(limits: limits)
            // The bucket holds the largest record: 1 MiB.
            let outcome = try client.put(
                stream,
                [
                    TestRecord("a", bytes: 900_000), TestRecord("b", bytes: 900_000), TestRecord("c", bytes: 100_000),
                    TestRecord("d", bytes: 100_000), TestRecord("e", bytes: 10),
                ])
            #expect(outcome.recordEntries == [0, 1, 0, 1, 0])
            #expect(outcome.entries.map(\.count) == [3, 2])
            #expect(outcome.entries.map { $0.error?.code } == [nil, .throughputExceeded])
            #expect(try client.readAll(stream).map(\.key) == ["a", "c", "e"])
        }
    }

    @Test func `Each shard has its own rate`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 2, limits: Self.records(3))
            let low = (0..<5).map { TestRecord("l\($0)", hashKey: HashKey(UInt128($0))) }
            let high = (0..<2).map { TestRecord("h\($0)", hashKey: HashKey(UInt128.max - UInt128($0))) }
            let outcome = try client.put(stream, groups: [(ShardNumber(0), low), (ShardNumber(1), high)])
            #expect(outcome.entries.map(\.count) == [3, 2, 2])
            #expect(outcome.entries.map { $0.error?.code } == [nil, .throughputExceeded, nil])
            let routed = try client.put(stream, low + high)
            #expect(routed.stored == 1 && routed.refused == 6)
            #expect(try client.readAll(stream, 1).count == 3)
        }
    }

    @Test func `Ordered puts behind a refused record are refused until the client has seen it`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 2, limits: Self.records(3))
            let low = (0..<6).map { TestRecord("l\($0)", hashKey: HashKey(UInt128($0))) }
            let high = [TestRecord("h", hashKey: .max)]
            let first = try client.put(stream, groups: [(ShardNumber(0), Array(low[..<4]))], sequence: 1)
            #expect(first.entries.map { $0.error?.code } == [nil, .throughputExceeded])
            // Open limits: only order refuses now.
            _ = try client.call(UpdateStream(stream: stream, limits: .open), StreamAnswer.self)
            let second = try client.put(
                stream, groups: [(ShardNumber(0), [low[4]]), (ShardNumber(1), high)], sequence: 2)
            #expect(second.entries.map { $0.error?.code } == [.behind, nil], "the other shard goes on")
            let routed = try client.put(stream, [low[5], high[0]], sequence: 3)
            #expect(routed.entries.map { $0.error?.code } == [.behind, nil])
            let again = try client.put(
                stream, groups: [(ShardNumber(0), Array(low[3...]))], sequence: 4, seenThrough: 3)
            #expect(again.stored == 3)
            #expect(try client.readAll(stream, 0).map(\.key) == low.map(\.key))
            #expect(try client.readAll(stream, 1).count == 2)
        }
    }

    @Test func `A put that is refused unread holds back the ordered ones behind it`() async throws {
        try await TestNode.run {
            $0.putCreditRequests = 1
        } _: { node in
            let (client, stream) = try node.stream()
            var bytes: [UInt8] = []
            for number in UInt64(1)...3 {
                bytes += RawClient.putFrame(
                    stream, [(ShardNumber(0), [TestRecord("k\(number)")])], correlation: 1000 + number,
                    sequence: number)
            }
            try client.send(bytes)
            #expect(try PutOutcome(client.answer(to: 1001)).stored == 1)
            #expect(client.pushes.map { $0.error?.code } == [.creditExceeded, .creditExceeded])
            client.pushes = []
            let behind = try client.put(stream, groups: [(ShardNumber(0), [TestRecord("k4")])], sequence: 4)
            #expect(behind.entries.map { $0.error?.code } == [.behind])
            let seen = try client.put(
                stream, groups: [(ShardNumber(0), [TestRecord("k2"), TestRecord("k3")])], sequence: 5, seenThrough: 4)
            #expect(seen.stored == 2)
        }
    }

    @Test func `A refusal in a parent holds back its children`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(limits: Self.records(1))
            let records = (0..<3).map { TestRecord("k\($0)", hashKey: HashKey(UInt128($0))) }
            let first = try client.put(stream, groups: [(ShardNumber(0), Array(records[..<2]))], sequence: 1)
            #expect(first.entries.map { $0.error?.code } == [nil, .throughputExceeded])
            _ = try client.call(UpdateStream(stream: stream, limits: .open), StreamAnswer.self)
            _ = try client.call(SplitShard(stream: stream, shard: ShardNumber(0)), ReshardAnswer.self)
            let early = try client.put(stream, [records[2]], sequence: 2)
            #expect(early.entries.map { $0.error?.code } == [.behind], "k2 may not overtake k1")
            let again = try client.put(stream, Array(records[1...]), sequence: 3, seenThrough: 2)
            #expect(again.stored == 2)
        }
    }

    @Test func `Sequences rise; one that does not is refused whole`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            #expect(try client.put(stream, [TestRecord("a")], sequence: 5).stored == 1)
            let error = #expect(throws: WeirError.self) {
                try client.put(stream, [TestRecord("a")], sequence: 5)
            }
            #expect(error?.code == .invalidArgument)
            // Its sender may have more under way that comes after it.
            let behind = try client.put(stream, [TestRecord("a")], sequence: 6)
            #expect(behind.entries.map { $0.error?.code } == [.behind])
            #expect(try client.put(stream, [TestRecord("a")], sequence: 7, seenThrough: 6).stored == 1)
            #expect(try client.readAll(stream).count == 2)
        }
    }
}
