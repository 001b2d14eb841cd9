// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirModel
import WeirTestKit
import WeirTestNode

@testable import WeirClient

@Suite(.timeLimit(.minutes(2)), .nodes) struct ReaderTests {
    private let id = StreamID(1)

    /// `bytes`: more of each record, so that not all of them fit into one push.
    private func filled(
        _ node: InProcessNode, shards: Int = 3, _ range: Range<Int> = 0..<200, bytes: Int = 0
    ) async throws -> WeirClient {
        try await node.makeStream("s", shards: shards)
        let client = try node.client()
        try await self.put(range, client, bytes: bytes)
        return client
    }

    private func put(_ range: Range<Int>, _ client: WeirClient, bytes: Int = 0) async throws {
        let producer = try await client.producer(
            try StreamName("s"), .init(batchRecords: 10, linger: .milliseconds(1), timeout: nil, groupRecordsMin: 1))
        let results = try await producer.putBatch(
            range.map {
                ProducerRecord(
                    partitionKey: "key-\($0 % 7)", data: Array("\($0)".utf8) + [UInt8](repeating: 32, count: bytes))
            })
        #expect(results.allSatisfy { if case .success = $0 { true } else { false } })
        try await producer.finish()
    }

    private func texts(_ batch: RecordBatch) -> [String] {
        var texts: [String] = []
        batch.forEach { texts.append(String(decoding: $0.data, as: UTF8.self)) }
        #expect(texts.count == batch.count)
        #expect(texts == batch.records.map { String(decoding: $0.data, as: UTF8.self) })
        return texts
    }

    @Test func readingToTheTipGivesEveryRecordOnceAndInOrder() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node)
        var read: [ShardNumber: [String]] = [:]
        for try await batch in client.records(self.id, from: .trimHorizon, until: .tip) {
            read[batch.shard, default: []] += self.texts(batch)
        }
        #expect(try await read == node.texts(self.id))
        #expect(read.values.map(\.count).reduce(0, +) == 200)
        await client.close()
    }

    @Test func theTipIsTheOneFoundAtTheStart() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node, shards: 1, 0..<95)
        var reader = client.records(self.id, from: .trimHorizon, until: .tip).makeAsyncIterator()
        var read = self.texts(try #require(try await reader.next()))
        // What comes now lies behind the tip, in the same batches and in children.
        try await self.put(95..<130, client)
        try node.split(self.id, ShardNumber(0))
        try await self.put(130..<160, client)
        while let batch = try await reader.next() { read += self.texts(batch) }
        #expect(read == (0..<95).map { "\($0)" })
        #expect(try await reader.next() == nil)
        await client.close()
    }

    @Test func anEmptyStreamHasNothingToReadToTheTip() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node, shards: 4, 0..<0)
        for start in [StreamStart.trimHorizon, .latest] {
            var reader = client.records(self.id, from: start, until: .tip).makeAsyncIterator()
            #expect(try await reader.next() == nil)
        }
        await client.close()
    }

    @Test func readingFollowsSplitsAndMergesAndChildrenComeBehindTheirParents() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node, shards: 2, 0..<50)
        var reader = client.records(self.id, from: .trimHorizon).makeAsyncIterator()
        var read: [String] = []
        var ended: Set<ShardNumber> = []
        func readUntil(_ count: Int) async throws {
            while read.count < count, let batch = try await reader.next() {
                let shard = try node.shards(self.id).first { $0.number == batch.shard }
                #expect(try #require(shard).parents.allSatisfy { ended.contains($0) })
                read += self.texts(batch)
                if batch.endOfShard != nil { ended.insert(batch.shard) }
            }
        }
        try await readUntil(50)
        try node.split(self.id, ShardNumber(0))  // 2, 3
        try await self.put(50..<90, client)
        try node.merge(self.id, ShardNumber(3), ShardNumber(1))  // 4
        try await self.put(90..<150, client)
        try await readUntil(150)
        #expect(read.count == 150)
        #expect(Set(read).count == 150)
        for key in 0..<7 {
            let numbers = read.compactMap { Int($0) }.filter { $0 % 7 == key }
            #expect(numbers == numbers.sorted())
        }
        await client.close()
    }

    @Test func aCutConnectionNeitherLosesNorDoubles() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node, shards: 3, 0..<300, bytes: 40_000)
        var read: [ShardNumber: [String]] = [:]
        var batches = 0
        // Little credit, so that much is still to come when the connection is cut.
        let configuration = ReaderConfiguration(prefetchBytes: 1)
        for try await batch in client.records(self.id, from: .trimHorizon, until: .tip, configuration) {
            read[batch.shard, default: []] += self.texts(batch)
            batches += 1
            if batches % 3 == 0 { node.cutAll() }
        }
        #expect(batches >= 9, "there was little to cut")
        #expect(try await read == node.texts(self.id))
        await client.close()
    }

    /// Nobody listens at first, as when the server is started again just then.
    @Test(arguments: [0, 1, 2, 3, 5, 8])
    func aServerThatDiesWhileReadingBeginsIsWaitedFor(refusals: Int) async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node, shards: 3, 0..<60)
        node.refuseConnections(refusals)
        var read: [ShardNumber: [String]] = [:]
        for try await batch in client.records(self.id, from: .trimHorizon, until: .tip) {
            read[batch.shard, default: []] += self.texts(batch)
        }
        #expect(try await read == node.texts(self.id))
        var forever = client.records(self.id, from: .trimHorizon).makeAsyncIterator()
        node.refuseConnections(refusals)
        #expect(try await forever.next() != nil)
        await client.close()
    }

    @Test func aServerThatStaysAwayWhileReadingBeginsIsWaitedForNoLongerThanItSays() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node, shards: 1, 0..<5)
        node.refuseConnections(.max)
        let patience = ReaderConfiguration(timeout: .milliseconds(50))
        var reader = client.records(self.id, from: .trimHorizon, until: .tip, patience).makeAsyncIterator()
        let error = await #expect(throws: WeirError.self) { try await reader.next() }
        #expect(error?.code == .unavailable)
        await client.close()
    }

    @Test func latestGivesWhatComesFromNowOnEvenWhenCutBeforeTheFirstRecord() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node, shards: 1, 0..<50)
        let read = Mutex<[String]>([])
        let reading = Task {
            for try await batch in client.records(self.id, from: .latest) {
                read.withLock { $0 += self.texts(batch) }
                if read.withLock({ $0.count }) == 30 { break }
            }
        }
        await eventually { node.waiters == 1 && node.isQuiet }
        node.cutAll()
        try await self.put(50..<80, client)
        try await reading.value
        #expect(read.withLock { $0 } == (50..<80).map { "\($0)" })
        await client.close()
    }

    @Test func oneShardCanBeReadFromASequenceNumber() async throws {
        let node = try await InProcessNode.start(clock: ManualClock())
        let client = try await self.filled(node, shards: 1, 0..<50)
        var all: [Record] = []
        for try await batch in client.records(self.id, shard: ShardNumber(0), from: .trimHorizon, until: .tip) {
            all += batch.records
        }
        #expect(all.map(\.sequenceNumber.index) == (0..<50).map { UInt64($0) })
        #expect(all[0].partitionKey == "key-0" && all[0].approximateArrivalMillis == ManualClock.start)
        var after: [Record] = []
        let start = ShardIteratorType.afterSequenceNumber(all[19].sequenceNumber)
        for try await batch in client.records(self.id, shard: ShardNumber(0), from: start, until: .tip) {
            after += batch.records
        }
        #expect(after == Array(all[20...]))
        await client.close()
    }

    @Test func aClosedShardEndsAndNamesItsChildren() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node, shards: 1, 0..<20)
        try node.split(self.id, ShardNumber(0))
        var children: [ShardNumber]?
        var count = 0
        for try await batch in client.records(self.id, shard: ShardNumber(0), from: .trimHorizon) {
            count += batch.count
            children = batch.endOfShard?.map(\.number)
        }
        #expect(count == 20)
        #expect(children == [ShardNumber(1), ShardNumber(2)])
        await client.close()
    }

    /// A stream of one shard with 40 records, of which the first 20 are trimmed.
    private func trimmed(_ node: InProcessNode, _ clock: ManualClock, shards: Int = 1) async throws -> WeirClient {
        let client = try await self.filled(node, shards: shards, 0..<20)
        clock.advance(millis: 10)
        let id = self.id
        try await self.put(20..<40, client)
        try await node.settle { $0.trimStream(id, beforeMillis: ManualClock.start + 5) }
        return client
    }

    @Test func trimmedRecordsAreReportedOnce() async throws {
        let clock = ManualClock()
        let node = try await InProcessNode.start(clock: clock)
        let client = try await self.trimmed(node, clock)
        var missed: [UInt64] = []
        var read: [String] = []
        let shard = try #require(try node.shards(self.id).first)
        let first = SequenceNumber(
            shardCreationSecond: shard.creationSecond, shard: shard.number, index: 0, arrivalSecond: 1)
        let start = ShardIteratorType.atSequenceNumber(first)
        for try await batch in client.records(self.id, shard: ShardNumber(0), from: start, until: .tip) {
            missed.append(batch.missedRecords)
            read += self.texts(batch)
        }
        #expect(missed.first == 20)
        #expect(missed.dropFirst().allSatisfy { $0 == 0 })
        #expect(read == (20..<40).map { "\($0)" })
        await client.close()
    }

    @Test func aTipWhoseRecordsExpireMeanwhileIsReachedAllTheSame() async throws {
        let nodesClock = ManualClock()
        let node = try await InProcessNode.start(clock: nodesClock)
        let filler = try await self.filled(node, shards: 1, 0..<1)
        let clock = ManualClock()
        let client = try node.client(clock: clock)
        // Subscribed, but nothing arrives: the records are trimmed between the listing and the push.
        node.losePushes()
        let isDone = Mutex(false)
        let reading = Task {
            defer { isDone.withLock { $0 = true } }
            var count = 0
            for try await batch in client.records(self.id, from: .trimHorizon, until: .tip) { count += batch.count }
            return count
        }
        await eventually { node.waiters == 1 && node.isQuiet }
        nodesClock.advance(millis: 10)
        let id = self.id
        try await node.settle { $0.trimStream(id, beforeMillis: ManualClock.start + 5) }
        await clock.advance(stepMillis: 100) {
            isDone.withLock { $0 }
        } mayAdvance: {
            node.isQuiet
        }
        #expect(try await reading.value == 0)
        await client.close()
        await filler.close()
    }

    @Test func aDeletedStreamEndsReadingWithAnError() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node, shards: 2, 0..<20)
        var reader = client.records(self.id, from: .trimHorizon).makeAsyncIterator()
        _ = try await reader.next()
        try node.delete(self.id)
        await #expect {
            while try await reader.next() != nil {}
        } throws: {
            ($0 as? WeirError)?.code == .streamDeleted
        }
        await client.close()
    }

    @Test func aCancelledReaderEndsAndUnsubscribes() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node, shards: 2, 0..<20)
        let count = Mutex(0)
        let reading = Task {
            for try await batch in client.records(self.id, from: .trimHorizon) { count.withLock { $0 += batch.count } }
        }
        await eventually { count.withLock { $0 } == 20 }
        reading.cancel()
        // Not as if all of the stream had been read.
        await #expect(throws: CancellationError.self) { try await reading.value }
        await eventually { node.waiters == 0 }
        await client.close()
    }

    @Test func aReaderThatWasCancelledSaysSoEverAfterAndOneThatEndedDoesNot() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.filled(node, shards: 1, 0..<5)
        // Both in one task that is cancelled, so that it is the reading which tells them apart.
        let results = try await Task { () -> [String] in
            var whole = client.records(self.id, from: .trimHorizon, until: .tip).makeAsyncIterator()
            while let batch = try await whole.next() { #expect(batch.count > 0) }
            var cut = client.records(self.id, from: .trimHorizon).makeAsyncIterator()
            _ = try await cut.next()
            withUnsafeCurrentTask { $0?.cancel() }
            var results: [String] = []
            for _ in 0..<2 {
                do {
                    results.append(try await cut.next() == nil ? "end" : "batch")
                } catch is CancellationError {
                    results.append("cancelled")
                }
            }
            let end = try await whole.next()
            return results + [end == nil ? "end" : "batch"]
        }.value
        #expect(results == ["cancelled", "cancelled", "end"])
        await client.close()
    }

    @Test func recordsComeOneByOneAsInTheirBatchesAndGapsAreCounted() async throws {
        let clock = ManualClock()
        let node = try await InProcessNode.start(clock: clock)
        let client = try await self.trimmed(node, clock, shards: 3)
        var batched: [SequenceNumber] = []
        var missed: UInt64 = 0
        for try await batch in client.records(self.id, from: .trimHorizon, until: .tip) {
            batched += batch.records.map(\.sequenceNumber)
            missed += batch.missedRecords
        }
        var iterator = client.records(self.id, from: .trimHorizon, until: .tip).records.makeAsyncIterator()
        var single: [SequenceNumber] = []
        while let record = try await iterator.next() { single.append(record.sequenceNumber) }
        #expect(Set(single) == Set(batched) && single.count == batched.count)
        #expect(single.filter { $0.shard == ShardNumber(1) } == batched.filter { $0.shard == ShardNumber(1) })
        #expect(iterator.missedRecords == missed)
        var ofShard = 0
        for try await record in client.records(self.id, shard: ShardNumber(1), from: .trimHorizon, until: .tip).records
        {
            #expect(record.shard == ShardNumber(1))
            ofShard += 1
        }
        #expect(ofShard == batched.filter { $0.shard == ShardNumber(1) }.count)
        await client.close()
    }

    @Test func aReaderTakesNoMoreThanItsCreditAhead() async throws {
        let node = try await InProcessNode.start()
        // 8 MB, of which one push brings 1 MiB at most.
        let client = try await self.filled(node, shards: 1, 0..<400, bytes: 20_000)
        var reader = client.records(self.id, from: .trimHorizon, until: .tip, .init(prefetchBytes: 1))
            .makeAsyncIterator()
        var count = try #require(try await reader.next()).count
        // 16 KiB of credit are less than one push; one was taken, and paid for. Whatever the node had to do is done
        // when it has answered.
        for _ in 0..<10 { _ = try await client.ping() }
        #expect(node.pushes.count <= 2 && node.pushes.bytes <= 2 * ((1 << 20) + 21_000))
        while let batch = try await reader.next() { count += batch.count }
        #expect(count == 400 && node.pushes.count >= 8)
        await client.close()
    }
}
