// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirClient
import WeirModel

@testable import WeirConsumer

@Suite("A worker whose shards stand still")
struct WorkerStandstillTests {
    /// Keeps the session alive for so long, in steps that are shorter than it.
    private func pass(_ nanos: UInt64, _ bench: inout MachineBench, _ beat: inout UInt64) {
        var left = nanos
        while left > 0 {
            let step = min(left, second)
            left -= step
            if bench.finish == nil, !bench.isLeaving {
                bench.send(.heartbeatAnswered(call: beat, list(1, nil)), after: step)
                beat = bench.call
            }
        }
    }

    @Test("When all do, it ends with the reason after a session timeout", arguments: [1, 2, 300])
    func all(_ shards: UInt32) {
        var bench = MachineBench()
        let keys = bench.join((0..<shards).map { lease($0) })
        var beat = bench.call
        for key in keys { bench.send(.shardFinished(key, .failed)) }
        #expect(bench.machine.nextDeadline == bench.now + timeout)
        self.pass(timeout - 1, &bench, &beat)
        #expect(bench.isBeating && !bench.isLeaving)
        bench.send(.tick, after: 1)
        #expect(bench.isLeaving)
        bench.send(.left)
        guard case .some(.some(let error)) = bench.finish else {
            Issue.record("it ends without a reason")
            return
        }
        #expect(error.message.contains("stand") && (shards == 1 || error.message.contains("\(shards) shards")))
    }

    @Test("One that ended, or was given away, makes no difference; one that is processed does", arguments: 0..<4)
    func others(_ other: Int) {
        var bench = MachineBench()
        let keys = bench.join([lease(0), lease(1)])
        var beat = bench.call
        bench.send(.shardFinished(keys[0], .failed))
        switch other {
        case 0: bench.send(.shardFinished(keys[1], .ended))
        case 1:
            bench.send(.heartbeatAnswered(call: beat, list(1, [lease(0), lease(1, handOver: true)])))
            beat = bench.call
            bench.send(.shardFinished(keys[1], .stopped))
            bench.send(.handedOver(keys[1]))
        case 2: bench.send(.shardFinished(keys[1], .failed))
        default: break
        }
        self.pass(2 * timeout, &bench, &beat)
        #expect(bench.isLeaving == (other < 3))
    }

    @Test("One without any, and one that has only finished its shards, waits for others")
    func idle() {
        for isEnded in [false, true] {
            var bench = MachineBench()
            let keys = bench.join(isEnded ? [lease(0)] : [])
            var beat = bench.call
            for key in keys { bench.send(.shardFinished(key, .ended)) }
            self.pass(20 * timeout, &bench, &beat)
            #expect(bench.isBeating)
        }
    }

    @Test("A shard that it gets meanwhile starts the time anew", arguments: [0, 1, 2, 3, 4] as [UInt64])
    func another(_ seconds: UInt64) {
        var bench = MachineBench()
        let key = bench.join([lease(0)])[0]
        var beat = bench.call
        bench.send(.shardFinished(key, .failed))
        self.pass(seconds * second, &bench, &beat)
        bench.send(.heartbeatAnswered(call: beat, list(2, [lease(0), lease(1)])))
        beat = bench.call
        let next = bench.started[0]
        self.pass(2 * timeout, &bench, &beat)
        #expect(bench.isBeating)
        bench.send(.shardFinished(next, .failed))
        self.pass(timeout - 1, &bench, &beat)
        #expect(bench.isBeating)
        bench.send(.tick, after: 1)
        #expect(bench.isLeaving)
    }
}

@Suite("The end of a shard is being stored when the session ends")
struct WorkerEndOfShardTests {
    /// One whose end is being stored when nothing was heard for the session timeout.
    private func bench() -> (MachineBench, LeaseKey) {
        var bench = MachineBench()
        let key = bench.join([lease(0), lease(1)])[0]
        bench.send(.delivered(key, through(10)))
        bench.send(.reachedEnd(key))
        bench.send(.checkpoint(key, nil, ticket: 1))
        #expect(bench.saves == [.shardEnd])
        bench.send(.tick, after: timeout)
        #expect(bench.stopped == [ShardNumber(1)], "only the other one is lost")
        return (bench, key)
    }

    @Test("If it is stored nothing was lost", arguments: [false, true])
    func stored(isBackFirst: Bool) {
        var (bench, key) = self.bench()
        if isBackFirst {
            // The server has dropped the finished lease from its list by then.
            bench.send(.joined(call: bench.call, list(2, [])))
            #expect(bench.stopped.isEmpty)
        }
        bench.send(.checkpointSaved(key))
        #expect(bench.settled == [1: nil] && bench.stopped.isEmpty)
        bench.send(.shardFinished(key, .ended))
        bench.send(.tick, after: timeout)
        #expect(bench.stopped.isEmpty)
    }

    @Test(
        "If it is not, the lease is lost",
        arguments: [awayError, lostError, WeirError(.timedOut, "slow"), WeirError(.invalidArgument, "no")])
    func refused(_ error: WeirError) {
        var (bench, key) = self.bench()
        bench.send(.checkpointFailed(key, error))
        #expect(bench.stopped == [key.shard] && bench.lostReason?.code == .leaseLost)
        #expect(bench.settled == [1: error.code])
    }

    @Test("Nobody else's checkpoint holds a lease up")
    func records() {
        var bench = MachineBench()
        let key = bench.join([lease(0)])[0]
        bench.send(.delivered(key, through(10)))
        bench.send(.checkpoint(key, nil, ticket: 1))
        bench.send(.tick, after: timeout)
        #expect(bench.stopped == [key.shard])
    }
}

@Suite("What a worker says of its trouble")
struct WorkerTroubleTests {
    @Test("Leases that are lost together are one sentence")
    func lost() {
        let error = WeirError(.leaseLost, "nothing was answered")
        func key(_ shard: UInt32) -> LeaseKey { LeaseKey(shard: ShardNumber(shard), counter: 3, life: 1) }
        #expect(WorkerCore.describe(lost: []) == nil)
        #expect(
            WorkerCore.describe(lost: [(key(0), error)])
                == "the lease of shardId-000000000000 with counter 3 is lost: nothing was answered")
        for count in [2, 300] as [UInt32] {
            #expect(
                WorkerCore.describe(lost: (0..<count).map { (key($0), error) })
                    == "\(count) leases are lost, first that of shardId-000000000000: nothing was answered")
        }
    }

    @Test("A call that nobody waits for any more is no trouble")
    func calls() {
        var bench = MachineBench()
        let key = bench.join([lease(0)])[0]
        let beat = bench.call
        #expect(bench.machine.awaits(call: beat) && !bench.machine.awaits(call: beat - 1))
        bench.send(.shutdown)
        #expect(bench.machine.awaits(call: beat))
        bench.send(.shardFinished(key, .stopped))
        #expect(bench.isLeaving && !bench.machine.awaits(call: beat))
    }
}
