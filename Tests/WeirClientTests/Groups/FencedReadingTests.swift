// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol
import WeirTestNode

@testable import WeirClient

/// Reading under a lease, and as a registered consumer.
@Suite(.timeLimit(.minutes(2)), .nodes) struct FencedReadingTests {
    private let id = StreamID(1)

    private func filled(_ node: InProcessNode) async throws -> WeirClient {
        try await node.makeStream("s", shards: 1)
        let client = try node.client()
        let producer = try await client.producer(
            try StreamName("s"), .init(batchRecords: 10, linger: .milliseconds(1), timeout: nil, groupRecordsMin: 1))
        // 5 MB, of which one push brings 1 MiB at most.
        let data = [UInt8](repeating: 7, count: 50_000)
        _ = try await producer.putBatch((0..<100).map { _ in ProducerRecord(partitionKey: "k", data: data) })
        try await producer.finish()
        return client
    }

    private func subscribes(_ node: InProcessNode) -> [Subscribe] { node.requests() }

    @Test func everySubscribeShowsTheLeaseAndTheConsumerAlsoBehindACut() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node)
        let fraud = try ConsumerName("fraud")
        _ = try await client.registerConsumer(self.id, fraud)
        let lease = try await HeldLease(client, self.id)
        var count = 0
        var batches = 0
        let records = client.records(
            self.id, shard: ShardNumber(0), from: .trimHorizon, as: lease.reader(consumer: fraud),
            ReaderConfiguration(prefetchBytes: 1))
        for try await batch in records {
            count += batch.count
            batches += 1
            if count == 100 { break }
            if batches == 2 { node.cutAll() }
        }
        #expect(count == 100)
        let subscribes = self.subscribes(node)
        #expect(subscribes.count >= 2)
        #expect(subscribes.allSatisfy { $0.lease == .init(application: "billing", counter: lease.counter) })
        #expect(subscribes.allSatisfy { $0.consumer == "fraud" })
        await client.close()
    }

    @Test func readingWithoutALeaseShowsNone() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node)
        var count = 0
        for try await batch in client.records(self.id, from: .trimHorizon, until: .tip) { count += batch.count }
        #expect(count == 100)
        #expect(self.subscribes(node).allSatisfy { $0.lease == nil && $0.consumer == nil })
        await client.close()
    }

    @Test func aLeaseThatIsLostEndsTheReadingAndIsNotTriedAgain() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node)
        let lease = try await HeldLease(client, self.id)
        var reader = client.records(self.id, shard: ShardNumber(0), from: .trimHorizon, as: lease.reader())
            .makeAsyncIterator()
        var count = 0
        while count < 100 { count += try #require(try await reader.next()).count }
        try await lease.lose()
        // The server looks at the lease before each push: with the next record it says that it pushes nothing more.
        let producer = try await client.producer(try StreamName("s"), .init(linger: .zero, timeout: nil))
        _ = try await producer.put(key: "k", data: [1])
        try await producer.finish()
        let error = await #expect(throws: WeirError.self) { _ = try await reader.next() }
        #expect(error?.code == .leaseLost)
        #expect(try await reader.next() == nil)
        #expect(self.subscribes(node).count == 1)
        await client.close()
    }

    @Test func aReaderThatComesTooLateIsRefusedOnce() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node)
        let lease = try await HeldLease(client, self.id)
        try await lease.lose()
        var reader = client.records(self.id, shard: ShardNumber(0), from: .trimHorizon, as: lease.reader())
            .makeAsyncIterator()
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
        let node = try await InProcessNode.start()
        let client = try await self.filled(node)
        let lease = try await HeldLease(client, self.id)
        var reader = client.records(self.id, from: .trimHorizon, as: lease.reader()).makeAsyncIterator()
        let error = await #expect(throws: WeirError.self) { _ = try await reader.next() }
        #expect(error?.code == .invalidArgument)
        // As a registered consumer it is.
        let consumer = Reader(consumer: try ConsumerName("fraud"))
        _ = try await client.registerConsumer(self.id, try ConsumerName("fraud"))
        var count = 0
        for try await batch in client.records(self.id, from: .trimHorizon, until: .tip, as: consumer) {
            count += batch.count
        }
        #expect(count == 100)
        #expect(self.subscribes(node).allSatisfy { $0.consumer == "fraud" })
        await client.close()
    }
}
