// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirIO
import WeirModel
import WeirProtocol
import WeirTestKit
import WeirTestNode

@testable import WeirClient

@Suite(.timeLimit(.minutes(2)), .nodes) struct ProducerTests {
    private func producer(
        _ node: InProcessNode, shards: Int = 4, recordsPerSecond: Int64? = nil, clock: any Clock = SystemClock(),
        _ configuration: ProducerConfiguration = ProducerConfiguration(linger: .milliseconds(1))
    ) async throws -> (WeirClient, Producer) {
        let limits = RateLimits(bytesIn: nil, recordsIn: recordsPerSecond, bytesOut: nil, readsOut: nil)
        try await node.makeStream("s", shards: shards, StreamSettings(limits: .explicit(limits)))
        let client = try node.client(clock: clock)
        var configuration = configuration
        // Only where the clock is the test's may time run out.
        if clock is SystemClock { configuration.timeout = nil }
        return (client, try await client.producer(try StreamName("s"), configuration))
    }

    private func records(_ range: Range<Int>) -> [ProducerRecord] {
        range.map { ProducerRecord(partitionKey: "key-\($0 % 7)", data: Array("\($0)".utf8)) }
    }

    private var id: StreamID { StreamID(1) }

    @Test func aPutReturnsWhereItsRecordIs() async throws {
        let node = try await InProcessNode.start()
        let (client, producer) = try await self.producer(node)
        let receipt = try await producer.put(key: "key-1", data: Array("hello".utf8))
        #expect(try await node.texts(self.id)[receipt.shard] == ["hello"])
        #expect(receipt.sequenceNumber.index == 0)
        let map = try await client.shardMap(self.id)
        #expect(map.shard(for: HashKey(partitionKey: "key-1")).number == receipt.shard)
        try await producer.finish()
        await client.close()
    }

    @Test func resultsOfABatchAreInTheOrderOfItsRecords() async throws {
        let node = try await InProcessNode.start()
        let (client, producer) = try await self.producer(node)
        let records = self.records(0..<1300)
        let results = try await producer.putBatch(records)
        #expect(results.count == 1300)
        let texts = try await node.texts(self.id)
        for (position, result) in results.enumerated() {
            let receipt = try result.get()
            #expect(texts[receipt.shard]?[Int(receipt.sequenceNumber.index)] == "\(position)")
        }
        await client.close()
    }

    @Test func fewRecordsAShardAreRoutedByTheServer() async throws {
        let node = try await InProcessNode.start()
        let (client, producer) = try await self.producer(node, shards: 16)
        let results = try await producer.putBatch(self.records(0..<40))
        #expect(results.allSatisfy { if case .success = $0 { true } else { false } })
        let puts = node.payloads(of: .putRecords).map { payload in
            payload.withUnsafeBytes { (try? PutRecordsView(payload: $0))?.isRoutedByServer }
        }
        #expect(puts == [true])
        let texts = try await node.texts(self.id)
        for (position, result) in results.enumerated() {
            let receipt = try result.get()
            #expect(texts[receipt.shard]?[Int(receipt.sequenceNumber.index)] == "\(position)")
        }
        await client.close()
    }

    @Test func aBatcherReportsInInputOrderThroughThrottlingAndSplits() async throws {
        // The rates of a shard are worth one record in three of those that come for it.
        let clock = ManualClock()
        let node = try await InProcessNode.start(clock: clock)
        node.script(.putRecords) { number in
            do {
                if number == 3 { try node.split(StreamID(1), ShardNumber(0)) }
                if number == 9 { try node.merge(StreamID(1), ShardNumber(1), ShardNumber(2)) }
            } catch {
                Issue.record(error)
            }
            return .pass
        }
        let (client, producer) = try await self.producer(
            node, recordsPerSecond: 40, clock: clock,
            .init(batchRecords: 20, linger: .milliseconds(1), requestsInFlight: 4, groupRecordsMin: 3))
        let reported = Mutex<[PutResult]>([])
        let batcher = producer.batcher { results in
            reported.withLock { all in
                #expect(results.firstRecord == UInt64(all.count))
                all += results
            }
        }
        let records = self.records(0..<600)
        let putting = Task {
            for record in records { try await batcher.append(key: record.partitionKey, data: record.data) }
            try await batcher.drain()
        }
        await clock.advance(stepMillis: 10) {
            reported.withLock { $0.count } == 600
        } mayAdvance: {
            node.isQuiet
        }
        try await putting.value
        #expect(node.putCount > 60, "nothing was throttled")
        let results = reported.withLock { $0 }
        #expect(results.count == 600)
        let (texts, shards) = (try await node.texts(self.id), try node.shards(self.id))
        for (position, result) in results.enumerated() {
            let receipt = try result.get()
            let shard = try #require(texts[receipt.shard])
            // Indexes of children begin where their parents ended.
            let first = try #require(shards.first { $0.number == receipt.shard }?.firstIndex)
            #expect(shard[Int(receipt.sequenceNumber.index - first)] == "\(position)")
        }
        try await self.expectOrder(node, 600)
        try await producer.finish()
        await client.close()
    }

    /// Every record is stored once, and each key's in order, children behind their parents.
    private func expectOrder(_ node: InProcessNode, _ count: Int, mayRepeat: Bool = false) async throws {
        let texts = try await node.texts(self.id)
        let all = texts.sorted { $0.key < $1.key }.flatMap(\.value).compactMap { Int($0) }
        #expect(Set(all).count == count)
        if !mayRepeat { #expect(all.count == count) }
        for key in 0..<7 {
            var seen: Set<Int> = []
            let firstCopies = all.filter { $0 % 7 == key && seen.insert($0).inserted }
            #expect(firstCopies == firstCopies.sorted())
        }
    }

    @Test func aCutConnectionLosesNothingAndKeepsTheSession() async throws {
        let node = try await InProcessNode.start()
        node.script(.putRecords) { number in
            switch number {
            case 2: .cut(carriedOut: false)
            case 5: .cut(carriedOut: true)
            case 9:
                .refuse(WeirError(.unavailable, "busy", verdict: .init(maybeStored: false, retry: .after(millis: 1))))
            default: .pass
            }
        }
        let (client, producer) = try await self.producer(
            node, .init(batchRecords: 10, linger: .milliseconds(1), requestsInFlight: 3))
        let results = try await producer.putBatch(self.records(0..<300))
        #expect(results.allSatisfy { if case .success = $0 { true } else { false } })
        try await self.expectOrder(node, 300, mayRepeat: true)
        let hellos = node.requests(Hello.self).filter { $0.sessionID != 0 }
        #expect(Set(hellos.map(\.sessionID)).count == 1)
        // By these the server knows which connection the producer made last.
        let numbers = hellos.map(\.connectionNumber)
        #expect(numbers.count >= 3 && numbers == (1...UInt64(numbers.count)).map { $0 })
        await client.close()
    }

    @Test func anUnknownOutcomeIsReportedWhenAsked() async throws {
        let node = try await InProcessNode.start()
        node.script(.putRecords) { $0 == 1 ? .cut(carriedOut: true) : .pass }
        let (client, producer) = try await self.producer(
            node, .init(linger: .zero, unknownOutcome: .fail))
        await #expect {
            _ = try await producer.put(key: "a", data: [49])
        } throws: { ($0 as? WeirError)?.code == .outcomeUnknown && ($0 as? WeirError)?.verdict.maybeStored == true }
        _ = try await producer.put(key: "a", data: [50])
        #expect(try await node.texts(self.id).values.flatMap { $0 } == ["1", "2"])
        await client.close()
    }

    @Test func aSilentServerFailsRecordsAfterTheTimeout() async throws {
        let node = try await InProcessNode.start()
        let clock = ManualClock()
        let (client, producer) = try await self.producer(
            node, clock: clock, .init(linger: .zero, timeout: .milliseconds(500)))
        _ = try await producer.put(key: "a", data: [48])
        node.script(.putRecords) { _ in .silence(carriedOut: true) }
        let failure = Mutex<(any Error)?>(nil)
        let put = Task {
            do { _ = try await producer.put(key: "a", data: [49]) } catch { failure.withLock { $0 = error } }
        }
        await eventually { node.putCount == 2 }
        clock.advance(millis: 499)
        #expect(failure.withLock { $0 } == nil)
        await clock.advance {
            failure.withLock { $0 != nil }
        } mayAdvance: {
            node.isQuiet
        }
        let error = try #require(failure.withLock { $0 } as? WeirError)
        #expect(error.code == .timedOut && error.verdict.maybeStored)
        await put.value
        node.script { _, _ in .pass }
        let next = Task { try await producer.put(key: "a", data: [50]) }
        let isDone = Mutex(false)
        let watch = Task {
            _ = try? await next.value
            isDone.withLock { $0 = true }
        }
        await clock.advance {
            isDone.withLock { $0 }
        } mayAdvance: {
            node.isQuiet
        }
        _ = try await next.value
        await watch.value
        await client.close()
    }

    @Test func throttlingNeverFailsARecord() async throws {
        // While time stands still at the node, its rates stay used up.
        let (nodesClock, clock) = (ManualClock(), ManualClock())
        let node = try await InProcessNode.start(clock: nodesClock)
        let (client, producer) = try await self.producer(
            node, shards: 1, recordsPerSecond: 1, clock: clock, .init(linger: .zero, timeout: .milliseconds(100)))
        _ = try await producer.put(key: "a", data: [48])
        let start = clock.monotonicNanos
        let isDone = Mutex(false)
        let put = Task {
            defer { isDone.withLock { $0 = true } }
            return try await producer.put(key: "a", data: [49])
        }
        // Time passes only while nothing is under way, so the server is never silent.
        let isIdle = {
            node.isQuiet
                && producer.core.state.withLock {
                    $0.machine.isConnected && $0.machine.map != nil && $0.machine.unanswered == 0
                }
        }
        await clock.advance(stepMillis: 50) {
            isDone.withLock { $0 } || clock.monotonicNanos - start > 12_000_000_000
        } mayAdvance: {
            isIdle()
        }
        #expect(!isDone.withLock { $0 })
        nodesClock.advance(millis: 1000)
        await clock.advance(stepMillis: 50) {
            isDone.withLock { $0 }
        } mayAdvance: {
            isIdle()
        }
        _ = try await put.value
        #expect(node.putCount > 10)
        await client.close()
    }

    @Test func aPartialBatchIsSentWhenItHasLingered() async throws {
        let node = try await InProcessNode.start()
        let clock = ManualClock()
        let (client, producer) = try await self.producer(node, clock: clock, .init(linger: .milliseconds(20)))
        let reported = Mutex(0)
        let batcher = producer.batcher { results in reported.withLock { $0 += results.count } }
        try await batcher.append(key: "a", data: [49])
        clock.advance(millis: 19)
        #expect(node.putCount == 0)
        await clock.advance {
            reported.withLock { $0 } == 1
        } mayAdvance: {
            node.isQuiet
        }
        await client.close()
    }

    @Test func theCallerWaitsWhenTheBufferIsFull() async throws {
        let node = try await InProcessNode.start()
        node.script(.putRecords) { _ in .silence(carriedOut: true) }
        let (client, producer) = try await self.producer(
            node, .init(batchRecords: 10, batchBytes: 2000, linger: .zero, bufferBytes: 4000, timeout: nil))
        let batcher = producer.batcher()
        let appended = Mutex(0)
        let filling = Task {
            for _ in 0..<100 {
                try await batcher.append(key: "a", data: [UInt8](repeating: 1, count: 1000))
                appended.withLock { $0 += 1 }
            }
        }
        await eventually { producer.core.state.withLock { $0.waiting.count } == 1 }
        let taken = appended.withLock { $0 }
        #expect((3...5).contains(taken))
        await eventually { node.putCount == taken }
        // The silent puts are lost with their connection, and sent again.
        node.script { _, _ in .pass }
        node.cutAll()
        try await filling.value
        try await batcher.drain()
        let texts = try await node.texts(self.id).values.flatMap { $0 }
        #expect(Set(texts).count == 1 && texts.count == 100 + taken)
        await client.close()
    }

    @Test func badRecordsAreRefusedBeforeTheyAreTaken() async throws {
        let node = try await InProcessNode.start()
        let (client, producer) = try await self.producer(node)
        let tooLong = String(repeating: "k", count: 257)
        for key in ["", tooLong] {
            await #expect { _ = try await producer.put(key: key, data: []) } throws: {
                ($0 as? WeirError)?.code == .invalidArgument
            }
        }
        await #expect {
            _ = try await producer.put(key: "k", data: [UInt8](repeating: 0, count: Limits.recordBytesDefault))
        } throws: { ($0 as? WeirError)?.code == .recordTooLarge }
        let wide = String(repeating: "é", count: 256)
        _ = try await producer.put(key: wide, data: [])
        #expect(node.putCount == 1)
        await client.close()
    }

    @Test func aDeletedStreamEndsTheProducer() async throws {
        let node = try await InProcessNode.start()
        let (client, producer) = try await self.producer(node)
        _ = try await producer.put(key: "a", data: [49])
        try node.delete(self.id)
        for _ in 0..<2 {
            await #expect { _ = try await producer.put(key: "a", data: [50]) } throws: {
                ($0 as? WeirError)?.code == .streamDeleted
            }
        }
        await client.close()
    }

    @Test func finishingSendsWhatIsLeftAndThenTakesNothing() async throws {
        let node = try await InProcessNode.start()
        let (client, producer) = try await self.producer(node, .init(linger: .seconds(60)))
        let reported = Mutex(0)
        let batcher = producer.batcher { results in reported.withLock { $0 += results.storedCount } }
        for record in self.records(0..<33) { try await batcher.append(key: record.partitionKey, data: record.data) }
        try await producer.finish()
        #expect(reported.withLock { $0 } == 33)
        await #expect {
            try await batcher.append(key: "a", data: [49])
        } throws: {
            ($0 as? WeirError)?.code == .unavailable
        }
        await client.close()
    }

    @Test func cancellingGivesUpAtOnce() async throws {
        let node = try await InProcessNode.start()
        node.script(.putRecords) { _ in .silence(carriedOut: true) }
        let (client, producer) = try await self.producer(node, .init(linger: .zero, timeout: nil))
        let put = Task { try await producer.put(key: "a", data: [49]) }
        await eventually { node.putCount == 1 }
        let other = Task { try await producer.put(key: "b", data: [50]) }
        await eventually { node.putCount == 2 }
        other.cancel()
        await #expect(throws: CancellationError.self) { _ = try await other.value }
        producer.cancel()
        await #expect { _ = try await put.value } throws: {
            ($0 as? WeirError)?.code == .unavailable && ($0 as? WeirError)?.verdict.maybeStored == true
        }
        await client.close()
    }

    @Test func theServersCreditIsRespected() async throws {
        let node = try await InProcessNode.start { $0.putCreditRequests = 2 }
        let most = Mutex(0)
        let (client, producer) = try await self.producer(
            node, .init(batchRecords: 1, linger: .zero, requestsInFlight: 64))
        node.script(.putRecords) { _ in
            let underWay = producer.core.state.withLock { $0.machine.unanswered }
            most.withLock { $0 = max($0, underWay) }
            return .pass
        }
        _ = try await producer.putBatch(self.records(0..<50))
        #expect(most.withLock { $0 } <= 2)
        await client.close()
    }
}
