// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirIO
import WeirModel
import WeirProtocol
import WeirTestKit

@testable import WeirClient

/// Reading by asking again and again.
@Suite(.timeLimit(.minutes(2))) struct PollingTests {
    private let id = StreamID(1)
    private let shard = ShardNumber(0)

    private func polled(_ polling: Polling = Polling(idle: .milliseconds(10)), timeout: Duration? = nil)
        -> ReaderConfiguration
    {
        ReaderConfiguration(timeout: timeout, retrieval: .polled(polling))
    }

    private func lease(_ counter: UInt64) throws -> Reader {
        Reader(lease: .init(application: try ApplicationName("billing"), counter: counter))
    }

    private func fill(
        _ node: FakeNode, shards: Int = 1, clock: any Clock = SystemClock()
    ) async throws -> WeirClient {
        try node.makeStream("s", shards: shards)
        let filler = try node.client()
        let producer = try await filler.producer(
            try StreamName("s"), .init(batchRecords: 10, linger: .milliseconds(1), timeout: nil, groupRecordsMin: 1))
        _ = try await producer.putBatch(
            (0..<100).map { ProducerRecord(partitionKey: "k\($0)", data: [UInt8](repeating: 7, count: 200)) })
        try await producer.finish()
        await filler.close()
        return try node.client(clock: clock)
    }

    private func reads(_ node: FakeNode) -> [GetRecords] { node.state.withLock { $0.groups.reads } }

    @Test func pollingGivesWhatPushingGivesAlsoBehindACut() async throws {
        let node = FakeNode()
        let client = try await self.fill(node, shards: 3)
        node.state.withLock { $0.batchesPerPush = 1 }
        var pushed: [ShardNumber: [SequenceNumber]] = [:]
        for try await batch in client.records(self.id, from: .trimHorizon, until: .tip) {
            pushed[batch.shard, default: []] += batch.records.map(\.sequenceNumber)
        }
        let subscribes = node.state.withLock { $0.groups.subscribes.count }
        var polled: [ShardNumber: [SequenceNumber]] = [:]
        var batches = 0
        for try await batch in client.records(self.id, from: .trimHorizon, until: .tip, self.polled()) {
            polled[batch.shard, default: []] += batch.records.map(\.sequenceNumber)
            batches += 1
            if batches == 3 { node.cutAll() }
        }
        #expect(polled == pushed && polled.values.reduce(0) { $0 + $1.count } == 100)
        #expect(node.state.withLock { $0.groups.subscribes.count } == subscribes, "it has subscribed")
        await client.close()
    }

    @Test func everyReadQuotesTheLeaseAndTheBounds() async throws {
        let node = FakeNode()
        let client = try await self.fill(node)
        node.state.withLock { $0.groups.counter = 3 }
        let polling = Polling(idle: .milliseconds(10), recordsPerRead: 17, bytesPerRead: 100_000)
        var reader = client.records(
            self.id, shard: self.shard, from: .trimHorizon, as: try self.lease(3), self.polled(polling)
        ).makeAsyncIterator()
        var count = 0
        while count < 100 { count += try #require(try await reader.next()).count }
        for read in self.reads(node) {
            #expect(read.lease == ReadLease(application: "billing", counter: 3))
            #expect(read.limit == 17 && read.maxBytes == 100_000 && read.waitMillis == 0)
        }
        // A lease that is lost is final.
        node.loseLease(newCounter: 4)
        let error = await #expect(throws: WeirError.self) { _ = try await reader.next() }
        #expect(error == FakeConnection.leaseLost(4))
        let asked = self.reads(node).count
        #expect(try await reader.next() == nil)
        #expect(self.reads(node).count == asked)
        await client.close()
    }

    @Test func betweenTwoReadsOfAShardLiesTheIdleTime() async throws {
        let node = FakeNode()
        let clock = ManualClock()
        let client = try await self.fill(node, clock: clock)
        let records = client.records(
            self.id, shard: self.shard, from: .trimHorizon, self.polled(Polling(idle: .milliseconds(700))))
        let reading = Task {
            var count = 0
            for try await batch in records {
                count += batch.count
                if count == 100 { break }
            }
        }
        // The node gives two batches a read: five reads.
        for number in 1...5 {
            await eventually { self.reads(node).count == number }
            clock.advance(millis: 690)
            for _ in 0..<500 { await Task.yield() }
            #expect(self.reads(node).count == number, "read again before its time")
            clock.advance(millis: 10)
        }
        try await reading.value
        #expect(self.reads(node).count == 5)
        await client.close()
    }

    @Test func ratesThatAreUsedUpAreWaitedForHoweverShortThePatience() async throws {
        let node = FakeNode()
        let client = try await self.fill(node)
        let throttled = WeirError(
            .throughputExceeded, "the read rate is used up", verdict: .init(maybeStored: false, retry: .after(millis: 1)))
        node.state.withLock { $0.groups.refusals[.getRecords] = Array(repeating: throttled, count: 20) }
        var count = 0
        for try await batch in client.records(
            self.id, from: .trimHorizon, until: .tip, self.polled(timeout: .nanoseconds(1)))
        {
            count += batch.count
        }
        #expect(count == 100)
        #expect(node.state.withLock { $0.groups.refusals[.getRecords]?.isEmpty == true })
        await client.close()
    }

    @Test func whoIsWokenBeforeItWaitsDoesNotWait() async throws {
        // The timer of a pause of a millisecond may be over before its reader has begun to wait.
        let mailbox = ReaderMailbox()
        mailbox.wake()
        try await mailbox.wait()
        let waiting = Task { try await mailbox.wait() }
        for _ in 0..<50 { await Task.yield() }
        mailbox.wake()
        try await waiting.value
    }

    @Test func whatHasExpiredIsToldAndTheEndOfAShardIsToo() async throws {
        let node = FakeNode()
        let client = try await self.fill(node)
        node.state.withLock { $0.streams[self.id]?.shards[0].horizon = 30 }
        node.split(self.id, self.shard)
        // From index 0 on, as somebody who has read nothing since.
        let first = SequenceNumber(shardCreationSecond: 1, shard: self.shard, index: 0, arrivalSecond: 1)
        var (count, missed, ends) = (0, UInt64(0), 0)
        for try await batch in client.records(
            self.id, shard: self.shard, from: .atSequenceNumber(first), self.polled())
        {
            count += batch.count
            missed += batch.missedRecords
            ends += batch.endOfShard?.count ?? 0
        }
        #expect(count == 70 && missed == 30 && ends == 2)
        await client.close()
    }

    @Test func aServerThatCannotBePolledSoIsNamed() async throws {
        let node = FakeNode(features: Wire.features & ~Wire.Features.quotedReads)
        let client = try await self.fill(node)
        var reader = client.records(
            self.id, shard: self.shard, from: .trimHorizon, as: try self.lease(3), self.polled()
        ).makeAsyncIterator()
        let error = await #expect(throws: WeirError.self) { _ = try await reader.next() }
        #expect(error?.code == .unsupportedVersion)
        #expect(self.reads(node).isEmpty, "it has read without a fence")
        await client.close()
    }

    @Test func wrongPollingIsRefused() async throws {
        let node = FakeNode()
        let client = try await self.fill(node)
        let consumer = Reader(consumer: try ConsumerName("fraud"))
        let wrong: [(Reader, Polling)] = [
            (consumer, Polling()), (Reader(), Polling(idle: .milliseconds(9))), (Reader(), Polling(idle: .seconds(61))),
            (Reader(), Polling(recordsPerRead: 0)), (Reader(), Polling(recordsPerRead: 10_001)),
            (Reader(), Polling(bytesPerRead: 65_535)), (Reader(), Polling(bytesPerRead: Limits.getBytesMax + 1)),
        ]
        for (reader, polling) in wrong {
            var iterator = client.records(self.id, from: .trimHorizon, as: reader, self.polled(polling))
                .makeAsyncIterator()
            let error = await #expect(throws: WeirError.self) { _ = try await iterator.next() }
            #expect(error?.code == .invalidArgument)
        }
        await client.close()
    }
}
