// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@testable import WeirClient

/// A machine with two shards, to which events are given one by one.
private struct Bench {
    var machine: ProducerMachine
    var now: UInt64 = 1_000_000_000
    private(set) var requests: [PutRequest] = []

    /// Keys that belong to the lower and to the upper half of the key space.
    static let low = "key-1"
    static let high = "key-0"

    init(_ change: (inout ProducerConfiguration) -> Void = { _ in }, shards: Int = 2) {
        var configuration = ProducerConfiguration(groupRecordsMin: 1)
        change(&configuration)
        self.machine = ProducerMachine(
            .init(configuration, retry: RetryPolicy(firstPauseMillis: 10, longestPauseMillis: 100)))
        self.machine.connected(frameBytesMax: Limits.frameBytesMax, now: self.now)
        self.machine.mapFetchStarted(now: self.now)
        self.machine.mapFetched(Self.map(shards), now: self.now)
    }

    static func map(_ shards: Int, version: UInt64 = 1) -> ShardMap {
        ShardMap(
            stream: StreamID(1), version: version,
            open: HashKeyRange.tiling(shards).enumerated().map { number, range in
                ShardDescription(
                    number: ShardNumber(UInt32(number) + UInt32(version - 1) * 10), range: range, parents: [],
                    creationSecond: 1, firstIndex: 0, createdAtMillis: 0, closed: nil)
            })
    }

    @discardableResult
    mutating func submit(_ keys: [String], dataBytes: Int = 1) -> RecordChunk {
        let chunk = RecordChunk()
        let data = [UInt8](repeating: 0, count: dataBytes)
        for key in keys {
            data.withUnsafeBytes { data in
                Array(key.utf8).withUnsafeBytes { chunk.records.append(key: $0, explicitHashKey: nil, data: data) }
            }
        }
        chunk.seal()
        #expect(throws: Never.self) { try self.machine.submit(chunk, now: self.now) }
        return chunk
    }

    /// Everything that may be sent now.
    @discardableResult
    mutating func send(mayPut: (Int) -> Bool = { _ in true }) -> [PutRequest] {
        var sent: [PutRequest] = []
        while let request = self.machine.nextRequest(now: self.now, mayPut: mayPut) { sent.append(request) }
        self.requests += sent
        return sent
    }

    /// Answers a request with one outcome for each of its groups: `nil` is stored.
    mutating func answer(_ request: PutRequest, _ refusals: [WeirError.Code?], retryAfter: UInt32? = nil) {
        var writer = PutRecordsAnswerWriter(mapVersion: self.machine.map?.version ?? 0, entries: refusals.count)
        for (group, refusal) in zip(request.groups, refusals) {
            if let refusal {
                let verdict = retryAfter.map { WeirError.Verdict(maybeStored: false, retry: .after(millis: $0)) }
                writer.append(
                    PutEntry(shard: group.shard, count: UInt32(group.count), refused: refusal, verdict: verdict))
            } else {
                writer.append(
                    PutEntry(
                        shard: group.shard, count: UInt32(group.count),
                        outcome: .stored(.init(firstIndex: 5, arrivalMillis: 2000, shardCreationSecond: 1))))
            }
        }
        let frame = writer.finish(correlation: 1)
        frame.withUnsafeBytes { raw in
            let payload = raw.slice(FrameHeader.bytes, raw.count - FrameHeader.bytes)
            guard let view = try? PutRecordsAnswerView(payload: payload) else { return }
            let isTaken = self.machine.answered(request.sequence, view, now: self.now)
            #expect(isTaken)
        }
    }
}

@Suite struct ProducerMachineTests {
    @Test func theKeysOfTheseTestsAreWhereTheyShouldBe() {
        #expect(Bench.map(2).position(of: HashKey(partitionKey: Bench.low)) == 0)
        #expect(Bench.map(2).position(of: HashKey(partitionKey: Bench.high)) == 1)
    }

    @Test func aRequestGroupsByShardAndNamesWhatWasSeen() {
        var bench = Bench()
        bench.submit([Bench.high, Bench.low, Bench.high])
        bench.submit([Bench.low])
        let sent = bench.send()
        #expect(sent.count == 1)
        #expect(sent[0].groups.map(\.count).sorted() == [2, 2])
        #expect(!sent[0].isRouted && sent[0].sequence == 1 && sent[0].seenThrough == 0 && sent[0].mapVersion == 1)
        bench.answer(sent[0], [nil, nil])
        bench.submit([Bench.low])
        #expect(bench.send().map(\.seenThrough) == [1])
    }

