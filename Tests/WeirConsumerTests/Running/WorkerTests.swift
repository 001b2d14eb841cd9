// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirModel

@testable import WeirClient
@testable import WeirConsumer

@Suite("A worker processes")
struct WorkerTests {
    @Test("A closed shard is processed in order to its end, and the end is checkpointed")
    func wholeShard() async throws {
        let rig = try Rig(ModelServer(), Journal())
        rig.server.give(0)
        rig.server.put(0, 0..<25, close: true)
        try await rig.run { await rig.untilCheckpoint(0, .shardEnd) }
        let calls = rig.journal.of(0)
        #expect(calls.first == "initialize horizon")
        #expect(calls.last == "shardEnded")
        let records = calls.dropFirst().dropLast().flatMap { $0.split(separator: " ") }
        #expect(records == (0..<25).map { "\($0)" })
        #expect(rig.worker.status.records == 25 && rig.worker.status.shardsEnded == 1)
        #expect(rig.server.log.last == "leave")
    }

    @Test("Checkpoints never go back, and the last one is behind everything that was processed")
    func automatic() async throws {
        let rig = try Rig(ModelServer(batchRecords: 7), Journal())
        rig.server.give(0, from: through(4))
        rig.server.put(0, 0..<1000)
        try await rig.run { await rig.until { $0.rows[ShardNumber(0)]?.checkpoint == through(999) } }
        let stored = rig.server.log.compactMap { line -> UInt64? in
            line.hasPrefix("checkpoint 0 ") ? UInt64(line.dropFirst("checkpoint 0 ".count)) : nil
        }
        #expect(stored == stored.sorted() && stored.last == 999)
        #expect(rig.journal.of(0).dropFirst().first == "5 6 7 8 9 10 11")
    }

    @Test("A call gets no more records than it may, also within an aggregate, and goes on behind one")
    func portions() async throws {
        let rig = try Rig(ModelServer(), Journal()) { $0.recordsPerCall = 2 }
        rig.server.give(0, from: through(1, sub: 0))
        rig.server.change { state in
            state.records[ShardNumber(0)] = [
                record(0, [0]), record(1, AggregateTests.vector), record(2, AggregateTests.vector), record(3, [3]),
            ]
        }
        try await rig.run { await rig.untilCheckpoint(0, through(3)) }
        #expect(rig.journal.of(0).dropFirst() == ["1.1 2.0", "2.1 3", "shutdownRequested"])
        // A portion that ends within an aggregate is checkpointed as that, when there is time for it.
        let stored = rig.server.log.filter { $0.hasPrefix("checkpoint") }
        #expect([["checkpoint 0 2.0", "checkpoint 0 3"], ["checkpoint 0 3"]].contains(stored))
    }

    @Test("A manual processor checkpoints when it likes: at a record, or everything")
    func manual() async throws {
        let journal = Journal(
            onRecords: { records, checkpointer in
                if records.contains(where: { $0.sequenceNumber.index == 3 }) {
                    try await checkpointer.checkpoint(at: records[3])
                }
            }, onShutdown: { try await $0.checkpoint() })
        let rig = try Rig(ModelServer(), journal) { $0.checkpoints = .manual }
        rig.server.give(0)
        rig.server.put(0, 0..<20)
        try await rig.run { await rig.eventually { rig.worker.status.records == 20 } }
        #expect(rig.server.log.filter { $0.hasPrefix("checkpoint") } == ["checkpoint 0 3", "checkpoint 0 19"])
    }

