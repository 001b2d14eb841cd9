// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirEngine
import WeirModel
import WeirProtocol

@testable import WeirServer

/// What the wire page says of reading, and of frames, is what the server does.
@Suite struct ReadPageTests {
    @Test func `A request may have the correlation id 0`() async throws {
        try WirePage().says("A request may have 0 too")
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            _ = try client.subscribe(stream)
            try client.send(Ping().frame(correlation: 0))
            let answer = try #require(try client.receive())
            #expect(answer.type == .pingAnswer && answer.header.correlation == 0)
            #expect(try client.put(stream, [TestRecord("a")]).stored == 1)
            #expect(try client.push().type == .recordsPush)
        }
    }

    @Test func `Latest is fixed when it is answered, not at the first read`() async throws {
        try WirePage().says("**Latest** is fixed when the iterator or the subscription is made")
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            #expect(try client.put(stream, [TestRecord("before")]).stored == 1)
            let iterator = try client.iterator(stream, 0, .latest)
            _ = try client.subscribe(stream, 0, .iterator(.latest), credit: 0)
            #expect(try client.put(stream, [TestRecord("after")]).stored == 1)
            #expect(try client.read(iterator).records.map(\.key) == ["after"])
            #expect(try client.read(iterator).records.map(\.key) == ["after"], "it is a position, and stays one")
            // One that begins with no credit gets nothing until some comes, and misses nothing.
            try client.send(Credit(subscription: 1, bytes: 1).frame())
            #expect(try client.records().records.map(\.key) == ["after"])
        }
    }

    @Test(arguments: [0, 3] as [UInt64])
    func `Nothing begins beyond the end`(records: UInt64) async throws {
        let page = try WirePage()
        page.says("An index is allowed up to that of the shard's next record.")
        page.says("What lies beyond, or belongs to an earlier stream of the name, was never given out for this shard")
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            var second: UInt64 = 0
            for number in 0..<records {
                let outcome = try client.put(stream, [TestRecord("\(number)")])
                guard case .stored(let position) = outcome.entries[0].outcome else { continue }
                second = position.shardCreationSecond
            }
            let shards = try client.call(ListShards(stream: stream), ListShardsAnswer.self).shards
            second = shards[0].creationSecond
            func number(_ index: UInt64, _ second: UInt64) -> SequenceNumber {
                SequenceNumber(shardCreationSecond: second, shard: ShardNumber(0), index: index, arrivalSecond: 0)
            }
            func allows(_ start: ReadStart) throws -> Bool {
                let frame = try client.ask(
                    Subscribe(stream: stream, shard: ShardNumber(0), start: start, creditBytes: 1))
                if let error = frame.error { #expect(error.code == .invalidArgument) }
                return frame.error == nil
            }
            for index in 0...(records + 2) {
                #expect(try allows(.index(index)) == (index <= records), "index \(index)")
                #expect(try allows(.iterator(.atSequenceNumber(number(index, second)))) == (index <= records))
                #expect(try allows(.iterator(.afterSequenceNumber(number(index, second)))) == (index < records))
                #expect(try !allows(.iterator(.atSequenceNumber(number(index, second - 1)))), "an earlier stream")
            }
            #expect(try allows(.iterator(.atSequenceNumber(number(SequenceNumber.endIndex, second)))))
            #expect(try !allows(.index(.max)))
            // An iterator that the node gave out before it lost what is there no more.
            let token = IteratorToken(
                stream: stream, shard: ShardNumber(0), index: records + 1,
                issuedAtMillis: node.node.core.clock.wallMillis, nodeID: node.node.core.nodeID)
            let read = try client.ask(
                GetRecords(iterator: token.encode(), limit: 10, maxBytes: 1000, waitMillis: 0))
            #expect(read.error?.code == .invalidArgument)
            #expect(read.error?.message.contains("beyond the end of shardId-000000000000") == true)
        }
    }

    @Test func `Unsubscribing what is over is answered like any, an id that never was is refused`() async throws {
        let page = try WirePage()
        page.says("Also answered so when the subscription is over already; an id that this connection never had is an")
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            #expect(try client.refusal(Unsubscribe(subscription: 1)).code == .invalidArgument)
            let subscription = try client.subscribe(stream)
            let second = try client.subscribe(stream)
            for _ in 0..<2 {
                #expect(try client.ask(Unsubscribe(subscription: subscription)).type == .unsubscribeAnswer)
            }
            let other = try node.connect()
            _ = try other.call(DeleteStream(stream: stream), Empty.self)
            #expect(try client.push().type == .subscriptionEnded)
            #expect(try client.ask(Unsubscribe(subscription: second)).type == .unsubscribeAnswer)
            for never in [0, second + 1, .max] {
                #expect(try client.refusal(Unsubscribe(subscription: never)).code == .invalidArgument)
            }
        }
    }

    @Test func `Credit is cut at its maximum and each subscription has its own`() async throws {
        let page = try WirePage()
        page.says(
            "which is at most \(Self.grouped(SubscriptionCredit.balanceMax)): what a grant adds above that is lost")
        page.says("Each subscription has a credit of its own")
        var credit = SubscriptionCredit(bytes: .max)
        credit.grant(bytes: .max)
        #expect(credit.balance == SubscriptionCredit.balanceMax)
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            let rich = try client.subscribe(stream, credit: .max)
            let poor = try client.subscribe(stream, credit: 0)
            for _ in 0..<3 { try client.send(Credit(subscription: rich, bytes: .max).frame()) }
            #expect(try client.put(stream, [TestRecord("a")]).stored == 1)
            #expect(try client.records().subscription == rich)
            #expect(try client.ask(Ping()).type == .pingAnswer)
            #expect(client.pushes.isEmpty, "the other has none")
            try client.send(Credit(subscription: poor, bytes: 1).frame())
            #expect(try client.records().subscription == poor)
        }
    }

    @Test func `A push holds so many bytes of batches, and one batch however large`() async throws {
        try WirePage().says("A push holds at most 1,048,576 bytes of batches, unless its first batch alone is larger.")
        try await TestNode.run { node in
            let (client, stream) = try node.stream(recordBytesMax: 10 << 20)
            // Batches as the client framed them, of about 400 KB; then one of 3 MB, and a small one.
            for size in [400_000, 400_000, 400_000, 400_000, 3_000_000, 10] {
                #expect(
                    try client.put(stream, groups: [(ShardNumber(0), [TestRecord("k", bytes: size)])]).stored == 1)
            }
            _ = try client.subscribe(stream)
            var pushes: [(records: Int, bytes: UInt32)] = []
            while pushes.reduce(0, { $0 + $1.records }) < 6 {
                let push = try client.records()
                pushes.append((push.records.count, push.header.batchBytes))
            }
            #expect(pushes.allSatisfy { $0.bytes <= 1 << 20 || $0.records == 1 })
            #expect(pushes.contains { $0.records == 2 } && pushes.contains { $0.bytes > 3_000_000 })
        }
    }

    private static func grouped(_ number: Int64) -> String {
        var digits = String(number)
        var text = ""
        while digits.count > 3 {
            text = "," + digits.suffix(3) + text
            digits.removeLast(3)
        }
        return digits + text
    }
}