    @Test func fewRecordsOfManyShardsAreLeftToTheServer() {
        var bench = Bench({ $0.groupRecordsMin = 2 })
        bench.submit([Bench.low, Bench.high])
        #expect(bench.send().map(\.isRouted) == [true])
        bench.submit([Bench.low, Bench.high, Bench.low, Bench.high])
        #expect(bench.send().map(\.isRouted) == [false])
        // For one shard there is nothing to route.
        bench.submit([Bench.low])
        #expect(bench.send().map(\.isRouted) == [false])
    }

    @Test func aRequestKeepsToRecordsAndBytes() {
        var bench = Bench({
            $0.batchRecords = 3
            $0.batchBytes = 1000
        })
        bench.submit([String](repeating: Bench.low, count: 7))
        #expect(bench.send().map(\.count) == [3, 3, 1])
        bench.submit([String](repeating: Bench.low, count: 4), dataBytes: 400)
        #expect(bench.send().map(\.count) == [2, 2])
        // One that is larger than a batch goes alone.
        bench.submit([String](repeating: Bench.low, count: 2), dataBytes: 5000)
        #expect(bench.send().map(\.count) == [1, 1])
    }

    @Test func atMostSoManyRequestsAreUnderWay() {
        var bench = Bench({
            $0.batchRecords = 1
            $0.requestsInFlight = 2
        })
        bench.submit([String](repeating: Bench.low, count: 5))
        let sent = bench.send()
        #expect(sent.count == 2)
        bench.answer(sent[1], [nil])
        #expect(bench.send().map(\.sequence) == [3])
        // Only what is answered without a gap has been seen through.
        #expect(bench.requests.last?.seenThrough == 0)
    }

    @Test func withoutCreditNothingIsSentUntilAnAnswerGivesSomeBack() {
        var bench = Bench({ $0.batchRecords = 1 })
        bench.submit([Bench.low, Bench.low, Bench.low])
        var credit = 1
        func mayPut(_: Int) -> Bool {
            credit -= 1
            return credit >= 0
        }
        let sent = bench.send(mayPut: mayPut)
        #expect(sent.count == 1)
        credit = 10
        #expect(bench.send(mayPut: mayPut).isEmpty)
        bench.answer(sent[0], [nil])
        #expect(bench.send(mayPut: mayPut).map(\.sequence) == [2, 3])
    }

    @Test func aRefusedShardWaitsAndTheOthersGoOn() {
        var bench = Bench({ $0.batchRecords = 2 })
        bench.submit([Bench.low, Bench.high])
        bench.submit([Bench.low, Bench.high])
        let sent = bench.send()
        #expect(sent.map(\.sequence) == [1, 2])
        bench.answer(sent[0], sent[0].groups.map { $0.lane == 0 ? .throughputExceeded : nil }, retryAfter: 30)
        bench.submit([Bench.low, Bench.high])
        // The lower shard has one under way that will be refused too.
        #expect(bench.send().map { $0.groups.map(\.lane) } == [[1]])
        bench.answer(sent[1], sent[1].groups.map { $0.lane == 0 ? .behind : nil })
        #expect(bench.send().isEmpty)
        #expect(bench.machine.nextDeadline(now: bench.now) == bench.now + 30_000_000)
        bench.now += 30_000_000
        let again = bench.send()
        #expect(again.map(\.count) == [2, 1])
        #expect(again.allSatisfy { $0.seenThrough == 2 && $0.groups.map(\.lane) == [0] })
        // In the order in which they were given.
        #expect(again.flatMap(\.runs).map(\.chunk.ordinal) == [1, 2, 3])
    }

