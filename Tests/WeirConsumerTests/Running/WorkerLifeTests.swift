// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirModel
import WeirTestKit

@testable import WeirClient
@testable import WeirConsumer

@Suite("A worker's leases come and go")
struct WorkerLifeTests {
    @Test("Asked to hand over, it finishes its call, checkpoints, and only then hands over")
    func handOver() async throws {
        let gate = Gate()
        let rig = try Rig(ModelServer(), Journal { _, _ in try await gate.wait() })
        rig.server.give(0)
        rig.server.put(0, 0..<10)
        try await rig.run {
            await rig.eventually { rig.journal.of(0).count == 2 }
            rig.server.ask(for: 0)
            for _ in 0..<500 { await Task.yield() }
            #expect(!rig.server.log.contains("handOver 0"))
            gate.open()
            await rig.until { $0.log.contains("handOver 0") }
        }
        #expect(rig.journal.of(0) == ["initialize horizon", "0 1 2 3 4 5 6 7 8 9", "shutdownRequested"])
        #expect(rig.server.log.prefix(3) == ["join", "checkpoint 0 9", "handOver 0"])
    }

    @Test("A lost lease: its call is cancelled, its checkpoint refused by who owns it, and nothing more is processed")
    func lost() async throws {
        let gate = Gate()
        let errors = Mutex<[WeirError?]>([])
        let rig = try Rig(
            ModelServer(),
            Journal { _, checkpointer in
                do {
                    try await gate.wait()
                } catch {
                    do { try await checkpointer.checkpoint() } catch {
                        errors.withLock { $0.append(error as? WeirError) }
                    }
                    throw error
                }
            })
        rig.server.give(0)
        rig.server.put(0, 0..<30)
        try await rig.run {
            await rig.eventually { rig.journal.of(0).count == 2 }
            rig.server.takeAway(0)
            await rig.eventually { rig.journal.of(0).last == "leaseLost" }
        }
        let error = errors.withLock { $0 }.first ?? nil
        #expect(error?.code == .leaseLost && error?.message.contains("held by 'other'") == true)
        #expect(rig.server.checkpoint(of: 0) == .trimHorizon)
        #expect(rig.worker.status.leasesLost == 1 && rig.worker.status.records == 0)
    }

    @Test("A processor that never returns stops neither the heartbeats nor other shards")
    func stuck() async throws {
        let gate = Gate()
        let rig = try Rig(
            ModelServer(),
            Journal { records, _ in
                // Not even cancelling helps.
                while records.shard == ShardNumber(0), (try? await gate.wait()) == nil { await Task.yield() }
            })
        rig.server.give(0)
        rig.server.give(1)
        rig.server.put(0, 0..<10)
        rig.server.put(1, 0..<10)
        try await rig.run {
            await rig.untilCheckpoint(1, through(9))
            let before = rig.server.get { $0.heartbeats }
            rig.server.give(2)
            rig.server.put(2, 0..<3)
            await rig.untilCheckpoint(2, through(2))
            #expect(rig.server.get { $0.heartbeats } > before)
            // Not even when it is lost, and given to us again: that waits.
            rig.server.takeAway(0)
            await rig.eventually { rig.worker.status.leasesLost == 1 }
            rig.server.give(0, counter: 9)
            rig.server.put(1, 10..<12)
            await rig.untilCheckpoint(1, through(11))
            #expect(rig.journal.of(0).count { $0.hasPrefix("initialize") } == 1)
            gate.open()
            await rig.untilCheckpoint(0, through(9))
        }
        #expect(rig.journal.of(0).count { $0.hasPrefix("initialize") } == 2)
    }

