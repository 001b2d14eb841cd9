// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirIO
import WeirModel
import WeirProtocol
import WeirTestKit
import WeirTestNode

@testable import WeirClient

/// Reading by asking again and again.
@Suite(.timeLimit(.minutes(2)), .nodes) struct PollingTests {
    private let id = StreamID(1)
    private let shard = ShardNumber(0)

    private func polled(_ polling: Polling = Polling(idle: .milliseconds(10)), timeout: Duration? = nil)
        -> ReaderConfiguration
    {
        ReaderConfiguration(timeout: timeout, retrieval: .polled(polling))
    }

    private func fill(
        _ node: InProcessNode, shards: Int = 1, readsPerSecond: Int64? = nil, clock: any Clock = SystemClock()
    ) async throws -> WeirClient {
        let limits = RateLimits(bytesIn: nil, recordsIn: nil, bytesOut: nil, readsOut: readsPerSecond)
        try await node.makeStream("s", shards: shards, StreamSettings(limits: .explicit(limits)))
        let filler = try node.client()
        let producer = try await filler.producer(
            try StreamName("s"), .init(batchRecords: 10, linger: .milliseconds(1), timeout: nil, groupRecordsMin: 1))
        _ = try await producer.putBatch(
            (0..<100).map { ProducerRecord(partitionKey: "k\($0)", data: [UInt8](repeating: 7, count: 200)) })
        try await producer.finish()
        await filler.close()
        return try node.client(clock: clock)
    }

    /// Those that name a place.
    private func reads(_ node: InProcessNode) -> [GetRecords] {
        node.requests(GetRecords.self).filter { if case .place = $0.from { true } else { false } }
    }

    @Test func pollingGivesWhatPushingGivesAlsoBehindACut() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.fill(node, shards: 3)
        var pushed: [ShardNumber: [SequenceNumber]] = [:]
        for try await batch in client.records(self.id, from: .trimHorizon, until: .tip) {
            pushed[batch.shard, default: []] += batch.records.map(\.sequenceNumber)
        }
        let subscribes = node.count(of: .subscribe)
        var polled: [ShardNumber: [SequenceNumber]] = [:]
        var batches = 0
        let few = self.polled(Polling(idle: .milliseconds(10), recordsPerRead: 10))
        for try await batch in client.records(self.id, from: .trimHorizon, until: .tip, few) {
            polled[batch.shard, default: []] += batch.records.map(\.sequenceNumber)
            batches += 1
            if batches == 3 { node.cutAll() }
        }
        #expect(polled == pushed && polled.values.reduce(0) { $0 + $1.count } == 100)
        #expect(node.count(of: .subscribe) == subscribes, "it has subscribed")
        await client.close()
    }

    @Test func everyReadQuotesTheLeaseAndTheBounds() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.fill(node)
        let lease = try await HeldLease(client, self.id)
        let polling = Polling(idle: .milliseconds(10), recordsPerRead: 17, bytesPerRead: 100_000)
        var reader = client.records(
            self.id, shard: self.shard, from: .trimHorizon, as: lease.reader(), self.polled(polling)
        ).makeAsyncIterator()
        var count = 0
        while count < 100 { count += try #require(try await reader.next()).count }
        #expect(self.reads(node).count >= 6)
        for read in self.reads(node) {
            #expect(read.lease == ReadLease(application: "billing", counter: lease.counter))
            #expect(read.limit == 17 && read.maxBytes == 100_000 && read.waitMillis == 0)
        }
        // A lease that is lost is final.
        try await lease.lose()
        let error = await #expect(throws: WeirError.self) { _ = try await reader.next() }
        #expect(error?.code == .leaseLost)
        let asked = self.reads(node).count
        #expect(try await reader.next() == nil)
        #expect(self.reads(node).count == asked)
        await client.close()
    }

    @Test func betweenTwoReadsOfAShardLiesTheIdleTime() async throws {
        let node = try await InProcessNode.start()
        let clock = ManualClock()
        let client = try await self.fill(node, clock: clock)
        let records = client.records(
            self.id, shard: self.shard, from: .trimHorizon,
            self.polled(Polling(idle: .milliseconds(700), recordsPerRead: 20)))
        let reading = Task {
            var count = 0
            for try await batch in records {
                count += batch.count
                if count == 100 { break }
            }
        }
        // 100 records in five reads.
        for number in 1...5 {
            await eventually { self.reads(node).count == number && node.isQuiet }
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
        // While time stands still at the node, its rates stay used up.
        let (nodesClock, clock) = (ManualClock(), ManualClock())
        let node = try await InProcessNode.start(clock: nodesClock)
        let client = try await self.fill(node, readsPerSecond: 1, clock: clock)
        let count = Mutex(0)
        let reading = Task {
            let polled = self.polled(
                Polling(idle: .milliseconds(10), recordsPerRead: 50), timeout: .nanoseconds(1))
            for try await batch in client.records(self.id, from: .trimHorizon, until: .tip, polled) {
                count.withLock { $0 += batch.count }
            }
        }
        await clock.advance(stepMillis: 50) {
            self.reads(node).count > 20
        } mayAdvance: {
            node.isQuiet
        }
        #expect(count.withLock { $0 } <= 50)
        await clock.advance(stepMillis: 50) {
            count.withLock { $0 } == 100
        } mayAdvance: {
            guard node.isQuiet else { return false }
            nodesClock.advance(millis: 50)
            return true
        }
        try await reading.value
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
        let clock = ManualClock()
        let node = try await InProcessNode.start(clock: clock)
        let client = try await self.fill(node)
        clock.advance(millis: 10)
        let producer = try await client.producer(try StreamName("s"), .init(linger: .zero, timeout: nil))
        _ = try await producer.putBatch((0..<70).map { _ in ProducerRecord(partitionKey: "k", data: [7]) })
        try await producer.finish()
        let id = self.id
        try await node.settle { $0.trimStream(id, beforeMillis: ManualClock.start + 5) }
        try node.split(self.id, self.shard)
        // From index 0 on, as somebody who has read nothing since.
        let shard = try #require(try node.shards(self.id).first)
        let first = SequenceNumber(
            shardCreationSecond: shard.creationSecond, shard: self.shard, index: 0, arrivalSecond: 1)
        var (count, missed, ends) = (0, UInt64(0), 0)
        for try await batch in client.records(
            self.id, shard: self.shard, from: .atSequenceNumber(first), self.polled())
        {
            count += batch.count
            missed += batch.missedRecords
            ends += batch.endOfShard?.count ?? 0
        }
        #expect(count == 70 && missed == 100 && ends == 2)
        await client.close()
    }

    @Test func aServerThatCannotBePolledSoIsNamed() async throws {
        // One from before there were reads that quote a lease.
        let node = try await InProcessNode.start()
        node.script(.hello) { _ in .features(Wire.features & ~Wire.Features.quotedReads) }
        let client = try await self.fill(node)
        let lease = try await HeldLease(client, self.id)
        var reader = client.records(
            self.id, shard: self.shard, from: .trimHorizon, as: lease.reader(), self.polled()
        ).makeAsyncIterator()
        let error = await #expect(throws: WeirError.self) { _ = try await reader.next() }
        #expect(error?.code == .unsupportedVersion)
        #expect(self.reads(node).isEmpty, "it has read without a fence")
        await client.close()
    }

    @Test func wrongPollingIsRefused() async throws {
        let node = try await InProcessNode.start()
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