    /// Around the bound: nothing fails before it, and everything that has waited as long fails at it, with the server's
    /// own sentence; what came later has its own time.
    @Test(arguments: [(1, 1), (999, 1000), (1000, 1000), (1001, 1000), (2500, 1000), (2500, 3000)] as [(UInt64, Int)])
    func aLogThatStaysFullFailsWhatHasWaitedTooLong(_ between: UInt64, _ patience: Int) {
        var bench = Bench(
            {
                $0.timeout = .seconds(60)
                $0.progressTimeout = .milliseconds(patience)
                $0.batchRecords = 2
            }, shards: 1)
        let start = bench.now
        let full = WeirError(
            .storageFull, "the log is full: raise it", verdict: .init(maybeStored: false, retry: .after(millis: 7)))
        let first = bench.submit([Bench.low])
        var second: RecordChunk?
        var failedAt: [UInt64] = []
        var told = 0
        while failedAt.count < 2, bench.now - start < 20_000_000_000 {
            for request in bench.send() { bench.machine.refused(request.sequence, full, now: bench.now) }
            let next = bench.machine.nextDeadline(now: bench.now) ?? .max
            let submission = start + between * 1_000_000
            if second == nil, submission <= next {
                bench.now = max(bench.now, submission)
                second = bench.submit([Bench.low])
            } else {
                #expect(next < .max)
                bench.now = max(bench.now, next)
            }
            bench.machine.tick(now: bench.now)
            told += bench.machine.takeNotices().count
            for chunk in bench.machine.takeCompleted().chunks {
                failedAt.append(bench.now)
                for case .failure(let error) in chunk.takeResults() {
                    #expect(error.code == .storageFull && error.message.hasPrefix("the log is full: raise it; nothing"))
                    #expect(!error.verdict.maybeStored)
                }
                bench.machine.reported(chunk.ordinal)
            }
        }
        let bound = UInt64(patience) * 1_000_000
        #expect(first.ordinal == 1)
        #expect(failedAt.count == 2)
        // A lane that is tried again just then is waited for, some milliseconds.
        for (at, due) in zip(failedAt, [start + bound, start + between * 1_000_000 + bound]) {
            #expect(at >= due && at <= due + 10_000_000, "\(at) \(due)")
        }
        #expect(told == (failedAt.last ?? 0 >= start + 1_000_000_000 ? 1 : 0))
    }

    @Test func aRateThatIsUsedUpIsWaitedForWithoutABound() {
        var bench = Bench({ $0.progressTimeout = .milliseconds(100) }, shards: 1)
        bench.submit([Bench.low])
        for _ in 0..<1000 {
            for request in bench.send() { bench.answer(request, [.throughputExceeded], retryAfter: 50) }
            bench.now = bench.machine.nextDeadline(now: bench.now) ?? bench.now
            bench.machine.tick(now: bench.now)
        }
        #expect(bench.machine.takeCompleted().chunks.isEmpty && bench.machine.takeNotices().isEmpty)
    }

    @Test func whatIsStoredNowAndThenIsProgress() {
        var bench = Bench(
            {
                $0.progressTimeout = .milliseconds(100)
                $0.batchRecords = 1
            }, shards: 1)
        bench.submit(Array(repeating: Bench.low, count: 50))
        var round = 0
        while bench.machine.hasUnresolved, round < 1000 {
            for request in bench.send() {
                // One is stored, then the log is full for 80 ms.
                bench.answer(request, [round % 9 == 0 ? nil : .storageFull], retryAfter: 10)
                round += 1
            }
            bench.now = bench.machine.nextDeadline(now: bench.now) ?? bench.now
            bench.machine.tick(now: bench.now)
        }
        let results = bench.machine.takeCompleted().chunks.flatMap { Array($0.takeResults()) }
        #expect(results.count == 50)
        #expect(results.allSatisfy { if case .success = $0 { true } else { false } })
    }

    @Test func aRefusedShardWaitsForEveryAnswerUpToItsLastRefusal() {
        var bench = Bench({ $0.batchRecords = 1 })
        bench.submit([Bench.high])
        bench.submit([Bench.low])
        let sent = bench.send()
        bench.answer(sent[1], [.throughputExceeded], retryAfter: 0)
        // The refusal has sequence 2, and sequence 1 is not answered: the server would refuse again.
        #expect(bench.send().isEmpty)
        bench.answer(sent[0], [nil])
        #expect(bench.send().map(\.seenThrough) == [2])
    }