    @Test("Cancelling run is a shutdown: what is being processed is finished, checkpointed, and the group left")
    func cancel() async throws {
        let gate = Gate()
        let wasCancelled = Mutex(false)
        let rig = try Rig(
            ModelServer(),
            Journal { _, _ in
                try await gate.wait()
                if Task.isCancelled { wasCancelled.withLock { $0 = true } }
            })
        rig.server.give(0)
        rig.server.put(0, 0..<30)
        let task = Task { try await rig.worker.run() }
        await rig.eventually { rig.journal.of(0).count == 2 }
        task.cancel()
        for _ in 0..<500 { await Task.yield() }
        gate.open()
        try await task.value
        #expect(rig.journal.of(0) == ["initialize horizon", "0 1 2 3 4 5 6 7 8 9", "shutdownRequested"])
        #expect(rig.server.log == ["join", "checkpoint 0 9", "leave"])
        #expect(!wasCancelled.withLock { $0 })
    }

    @Test("Unheard for the session timeout it stops using its leases, and begins anew when it is heard again")
    func deaf() async throws {
        let clock = ManualClock()
        let rig = try Rig(ModelServer(batchRecords: 1), Journal(), clock: clock) { $0.sessionTimeout = .seconds(5) }
        rig.server.give(0)
        rig.server.put(0, 0..<3)
        try await rig.run {
            await rig.untilCheckpoint(0, through(2))
            rig.server.change { $0.isDeaf = true }
            let begin = clock.monotonicNanos
            await clock.advance(stepMillis: 10) { rig.worker.status.leasesLost == 1 }
            #expect(clock.monotonicNanos - begin <= 5_000_000_000)
            #expect(!rig.worker.status.isInSession)
            rig.server.put(0, 3..<6)
            await clock.advance(stepMillis: 10) { rig.journal.of(0).last == "leaseLost" }
            for _ in 0..<500 { await Task.yield() }
            rig.server.change { $0.isDeaf = false }
            await clock.advance(stepMillis: 10) { rig.server.checkpoint(of: 0) == through(5) }
        }
        #expect(
            rig.journal.of(0)
                == [
                    "initialize horizon", "0", "1", "2", "leaseLost", "initialize 2", "3", "4", "5",
                    "shutdownRequested",
                ])
    }

    @Test("A record that came before the deadline is not processed after it")
    func deadline() async throws {
        let (clock, gate) = (ManualClock(), Gate())
        let rig = try Rig(
            ModelServer(batchRecords: 5), Journal { _, _ in try? await gate.wait() }, clock: clock
        ) {
            $0.sessionTimeout = .seconds(5)
            $0.recordsPerCall = 1
        }
        rig.server.give(0)
        rig.server.put(0, 0..<5)
        try await rig.run {
            await rig.eventually { rig.journal.of(0).count == 2 }
            rig.server.change { $0.isDeaf = true }
            // The process is paused: nothing runs, and then everything at once.
            clock.advance(millis: 20_000)
            gate.open()
            await rig.eventually { rig.journal.of(0).contains("leaseLost") }
            rig.server.change { state in
                state.isDeaf = false
                state.rows = [:]
                state.version += 1
            }
        }
        #expect(rig.journal.of(0) == ["initialize horizon", "0", "leaseLost"])
    }

    @Test("A deleted stream ends run with that error, and processors are told")
    func deleted() async throws {
        let rig = try Rig(ModelServer(), Journal())
        rig.server.give(0)
        rig.server.change { $0.joinErrors = [WeirError(.unavailable, "starting")] }
        let task = Task { try await rig.worker.run() }
        await rig.eventually { rig.journal.of(0).count == 1 }
        rig.server.change { state in
            state.readErrors = [WeirError(.streamDeleted, "gone")]
        }
        await rig.eventually { rig.journal.of(0).last == "leaseLost" }
        rig.worker.shutdown()
        try await task.value

        let other = try Rig(ModelServer(), Journal())
        other.server.change { $0.joinErrors = [WeirError(.streamNotFound, "no stream")] }
        await #expect(throws: WeirError(.streamNotFound, "no stream")) { try await other.worker.run() }
    }
}
