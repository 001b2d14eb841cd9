// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@testable import WeirServer

@Suite struct SubscriptionTests {
    @Test func `What is there comes first, then what comes, in order and once`() async throws {
        try await TestNode.run { node in
            let (writer, stream) = try node.stream()
            #expect(try writer.put(stream, (0..<50).map { TestRecord("k\($0)") }).stored == 50)
            let client = try node.connect()
            let id = try client.subscribe(stream)
            var keys: [String] = []
            while keys.count < 50 {
                let push = try client.records()
                #expect(push.subscription == id && push.header.nextIterator == nil)
                keys += push.records.map(\.key)
            }
            for round in 0..<30 {
                let records = (0..<5).map { TestRecord("k\(50 + round * 5 + $0)") }
                #expect(try writer.put(stream, records).stored == 5)
            }
            while keys.count < 200 { keys += try client.records().records.map(\.key) }
            #expect(keys == (0..<200).map { "k\($0)" })
        }
    }

    @Test func `It begins where it is told, between the records of a batch too`() async throws {
        try await TestNode.run { node in
            let (writer, stream) = try node.stream()
            let outcome = try writer.put(stream, (0..<100).map { TestRecord("k\($0)") })
            let number = try #require(outcome.entries[0].sequenceNumber(at: 90))
            for (start, first, sent) in [
                (.index(97), 97, 3), (.iterator(.atSequenceNumber(number)), 90, 10),
                (.iterator(.afterSequenceNumber(number)), 91, 9), (.index(20), 20, 100),
            ] as [(ReadStart, UInt64, Int)] {
                let client = try node.connect()
                _ = try client.subscribe(stream, 0, start)
                let push = try client.records()
                #expect(push.header.firstIndex == first && push.records.first?.index == first)
                #expect(push.records.count == 100 - Int(first) && push.sentRecords == sent, "\(start)")
            }
            let late = try node.connect()
            _ = try late.subscribe(stream, 0, .iterator(.latest))
            #expect(try writer.put(stream, [TestRecord("new")]).stored == 1)
            #expect(try late.records().records.map(\.key) == ["new"])
        }
    }