    @Test func aNewMapTakesEffectWhenNothingIsUnderWay() {
        var bench = Bench({ $0.batchRecords = 1 })
        bench.submit([Bench.low, Bench.high, Bench.low])
        let sent = bench.send()
        bench.answer(sent[0], [.wrongShard])
        #expect(bench.machine.wantsMap(now: bench.now))
        bench.submit([Bench.high])
        #expect(bench.send().isEmpty)
        bench.machine.mapFetchStarted(now: bench.now)
        bench.machine.mapFetched(Bench.map(1, version: 2), now: bench.now)
        #expect(bench.send().isEmpty)
        bench.answer(sent[1], [nil])
        bench.answer(sent[2], [.behind])
        let again = bench.send()
        #expect(again.map { $0.groups[0].shard.rawValue } == [10, 10, 10])
        #expect(again.flatMap(\.runs).map(\.place.ordinal) == [1, 1, 2])
        #expect(again.allSatisfy { $0.mapVersion == 2 && $0.seenThrough == 3 })
    }

    @Test func aMapThatLagsBehindTheAnswersIsAskedForAgain() {
        var bench = Bench()
        bench.machine.mapVersionSeen = 3
        bench.submit([Bench.low])
        let sent = bench.send()
        bench.answer(sent[0], [.wrongShard])
        bench.machine.mapFetchStarted(now: bench.now)
        bench.machine.mapFetched(Bench.map(2, version: 2), now: bench.now)
        #expect(!bench.machine.wantsMap(now: bench.now))
        #expect(bench.machine.wantsMap(now: bench.now + 10_000_000))
    }

    @Test func resultsSayWhereEachRecordIs() throws {
        var bench = Bench()
        let chunk = bench.submit([Bench.high, Bench.low, Bench.high])
        let sent = bench.send()
        bench.answer(sent[0], [nil, nil])
        #expect(bench.machine.takeCompleted().chunks.map(\.ordinal) == [1])
        let receipts = try chunk.takeResults().map { try $0.get() }
        #expect(receipts.map(\.shard.rawValue) == [1, 0, 1])
        #expect(receipts.map(\.sequenceNumber.index) == [5, 5, 6])
        #expect(!bench.machine.hasUnresolved)
    }

    @Test func anAnswerThatDoesNotFitIsNotTaken() throws {
        var bench = Bench()
        bench.submit([Bench.low, Bench.low])
        let sent = bench.send()
        for count in [UInt32(1), 3] {
            var writer = PutRecordsAnswerWriter(mapVersion: 1, entries: 1)
            writer.append(PutEntry(shard: ShardNumber(0), count: count, refused: .behind))
            try writer.finish(correlation: 1).withUnsafeBytes { raw in
                let view = try PutRecordsAnswerView(payload: raw.slice(FrameHeader.bytes, raw.count - 16))
                for sequence in [sent[0].sequence, 99] {
                    let isTaken = bench.machine.answered(sequence, view, now: bench.now)
                    #expect(!isTaken)
                }
            }
        }
        #expect(bench.machine.unanswered == 1)
        bench.answer(sent[0], [nil])
        #expect(!bench.machine.hasUnresolved)
    }

    @Test func whatTheServerForbidsForGoodFailsEverything() {
        for code in [WeirError.Code.streamDeleted, .streamNotFound, .notAuthorized, .sessionFenced] {
            var bench = Bench({ $0.batchRecords = 1 })
            let first = bench.submit([Bench.low, Bench.high])
            let second = bench.submit([Bench.low])
            let sent = bench.send()
            bench.answer(sent[0], [code])
            #expect(bench.machine.failure?.code == code)
            #expect(bench.machine.wantsDisconnect)
            #expect(bench.machine.takeCompleted().chunks.count == 2)
            // What was under way may have been stored.
            let results = first.takeResults().map { $0 } + second.takeResults().map { $0 }
            for (position, result) in results.enumerated() {
                guard case .failure(let error) = result else { continue }
                #expect(error.code == code && error.verdict.maybeStored == (position > 0))
            }
            #expect(results.count == 3)
            #expect(throws: WeirError.self) { try bench.machine.submit(RecordChunk(), now: 0) }
        }
    }

    @Test func aRecordThatNoFrameHoldsFails() {
        var bench = Bench()
        bench.machine.connectionLost(WeirError(.unavailable, ""), now: bench.now)
        bench.machine.connected(frameBytesMax: 4096, now: bench.now)
        let chunk = bench.submit([Bench.low], dataBytes: 5000)
        #expect(bench.send().isEmpty)
        #expect(bench.machine.takeCompleted().chunks.count == 1)
        guard case .failure(let error) = chunk.takeResults()[0] else { return #expect(Bool(false)) }
        #expect(error.code == .recordTooLarge && !error.verdict.maybeStored)
    }
}
