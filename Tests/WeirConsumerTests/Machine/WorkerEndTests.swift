// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirClient
import WeirModel

@testable import WeirConsumer

@Suite("A worker's shutdown")
struct WorkerShutdownTests {
    @Test("Before it has begun it is over at once")
    func idle() {
        var bench = MachineBench()
        #expect(bench.send(.shutdown) == [.finish(nil)])
    }

    @Test("While it joins it leaves, because the server may have let it in")
    func joining() {
        var bench = MachineBench()
        bench.send(.start)
        bench.send(.shutdown)
        #expect(bench.isLeaving)
    }

    @Test("New leases are not begun, and it goes on being heard until it leaves")
    func draining() {
        var bench = MachineBench()
        let key = bench.join([lease(0)])[0]
        let beat = bench.call
        bench.send(.shutdown)
        bench.send(.heartbeatAnswered(call: beat, list(2, [lease(0), lease(1)])))
        #expect(bench.started.isEmpty && bench.isBeating)
        bench.send(.shardFinished(key, .stopped))
        #expect(bench.isLeaving && !bench.isBeating)
        bench.send(.shutdown)
        #expect(bench.actions.isEmpty)
    }

    @Test("A processor that does not finish is left behind after the drain timeout")
    func stuck() {
        var bench = MachineBench()
        let key = bench.join([lease(0)])[0]
        var beat = bench.call
        bench.send(.shutdown)
        for _ in 0..<29 {
            bench.send(.heartbeatAnswered(call: beat, list(1, nil)), after: second)
            beat = bench.call
            #expect(bench.isBeating)
        }
        bench.send(.tick, after: second)
        #expect(bench.stopped == [key.shard] && bench.lostReason != nil)
        #expect(bench.isLeaving)
        bench.send(.left)
        #expect(bench.finish == .some(nil))
    }
}

@Suite("A worker's checkpoints")
struct WorkerCheckpointTests {
    @Test("One is under way at a time; what is asked for meanwhile is stored together")
    func together() {
        var bench = MachineBench()
        let key = bench.join([lease(0)])[0]
        bench.send(.delivered(key, through(10)))
        bench.send(.checkpoint(key, through(1), ticket: 1))
        #expect(bench.saves == [through(1)])
        bench.send(.checkpoint(key, through(2), ticket: 2))
        bench.send(.checkpoint(key, through(2, sub: nil), ticket: 3))
        bench.send(.checkpoint(key, through(5), ticket: 4))
        #expect(bench.actions.isEmpty)
        bench.send(.checkpointSaved(key))
        #expect(bench.settled == [1: nil] && bench.saves == [through(5)])
        bench.send(.checkpointSaved(key))
        #expect(bench.settled == [2: nil, 3: nil, 4: nil] && bench.saves.isEmpty)
        bench.send(.checkpoint(key, through(5), ticket: 5))
        #expect(bench.actions == [.settle(ticket: 5, nil)])
    }

    @Test("One that is not stored fails who waited for it, and is asked for again by the next one")
    func failure() {
        var bench = MachineBench()
        let key = bench.join([lease(0)])[0]
        bench.send(.delivered(key, through(10)))
        bench.send(.checkpoint(key, through(1), ticket: 1))
        bench.send(.checkpoint(key, through(2), ticket: 2))
        bench.send(.checkpointFailed(key, awayError))
        #expect(bench.settled == [1: .unavailable] && bench.saves == [through(2)])
        bench.send(.checkpointFailed(key, awayError))
        #expect(bench.settled == [2: .unavailable])
        // It may be stored all the same, so no other may be lower.
        bench.send(.checkpoint(key, through(1), ticket: 3))
        #expect(bench.settled == [3: .invalidArgument])
        bench.send(.checkpoint(key, through(2), ticket: 4))
        #expect(bench.saves == [through(2)])
    }

    @Test("The server's refusal loses the lease, and says who owns it")
    func refused() {
        var bench = MachineBench()
        let key = bench.join([lease(0)])[0]
        bench.send(.delivered(key, through(10)))
        bench.send(.checkpoint(key, nil, ticket: 1))
        bench.send(.checkpointFailed(key, lostError))
        #expect(bench.actions.contains(.settle(ticket: 1, lostError)))
        #expect(bench.lostReason == lostError)
        // The next one is sent all the same: only the server knows whose the lease is by then.
        bench.send(.checkpoint(key, nil, ticket: 2))
        #expect(bench.actions == [.askOwner(key, through(10), ticket: 2)])
    }
}