    @Test func `No more is pushed than the credit, and more with more`() async throws {
        try await TestNode.run { node in
            let (writer, stream) = try node.stream()
            for number in 0..<5 { #expect(try writer.put(stream, [TestRecord("k\(number)", bytes: 1000)]).stored == 1) }
            let client = try node.connect()
            let id = try client.subscribe(stream, 0, .iterator(.trimHorizon), credit: 0)
            #expect(try client.ask(Ping()).type == .pingAnswer)
            #expect(client.pushes.isEmpty, "no credit, no push")
            try client.send(Credit(subscription: id, bytes: 1).frame())
            let first = try client.records()
            #expect(first.records.count == 5, "one push may exceed what is left")
            #expect(try writer.put(stream, [TestRecord("more")]).stored == 1)
            #expect(try client.ask(Ping()).type == .pingAnswer)
            #expect(client.pushes.isEmpty, "the balance is below 0")
            try client.send(Credit(subscription: id, bytes: first.header.batchBytes).frame())
            #expect(try client.records().records.map(\.key) == ["more"])
            try client.send(Credit(subscription: 999, bytes: 5).frame())
            #expect(try client.ask(Ping()).type == .pingAnswer, "credit for nothing means nothing")
        }
    }

    @Test func `The end of the shard is the last push, with the children`() async throws {
        try await TestNode.run { node in
            let (writer, stream) = try node.stream(shards: 2)
            #expect(try writer.put(stream, [TestRecord("a", hashKey: .min)]).stored == 1)
            let client = try node.connect()
            let first = try client.subscribe(stream, 0)
            #expect(try client.records().records.map(\.key) == ["a"])
            let merge = try writer.call(
                MergeShards(stream: stream, first: ShardNumber(1), second: ShardNumber(0)), ReshardAnswer.self)
            #expect(merge.opened == [ShardNumber(2)])
            let end = try client.records()
            #expect(end.header.isEndOfShard && end.header.children.map(\.number) == [ShardNumber(2)])
            #expect(end.header.children.first?.parents.sorted() == [ShardNumber(0), ShardNumber(1)])
            let gone = try client.ask(Unsubscribe(subscription: first))
            #expect(gone.type == .unsubscribeAnswer, "it has ended by itself")
            let child = try client.subscribe(stream, 2)
            #expect(child != first)
            #expect(try writer.put(stream, [TestRecord("b")]).stored == 1)
            #expect(try client.records().records.map(\.key) == ["b"])
        }
    }

    @Test func `After Unsubscribe nothing is pushed`() async throws {
        try await TestNode.run { node in
            let (writer, stream) = try node.stream()
            let client = try node.connect()
            let id = try client.subscribe(stream)
            #expect(try writer.put(stream, [TestRecord("a")]).stored == 1)
            #expect(try client.records().records.count == 1)
            _ = try client.call(Unsubscribe(subscription: id), Empty.self)
            #expect(try writer.put(stream, [TestRecord("b")]).stored == 1)
            #expect(try client.ask(Ping()).type == .pingAnswer)
            #expect(client.pushes.isEmpty)
        }
    }

    @Test func `Deleting the stream ends its subscriptions on every loop, and only those`() async throws {
        try await TestNode.run {
            $0.loops = 3
        } _: { node in
            let (client, stream) = try node.stream("gone", shards: 2)
            let (_, stays) = try node.stream("stays")
            var readers: [RawClient] = []
            for _ in 0..<4 {
                let reader = try node.connect()
                _ = try reader.subscribe(stream, 0)
                _ = try reader.subscribe(stream, 1)
                _ = try reader.subscribe(stays)
                readers.append(reader)
            }
            _ = try client.call(DeleteStream(stream: stream), Empty.self)
            for reader in readers {
                for _ in 0..<2 {
                    let ended = try reader.push()
                    #expect(ended.type == .subscriptionEnded)
                    #expect(try ended.decode(SubscriptionEnded.self).error.code == .streamDeleted)
                }
            }
            #expect(try client.put(stays, [TestRecord("k")]).stored == 1)
            for reader in readers { #expect(try reader.records().records.count == 1) }
        }
    }

    @Test func `Subscribers share the rate of the shard`() async throws {
        try await TestNode.run { node in
            let limits = LimitsProfile.explicit(
                RateLimits(bytesIn: nil, recordsIn: nil, bytesOut: 50_000, readsOut: nil))
            let (writer, stream) = try node.stream(limits: limits)
            for _ in 0..<4 { #expect(try writer.put(stream, [TestRecord("a", bytes: 25_000)]).stored == 1) }
            let first = try node.connect()
            _ = try first.subscribe(stream)
            #expect(try first.records().records.count == 4)
            let iterator = try writer.iterator(stream)
            #expect(try writer.refusal(GetRecords(iterator: iterator)).code == .throughputExceeded)
            // The second one waits for its turn of the rate, and is not ended.
            let second = try node.connect()
            let start = ContinuousClock.now
            _ = try second.subscribe(stream)
            #expect(try second.records().records.count == 4)
            #expect(ContinuousClock.now - start > .milliseconds(1000))
        }
    }

    @Test func `A shard or stream that is not there is told`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            for start in [.index(0), .iterator(.latest)] as [ReadStart] {
                let shard = Subscribe(stream: stream, shard: ShardNumber(5), start: start, creditBytes: 1)
                #expect(try client.refusal(shard).code == .shardNotFound)
                let other = Subscribe(stream: StreamID(99), shard: ShardNumber(0), start: start, creditBytes: 1)
                #expect(try client.refusal(other).code == .streamNotFound)
            }
        }
    }
}