    @Test("Checkpoints that are not allowed are refused with their reasons")
    func refused() async throws {
        let errors = Mutex<[WeirError.Code?]>([])
        let journal = Journal { records, checkpointer in
            func tried(_ body: () async throws -> Void) async {
                var code: WeirError.Code?
                do { try await body() } catch { code = (error as? WeirError)?.code }
                errors.withLock { $0.append(code) }
            }
            guard records.first?.sequenceNumber.index == 0 else { return }
            await tried { try await checkpointer.checkpoint(at: records[5]) }
            await tried { try await checkpointer.checkpoint(at: records[4]) }
            await tried { try await checkpointer.checkpoint(at: number(10)) }
            await tried { try await checkpointer.checkpoint(at: number(7, shard: 1)) }
            await tried { try await checkpointer.checkpoint(at: number(5)) }
            await tried { try await checkpointer.checkpoint() }
        }
        let rig = try Rig(ModelServer(), journal) { $0.checkpoints = .manual }
        rig.server.give(0)
        rig.server.put(0, 0..<10)
        try await rig.run { await rig.untilCheckpoint(0, through(9)) }
        #expect(
            errors.withLock { $0 } == [nil, .invalidArgument, .invalidArgument, .invalidArgument, nil, nil])
        #expect(rig.server.log.filter { $0.hasPrefix("checkpoint") } == ["checkpoint 0 5", "checkpoint 0 9"])
    }

    @Test("An end of a shard that is not checkpointed is an error and is told again")
    func forgottenEnd() async throws {
        let calls = Mutex(0)
        let journal = Journal(onEnd: { checkpointer in
            let count = calls.withLock { count in
                count += 1
                return count
            }
            if count == 3 { try await checkpointer.checkpoint() }
        })
        let rig = try Rig(ModelServer(), journal) { $0.checkpoints = .manual }
        rig.server.give(0)
        rig.server.put(0, 0..<3, close: true)
        try await rig.run { await rig.untilCheckpoint(0, .shardEnd) }
        #expect(rig.journal.of(0) == ["initialize horizon", "0 1 2", "shardEnded", "shardEnded", "shardEnded"])
        #expect(rig.worker.status.retries == 2)
    }

    @Test("Records that come later are processed; what is trimmed or cannot be read is counted, never skipped")
    func reading() async throws {
        let rig = try Rig(ModelServer(), Journal())
        rig.server.give(0)
        rig.server.put(0, 0..<5)
        try await rig.run {
            await rig.untilCheckpoint(0, through(4))
            rig.server.change { state in
                state.readErrors = [WeirError(.damaged, "a page is damaged"), WeirError(.unavailable, "away")]
            }
            await rig.eventually { rig.worker.status.readFailures == 2 }
            rig.server.put(0, 5..<8)
            await rig.untilCheckpoint(0, through(7))
        }
        #expect(rig.journal.of(0) == ["initialize horizon", "0 1 2 3 4", "5 6 7", "shutdownRequested"])
    }

    @Test("No more than a batch waits for a processor that is busy")
    func bounded() async throws {
        let gate = Gate()
        let rig = try Rig(ModelServer(), Journal { _, _ in try await gate.wait() })
        rig.server.give(0)
        rig.server.put(0, 0..<1000)
        try await rig.run {
            await rig.eventually { rig.server.get { $0.batchesTaken } == 2 }
            for _ in 0..<2000 { await Task.yield() }
            #expect(rig.server.get { $0.batchesTaken } == 2)
            gate.open()
            await rig.untilCheckpoint(0, through(999))
        }
    }

    @Test("A worker runs once, and its configuration has limits")
    func once() async throws {
        let rig = try Rig(ModelServer(), Journal())
        rig.worker.shutdown()
        try await rig.worker.run()
        await #expect(throws: WeirError.self) { try await rig.worker.run() }
        for change: (inout WorkerConfiguration) -> Void in [
            { $0.sessionTimeout = .milliseconds(999) }, { $0.sessionTimeout = .seconds(301) },
            { $0.recordsPerCall = 0 }, { $0.prefetchBytes = 1 }, { $0.retry.attempts = 0 },
            { $0.retry.from = .zero }, { $0.retry.to = .milliseconds(1) },
        ] {
            #expect(throws: WeirError.self) { try Rig(ModelServer(), Journal(), change) }
        }
    }

    @Test("Generated worker ids are valid and differ")
    func ids() {
        #expect(WorkerID.generated() != WorkerID.generated())
        #expect(WorkerID.generated().description.split(separator: "-").count >= 3)
    }
}
