// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirModel
import WeirTestKit

@testable import WeirClient
@testable import WeirConsumer

@Suite("A worker's processors fail")
struct WorkerFaultTests {
    private func bad(_ index: UInt64) -> Journal.OnRecords {
        { records, _ in
            if records.contains(where: { $0.sequenceNumber.index == index }) { throw Broken("cannot do \(index)") }
        }
    }

    @Test("It is called again with the same records, until it is well")
    func retries() async throws {
        let calls = Mutex(0)
        let rig = try Rig(
            ModelServer(),
            Journal { _, _ in
                let count = calls.withLock { count in
                    count += 1
                    return count
                }
                if count < 4 { throw Broken() }
            })
        rig.server.give(0)
        rig.server.put(0, 0..<2)
        try await rig.run { await rig.untilCheckpoint(0, through(1)) }
        #expect(rig.journal.of(0) == ["initialize horizon", "0 1", "0 1", "0 1", "0 1", "shutdownRequested"])
        #expect(rig.worker.status.retries == 3 && rig.worker.status.records == 2)
    }

    @Test("Without a dead-letter stream the shard stands still before the bad records; others go on")
    func stopShard() async throws {
        let rig = try Rig(ModelServer(), Journal(onRecords: self.bad(15)))
        rig.server.give(0)
        rig.server.give(1)
        rig.server.put(0, 0..<30)
        rig.server.put(1, 0..<10)
        try await rig.run {
            await rig.eventually { rig.worker.status.shardsStopped == 1 }
            await rig.untilCheckpoint(1, through(9))
            rig.server.put(1, 10..<12)
            await rig.untilCheckpoint(1, through(11))
        }
        #expect(rig.server.checkpoint(of: 0) == through(9))
        #expect(rig.journal.of(0).count { $0.hasPrefix("10 ") } == 5)
        #expect(!rig.journal.of(0).contains { $0.hasPrefix("20 ") || $0 == "shutdownRequested" })
    }

