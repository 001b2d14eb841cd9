// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@testable import WeirClient

/// Reading under a lease, and as a registered consumer.
@Suite(.timeLimit(.minutes(2))) struct FencedReadingTests {
    private let id = StreamID(1)

    private func reader(counter: UInt64) throws -> Reader {
        Reader(
            lease: .init(application: try ApplicationName("billing"), counter: counter),
            consumer: try ConsumerName("fraud"))
    }

    private func filled(_ node: FakeNode) async throws -> WeirClient {
        try node.makeStream("s", shards: 1)
        let client = try node.client()
        let producer = try await client.producer(
            try StreamName("s"), .init(batchRecords: 10, linger: .milliseconds(1), timeout: nil, groupRecordsMin: 1))
        // 20 KB a batch, more than the least credit, so that not all is pushed at once.
        let data = [UInt8](repeating: 7, count: 2000)
        _ = try await producer.putBatch((0..<100).map { _ in ProducerRecord(partitionKey: "k", data: data) })
        try await producer.finish()
        return client
    }

    private func subscribes(_ node: FakeNode) -> [Subscribe] { node.state.withLock { $0.groups.subscribes } }

    @Test func everySubscribeShowsTheLeaseAndTheConsumerAlsoBehindACut() async throws {
        let node = FakeNode()
        let client = try await self.filled(node)
        node.state.withLock { state in
            state.batchesPerPush = 1
            state.groups.counter = 3
        }
        var count = 0
        var batches = 0
        let records = client.records(
            self.id, shard: ShardNumber(0), from: .trimHorizon, as: try self.reader(counter: 3),
            ReaderConfiguration(prefetchBytes: 1))
        for try await batch in records {
            count += batch.count
            batches += 1
            if count == 100 { break }
            if batches == 3 { node.cutAll() }
        }
        #expect(count == 100)
        let subscribes = self.subscribes(node)
        #expect(subscribes.count >= 2)
        #expect(subscribes.allSatisfy { $0.lease == .init(application: "billing", counter: 3) })
        #expect(subscribes.allSatisfy { $0.consumer == "fraud" })
        await client.close()
    }

    @Test func readingWithoutALeaseShowsNone() async throws {
        let node = FakeNode()
        let client = try await self.filled(node)
        var count = 0
        for try await batch in client.records(self.id, from: .trimHorizon, until: .tip) { count += batch.count }
        #expect(count == 100)
        #expect(self.subscribes(node).allSatisfy { $0.lease == nil && $0.consumer == nil })
        await client.close()
    }

    @Test func aLeaseThatIsLostEndsTheReadingAndIsNotTriedAgain() async throws {
        let node = FakeNode()
        let client = try await self.filled(node)
        node.state.withLock { $0.groups.counter = 3 }
        var reader = client.records(
            self.id, shard: ShardNumber(0), from: .trimHorizon, as: try self.reader(counter: 3)
        ).makeAsyncIterator()
        var count = 0
        while count < 100 { count += try #require(try await reader.next()).count }
        node.loseLease(newCounter: 4)
        let error = await #expect(throws: WeirError.self) { _ = try await reader.next() }
        #expect(error == FakeConnection.leaseLost(4))
        #expect(try await reader.next() == nil)
        #expect(self.subscribes(node).count == 1)
        await client.close()
    }

    @Test func aReaderThatComesTooLateIsRefusedOnce() async throws {
        let node = FakeNode()
        let client = try await self.filled(node)
        node.state.withLock { $0.groups.counter = 4 }
        var reader = client.records(
            self.id, shard: ShardNumber(0), from: .trimHorizon, as: try self.reader(counter: 3)
        ).makeAsyncIterator()
        let error = await #expect(throws: WeirError.self) { _ = try await reader.next() }
        #expect(error?.code == .leaseLost)
        #expect(self.subscribes(node).count == 1)
        await client.close()
    }

    @Test func aLostLeaseIsFinalWhateverItsVerdict() {
        var cursor = ShardCursor(start: .index(0), limit: .max, creditBytes: 1, now: 0)
        let lost = WeirError(.leaseLost, "lost", verdict: .init(maybeStored: false, retry: .after(millis: 1)))
        #expect(cursor.ended(lost, retry: RetryPolicy(), now: 0, dice: 0) == .fail(lost))
    }

    @Test func aWholeStreamIsNotReadUnderALease() async throws {
        let node = FakeNode()
        let client = try await self.filled(node)
        var reader = client.records(self.id, from: .trimHorizon, as: try self.reader(counter: 3)).makeAsyncIterator()
        let error = await #expect(throws: WeirError.self) { _ = try await reader.next() }
        #expect(error?.code == .invalidArgument)
        // As a registered consumer it is.
        let consumer = Reader(consumer: try ConsumerName("fraud"))
        var count = 0
        for try await batch in client.records(self.id, from: .trimHorizon, until: .tip, as: consumer) {
            count += batch.count
        }
        #expect(count == 100)
        #expect(self.subscribes(node).allSatisfy { $0.consumer == "fraud" })
        await client.close()
    }
}
