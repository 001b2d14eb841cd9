// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirClient
import WeirModel

@testable import WeirConsumer

@Suite("A worker's session")
struct WorkerSessionTests {
    /// A server that has begun anew expects the workers of its table for five seconds, whatever timeout they have.
    @Test(
        "Pauses stay short, so that a restart of the server moves no lease", arguments: [1, 5, 20, 60, 300] as [UInt64])
    func pauses(_ seconds: UInt64) {
        let pauses = WorkerMachine.Settings.pauses(sessionTimeout: seconds * second)
        for attempt in 1...20 {
            #expect(pauses.pauseNanos(attempt: attempt, dice: .max) <= min(seconds * second, timeout) / 8)
        }
    }

    @Test("It joins, starts what it is given, and keeps one heartbeat under way with the version it has seen")
    func joins() {
        var bench = MachineBench()
        bench.send(.start)
        #expect(bench.actions == [.join(call: 1, deadline: bench.now + timeout)])
        let sent = bench.now
        bench.send(.joined(call: 1, list(4, [lease(0), lease(3)])), after: second)
        #expect(bench.started.map(\.shard) == [ShardNumber(0), ShardNumber(3)])
        #expect(
            bench.actions.last == .heartbeat(call: 2, seen: 4, waitMillis: 1666, deadline: sent + timeout))
        bench.send(.heartbeatAnswered(call: 2, list(4, nil)), after: second)
        #expect(bench.started.isEmpty && bench.stopped.isEmpty)
        #expect(bench.isBeating)
    }

    @Test("Leases may be used until the session timeout after the last heartbeat that was answered was sent")
    func deadline() {
        var bench = MachineBench()
        let key = bench.join([lease(0)])[0]
        let joinedAt = bench.now
        let beat = bench.call
        bench.send(.heartbeatAnswered(call: beat, list(1, nil)), after: second)
        // Counted from its sending, which was when the join was answered.
        #expect(bench.machine.isUsable(key, now: joinedAt + timeout - 1))
        #expect(!bench.machine.isUsable(key, now: joinedAt + timeout))
        #expect(bench.machine.nextDeadline == joinedAt + timeout)
        bench.now = joinedAt + timeout - 1
        bench.send(.tick)
        #expect(bench.stopped.isEmpty)
        bench.send(.tick, after: 1)
        #expect(bench.stopped == [ShardNumber(0)])
        #expect(bench.lostReason?.message.contains("5000 ms") == true)
        // It goes on trying to be heard.
        #expect(bench.isJoining)
    }

    @Test("An answer that comes when the session is over already does not bring it back")
    func late() {
        var bench = MachineBench()
        let key = bench.join([lease(0)])[0]
        let beat = bench.call
        bench.send(.heartbeatAnswered(call: beat, list(2, [lease(0)])), after: timeout)
        #expect(bench.lostReason?.code == .leaseLost)
        #expect(!bench.machine.isUsable(key, now: bench.now))
        #expect(bench.isJoining)
        // The same lease with the same counter, but another life: what is left of the first one has no say.
        bench.send(.shardFinished(key, .stopped))
        let join = bench.machine.handle(.tick, now: bench.now)
        #expect(join.isEmpty)
        bench.send(.joined(call: 3, list(2, [lease(0)])), after: second)
        #expect(bench.started.count == 1 && bench.started[0].counter == key.counter && bench.started[0] != key)
        bench.send(.checkpoint(key, through(1), ticket: 9))
        #expect(bench.settled == [9: .leaseLost])
    }

    @Test("Not known to the server, it joins again, and leases with the same counter go on")
    func notJoined() {
        var bench = MachineBench()
        let key = bench.join([lease(0), lease(1)])[0]
        bench.send(.heartbeatFailed(call: bench.call, WeirError(.notJoined, "who?")), after: second)
        #expect(bench.isJoining && bench.stopped.isEmpty)
        bench.send(.joined(call: bench.call, list(9, [lease(0), lease(1, 2)])))
        #expect(bench.stopped == [ShardNumber(1)])
        #expect(bench.started.isEmpty)
        #expect(bench.machine.isUsable(key, now: bench.now))
    }

    @Test("Joined and not known in turns makes pauses")
    func ping() {
        var bench = MachineBench()
        _ = bench.join([])
        for _ in 0..<3 {
            bench.send(.heartbeatFailed(call: bench.call, WeirError(.notJoined, "who?")))
            bench.send(.joined(call: bench.call, list(1, [])))
            #expect(!bench.isBeating)
            let at = bench.machine.nextDeadline ?? 0
            #expect(at > bench.now)
            bench.send(.tick, after: at - bench.now)
            #expect(bench.isBeating)
        }
    }

    @Test("A server that is away is asked again after pauses that grow, for ever or until the patience ends")
    func away() {
        for patience: UInt64? in [nil, 3 * second] {
            var bench = MachineBench(patience: patience)
            bench.send(.start)
            let begin = bench.now
            var attempts = 0
            while bench.finish == nil, bench.now < begin + 10 * second {
                bench.send(.joinFailed(call: bench.call, awayError))
                guard bench.finish == nil else { break }
                #expect(!bench.isJoining)
                let at = bench.machine.nextDeadline ?? 0
                #expect(at > bench.now && at <= bench.now + 500_000_000)
                bench.send(.tick, after: at - bench.now)
                #expect(bench.isJoining)
                attempts += 1
            }
            #expect(attempts > 5 && attempts < 60)
            #expect((bench.finish == .some(awayError)) == (patience != nil))
        }
    }

    @Test("An id that is alive elsewhere is waited for through three session timeouts")
    func twoWorkers() {
        var bench = MachineBench()
        bench.send(.start)
        let begin = bench.now
        let taken = WeirError(.resourceInUse, "worker a is alive")
        while bench.finish == nil {
            bench.send(.joinFailed(call: bench.call, taken))
            if bench.finish == nil { bench.send(.tick, after: (bench.machine.nextDeadline ?? 0) - bench.now) }
        }
        #expect(bench.finish == .some(taken))
        #expect(bench.now >= begin + 3 * timeout && bench.now < begin + 4 * timeout)
    }

    @Test(
        "What cannot become better ends it, with all leases lost",
        arguments: [
            WeirError.Code.streamDeleted, .streamNotFound, .applicationNotFound, .invalidArgument, .limitExceeded,
        ])
    func fatal(_ code: WeirError.Code) {
        var bench = MachineBench()
        let key = bench.join([lease(0)])[0]
        bench.send(.heartbeatFailed(call: bench.call, WeirError(code, "no")))
        #expect(bench.stopped == [ShardNumber(0)])
        #expect(bench.finish == .some(WeirError(code, "no")))
        #expect(bench.machine.isFinished)
        bench.send(.checkpoint(key, through(1), ticket: 1))
        #expect(bench.settled == [1: .leaseLost])
    }

    @Test("Answers to calls that were given up do not count")
    func stale() {
        var bench = MachineBench()
        _ = bench.join([lease(0)])
        let beat = bench.call
        bench.send(.heartbeatAnswered(call: beat, list(1, nil)))
        bench.send(.heartbeatAnswered(call: beat, list(2, [])))
        #expect(bench.actions.isEmpty)
        bench.send(.heartbeatFailed(call: beat, WeirError(.streamDeleted, "gone")))
        #expect(bench.actions.isEmpty)
        bench.send(.joined(call: 1, list(3, [])))
        #expect(bench.actions.isEmpty)
    }
}