    @Test("With one, exactly the bad record goes there, with its cause, and the shard goes on in order")
    func deadLetter() async throws {
        let dead = try StreamName("dead")
        let rig = try Rig(ModelServer(), Journal(onRecords: self.bad(15))) {
            $0.retry = ProcessorRetry(attempts: 3, exhausted: .deadLetter(dead))
        }
        rig.server.give(0)
        rig.server.put(0, 0..<30)
        rig.server.change {
            $0.letterErrors = [WeirError(.unavailable, "away"), WeirError(.throughputExceeded, "slow")]
        }
        try await rig.run { await rig.untilCheckpoint(0, through(29)) }
        let letters = rig.server.get { $0.letters }
        #expect(letters.count == 1 && rig.worker.status.deadLetters == 1)
        #expect(letters.first?.key == "key-15")
        #expect(rig.server.log.last == "close")
        let expected =
            #"{"shardId":"shardId-000000000000","sequenceNumber":"\#(number(15))","partitionKey":"key-15","#
            + #""approximateArrivalTimestamp":2000.500,"application":"app","worker":"worker-1","attempts":3,"#
            + #""cause":"cannot do 15","data":"Dw=="}"#
        #expect(letters.first.map { String(decoding: $0.data, as: UTF8.self) } == expected)
        // Three times together, then one by one, of which the bad one three times, then as usual.
        let calls = Array(rig.journal.of(0).dropFirst(2))
        let batch = "10 11 12 13 14 15 16 17 18 19"
        #expect(Array(calls.prefix(3)) == [batch, batch, batch])
        #expect(
            Array(calls.dropFirst(3))
                == ["10", "11", "12", "13", "14", "15", "15", "15", "16", "17", "18", "19"]
                + ["20 21 22 23 24 25 26 27 28 29", "shutdownRequested"])
        #expect(rig.worker.status.records == 29)
    }

    @Test("A letter that will never be taken stops the shard before its record")
    func refusedLetter() async throws {
        let dead = try StreamName("dead")
        let rig = try Rig(ModelServer(), Journal(onRecords: self.bad(4))) {
            $0.retry = ProcessorRetry(attempts: 1, exhausted: .deadLetter(dead))
        }
        rig.server.give(0)
        rig.server.put(0, 0..<10)
        rig.server.change { $0.letterErrors = [WeirError(.recordTooLarge, "too large")] }
        try await rig.run {
            await rig.eventually { rig.worker.status.shardsStopped == 1 }
        }
        #expect(rig.server.checkpoint(of: 0) == through(3))
        #expect(rig.server.get { $0.letters.count } == 0)
    }

    @Test("What it had checkpointed before it failed is not given again")
    func partly() async throws {
        let rig = try Rig(
            ModelServer(),
            Journal { records, checkpointer in
                guard records.count > 4 else { return }
                try await checkpointer.checkpoint(at: records[5])
                throw Broken()
            }
        ) { $0.checkpoints = .manual }
        rig.server.give(0)
        rig.server.put(0, 0..<10)
        try await rig.run { await rig.eventually { rig.worker.status.records == 10 } }
        #expect(rig.journal.of(0).dropFirst() == ["0 1 2 3 4 5 6 7 8 9", "6 7 8 9", "shutdownRequested"])
        #expect(rig.server.checkpoint(of: 0) == through(5))
    }

    @Test("A checkpoint at shutdown does not cover records that it failed on")
    func noSkip() async throws {
        let journal = Journal(onRecords: self.bad(12), onShutdown: { try await $0.checkpoint() })
        for checkpoints in [WorkerConfiguration.Checkpoints.automatic, .manual] {
            // Its pauses do not end by themselves.
            let rig = try Rig(ModelServer(), journal, clock: ManualClock()) {
                $0.checkpoints = checkpoints
                $0.retry.attempts = 1000
            }
            rig.server.give(0)
            rig.server.put(0, 0..<20)
            try await rig.run { await rig.eventually { rig.worker.status.retries == 1 } }
            #expect(rig.server.checkpoint(of: 0) == through(9))
        }
    }

    @Test("Checkpoints that fail do not stop automatic processing, and come later")
    func checkpoints() async throws {
        let rig = try Rig(ModelServer(), Journal())
        rig.server.change { $0.checkpointErrors = [WeirError(.timedOut, "slow"), WeirError(.storageFull, "full")] }
        rig.server.give(0)
        rig.server.put(0, 0..<25)
        try await rig.run { await rig.eventually { rig.worker.status.records == 25 } }
        #expect(rig.worker.status.checkpointFailures >= 1)
        #expect(rig.server.checkpoint(of: 0) == through(24) || rig.worker.status.checkpointFailures == 2)
    }

    @Test("initialize that fails is called again, and stops the shard in the end")
    func initialize() async throws {
        struct Unready: RecordProcessor {
            let calls: Journal
            func initialize(_ shard: ShardNumber, from checkpoint: LeaseCheckpoint) async throws {
                self.calls.write("initialize")
                throw Broken()
            }
            func processRecords(_ records: UserRecords, checkpointer: Checkpointer) async throws {}
        }
        let (server, journal) = (ModelServer(), Journal())
        server.give(0)
        server.put(0, 0..<5)
        let services = WorkerServices(
            leases: server, source: server, deadLetters: nil, clock: ImpatientClock(), dice: { 3 })
        let worker = try Worker(
            WorkerConfiguration(application: try ApplicationName("app"), sessionTimeout: .seconds(300)),
            connect: { services }, processors: { _ in Unready(calls: journal) })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await worker.run() }
            while worker.status.shardsStopped == 0 { await Task.yield() }
            worker.shutdown()
            try await group.waitForAll()
        }
        #expect(journal.all.count == 5)
        #expect(server.checkpoint(of: 0) == .trimHorizon)
    }
}
