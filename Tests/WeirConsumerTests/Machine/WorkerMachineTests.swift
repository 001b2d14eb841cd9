// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirClient
import WeirModel

@testable import WeirConsumer

private let second: UInt64 = 1_000_000_000
private let timeout = 5 * second

/// A machine with a clock and the actions that it has asked for.
private struct Bench {
    var machine: WorkerMachine
    var now = 100 * second
    var actions: [WorkerMachine.Action] = []

    init(patience: UInt64? = nil) {
        self.machine = WorkerMachine(
            .init(
                sessionTimeout: timeout, drainTimeout: 30 * second, patience: patience,
                retry: RetryPolicy(firstPauseMillis: 20, longestPauseMillis: 500), seed: 7))
    }

    @discardableResult
    mutating func send(_ event: WorkerMachine.Event, after nanos: UInt64 = 0) -> [WorkerMachine.Action] {
        self.now += nanos
        self.actions = self.machine.handle(event, now: self.now)
        return self.actions
    }

    /// The number of the call that the last event asked for.
    var call: UInt64 {
        for action in self.actions {
            switch action {
            case .join(let call, _), .heartbeat(let call, _, _, _): return call
            default: continue
            }
        }
        return 0
    }

    var isJoining: Bool { self.actions.contains { if case .join = $0 { true } else { false } } }
    var isBeating: Bool { self.actions.contains { if case .heartbeat = $0 { true } else { false } } }
    var started: [LeaseKey] { self.actions.compactMap { if case .start(let key, _) = $0 { key } else { nil } } }
    var stopped: [ShardNumber] {
        self.actions.compactMap { if case .stop(let key, _) = $0 { key.shard } else { nil } }
    }
    var saves: [LeaseCheckpoint] { self.actions.compactMap { if case .save(_, let at) = $0 { at } else { nil } } }
    var settled: [UInt64: WeirError.Code?] {
        var settled: [UInt64: WeirError.Code?] = [:]
        for case .settle(let ticket, let error) in self.actions { settled[ticket] = .some(error?.code) }
        return settled
    }
    var handOvers: [ShardNumber] {
        self.actions.compactMap { if case .handOver(let key) = $0 { key.shard } else { nil } }
    }
    var isLeaving: Bool { self.actions.contains { if case .leave = $0 { true } else { false } } }
    var finish: WeirError?? {
        for case .finish(let error) in self.actions { return .some(error) }
        return nil
    }
    var lostReason: WeirError? {
        for case .stop(_, .lost(let error)) in self.actions { return error }
        return nil
    }

    /// Joined, with these leases; a heartbeat is under way.
    mutating func join(_ leases: [AssignedLease], version: UInt64 = 1) -> [LeaseKey] {
        self.send(.start)
        self.send(.joined(call: self.call, Assignment(version: version, leases: leases)))
        return self.started
    }
}

private func lease(
    _ shard: UInt32, _ counter: UInt64 = 1, from checkpoint: LeaseCheckpoint = .trimHorizon, handOver: Bool = false
) -> AssignedLease {
    AssignedLease(
        shard: ShardNumber(shard), counter: counter, checkpoint: checkpoint, isToBeHandedOver: handOver)
}

private func list(_ version: UInt64, _ leases: [AssignedLease]?) -> Assignment {
    Assignment(version: version, leases: leases)
}

private let lostError = WeirError(.leaseLost, "owned by other, counter 2")
private let awayError = WeirError(.unavailable, "nobody listens")

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
        var bench = Bench()
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
        var bench = Bench()
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
        var bench = Bench()
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
        var bench = Bench()
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
        var bench = Bench()
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
            var bench = Bench(patience: patience)
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
        var bench = Bench()
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
        var bench = Bench()
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
        var bench = Bench()
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

@Suite("A worker's leases")
struct WorkerLeaseTests {
    @Test("What is not listed any more is lost; what has another counter is lost and begins again when it has stopped")
    func diff() {
        var bench = Bench()
        let keys = bench.join([lease(0), lease(1), lease(2)])
        bench.send(.heartbeatAnswered(call: bench.call, list(2, [lease(1, 5), lease(2), lease(3)])))
        #expect(bench.stopped.sorted() == [ShardNumber(0), ShardNumber(1)])
        #expect(bench.started.map(\.shard) == [ShardNumber(3)])
        #expect(!bench.machine.isUsable(keys[0], now: bench.now) && bench.machine.isUsable(keys[2], now: bench.now))
        bench.send(.shardFinished(keys[1], .stopped))
        #expect(bench.started.map(\.counter) == [5])
        bench.send(.shardFinished(keys[0], .stopped))
        #expect(bench.started.isEmpty)
    }

    @Test("A successor does not begin when the session in which it was given is over; the next one gives it anew")
    func successorOfAnotherSession() {
        var bench = Bench()
        let key = bench.join([lease(0)])[0]
        bench.send(.tick, after: timeout)
        #expect(bench.stopped == [ShardNumber(0)] && bench.isJoining)
        bench.send(.joined(call: bench.call, list(2, [lease(0)])))
        // Its processor still has not stopped when the second session ends too.
        bench.send(.tick, after: timeout)
        let call = bench.call
        bench.send(.shardFinished(key, .stopped))
        #expect(bench.started.isEmpty)
        bench.send(.joined(call: call, list(3, [lease(0)])))
        #expect(bench.started.map(\.counter) == [1])
    }

    @Test("A checkpoint that could not be stored is tried again, though nothing new is asked for")
    func storedLater() {
        var bench = Bench()
        let key = bench.join([lease(0)])[0]
        bench.send(.delivered(key, through(10)))
        bench.send(.checkpoint(key, nil, ticket: nil))
        bench.send(.checkpointFailed(key, awayError))
        #expect(bench.saves.isEmpty)
        #expect(bench.machine.nextDeadline.map { $0 <= bench.now + WorkerMachine.Settings.savePause } ?? false)
        bench.send(.tick, after: WorkerMachine.Settings.savePause)
        #expect(bench.saves == [through(10)])
        bench.send(.checkpointSaved(key))
        bench.send(.tick, after: WorkerMachine.Settings.savePause)
        #expect(bench.saves.isEmpty)
    }

    @Test("A successor that is taken away again before it could begin never begins")
    func successor() {
        var bench = Bench()
        let key = bench.join([lease(0)])[0]
        bench.send(.heartbeatAnswered(call: bench.call, list(2, [lease(0, 2)])))
        bench.send(.heartbeatAnswered(call: bench.call, list(3, [])))
        bench.send(.shardFinished(key, .stopped))
        #expect(bench.started.isEmpty)
    }

    @Test("A lease that is asked for is finished, its last checkpoint stored, and then handed over")
    func handOver() {
        var bench = Bench()
        let key = bench.join([lease(0)])[0]
        var beat = bench.call
        bench.send(.delivered(key, through(4)))
        bench.send(.heartbeatAnswered(call: beat, list(2, [lease(0, handOver: true)])))
        #expect(bench.actions.contains(.stop(key, .handOver)))
        beat = bench.call
        bench.send(.heartbeatAnswered(call: beat, list(3, [lease(0, handOver: true), lease(1)])))
        beat = bench.call
        #expect(bench.stopped.isEmpty)
        bench.send(.checkpoint(key, nil, ticket: nil))
        #expect(bench.saves == [through(4)])
        bench.send(.shardFinished(key, .stopped))
        #expect(bench.handOvers.isEmpty)
        bench.send(.checkpointSaved(key))
        #expect(bench.handOvers == [ShardNumber(0)])
        bench.send(.handedOver(key))
        // A list that was made before does not begin it again.
        bench.send(.heartbeatAnswered(call: beat, list(3, [lease(0, handOver: true), lease(1)])))
        #expect(bench.started.isEmpty && bench.stopped.isEmpty && bench.handOvers.isEmpty)
    }

    @Test("One that is asked for before it has begun does not begin")
    func handOverAtOnce() {
        var bench = Bench()
        #expect(bench.join([lease(0, handOver: true)]).isEmpty)
        #expect(bench.handOvers == [ShardNumber(0)])
    }

    @Test("A refused hand-over is tried again while it is asked for, and the shard begins again when it is not")
    func refusedHandOver() {
        for isStillWanted in [true, false] {
            var bench = Bench()
            let key = bench.join([lease(0)])[0]
            bench.send(.heartbeatAnswered(call: bench.call, list(2, [lease(0, handOver: true)])))
            let beat = bench.call
            bench.send(.shardFinished(key, .stopped))
            #expect(bench.handOvers == [ShardNumber(0)])
            if !isStillWanted { bench.send(.heartbeatAnswered(call: beat, list(3, [lease(0)]))) }
            bench.send(.handOverFailed(key, WeirError(.unavailable, "restarting")))
            if isStillWanted {
                #expect(bench.started.isEmpty)
                bench.send(.tick, after: second)
                #expect(bench.handOvers == [ShardNumber(0)])
            } else {
                #expect(bench.started.map(\.shard) == [ShardNumber(0)])
            }
        }
    }

    @Test("A shard whose processor fails keeps its lease, and hands it over when it is asked for")
    func failed() {
        var bench = Bench()
        let key = bench.join([lease(0)])[0]
        let beat = bench.call
        bench.send(.shardFinished(key, .failed))
        #expect(bench.actions.isEmpty)
        bench.send(.heartbeatAnswered(call: beat, list(1, nil)))
        #expect(bench.started.isEmpty)
        bench.send(.heartbeatAnswered(call: bench.call, list(2, [lease(0, handOver: true)])))
        #expect(bench.handOvers == [ShardNumber(0)])
    }

    @Test("A lease that the server refuses to read under is lost, with what it says")
    func reading() {
        var bench = Bench()
        let key = bench.join([lease(0)])[0]
        bench.send(.readingRefused(key, lostError))
        #expect(bench.lostReason == lostError)
        bench.send(.checkpoint(key, through(1), ticket: 3))
        #expect(bench.actions == [.askOwner(key, through(1), ticket: 3)])
    }

    /// What each event does to a lease in each of its stages.
    enum Stage: String, CaseIterable, Sendable {
        case running, stopping, settling, handingOver, handedOver, ended, failed, lost
    }

    private func bench(_ stage: Stage) -> (Bench, LeaseKey, beat: UInt64) {
        var bench = Bench()
        let key = bench.join([lease(0)])[0]
        var beat = bench.call
        func ask() {
            bench.send(.heartbeatAnswered(call: beat, list(2, [lease(0, handOver: true)])))
            beat = bench.call
        }
        switch stage {
        case .running: break
        case .stopping: ask()
        case .settling:
            ask()
            bench.send(.delivered(key, through(1)))
            bench.send(.checkpoint(key, nil, ticket: nil))
            bench.send(.shardFinished(key, .stopped))
        case .handingOver:
            ask()
            bench.send(.shardFinished(key, .stopped))
        case .handedOver:
            ask()
            bench.send(.shardFinished(key, .stopped))
            bench.send(.handedOver(key))
        case .ended: bench.send(.shardFinished(key, .ended))
        case .failed: bench.send(.shardFinished(key, .failed))
        case .lost: bench.send(.readingRefused(key, lostError))
        }
        return (bench, key, beat)
    }

    @Test("Only a running or stopping lease may be used and checkpointed", arguments: Stage.allCases)
    func usable(_ stage: Stage) {
        var (bench, key, _) = self.bench(stage)
        let isUsable = stage == .running || stage == .stopping
        #expect(bench.machine.isUsable(key, now: bench.now) == isUsable)
        bench.send(.delivered(key, through(2)))
        bench.send(.checkpoint(key, through(2), ticket: 1))
        if isUsable {
            #expect(bench.saves == [through(2)])
        } else if stage == .lost {
            #expect(bench.actions == [.askOwner(key, through(2), ticket: 1)])
        } else {
            #expect(bench.settled == [1: .leaseLost])
        }
    }

    @Test("Taken away, it is told if it still runs, and forgotten when nothing of it does", arguments: Stage.allCases)
    func takenAway(_ stage: Stage) {
        var (bench, key, beat) = self.bench(stage)
        bench.send(.heartbeatAnswered(call: beat, list(3, [])))
        let isRunning = stage == .running || stage == .stopping
        #expect(bench.stopped == (isRunning ? [key.shard] : []))
        if isRunning || stage == .lost { bench.send(.shardFinished(key, .stopped)) }
        #expect(bench.started.isEmpty)
        bench.send(.heartbeatAnswered(call: beat + 1, list(4, [lease(0, 7)])))
        #expect(bench.started.map(\.counter) == [7])
    }

    @Test("The same list again changes nothing", arguments: Stage.allCases)
    func again(_ stage: Stage) {
        var (bench, _, beat) = self.bench(stage)
        bench.send(.heartbeatAnswered(call: beat, list(2, [lease(0, handOver: stage != .running)])))
        let isAskedFirst = [.ended, .failed].contains(stage)
        #expect(bench.started.isEmpty && bench.stopped.isEmpty)
        #expect(bench.handOvers.isEmpty || isAskedFirst)
    }

    @Test(
        "No session: whatever runs is told, everything else forgotten, and all may come anew", arguments: Stage.allCases
    )
    func expired(_ stage: Stage) {
        var (bench, key, _) = self.bench(stage)
        bench.send(.tick, after: timeout)
        let isRunning = stage == .running || stage == .stopping
        #expect(bench.stopped == (isRunning ? [key.shard] : []))
        #expect(bench.isJoining)
        let join = bench.call
        if isRunning || stage == .lost { bench.send(.shardFinished(key, .stopped)) }
        bench.send(.joined(call: join, list(2, [lease(0)])))
        #expect(bench.started.count == 1)
    }

    @Test("At shutdown it leaves when nothing of it is under way", arguments: Stage.allCases)
    func shutdown(_ stage: Stage) {
        var (bench, key, _) = self.bench(stage)
        bench.send(.shutdown)
        if stage == .running { #expect(bench.actions == [.stop(key, .shutdown)]) }
        switch stage {
        case .running, .stopping, .lost:
            #expect(!bench.isLeaving)
            bench.send(.shardFinished(key, .stopped))
        case .settling:
            #expect(!bench.isLeaving)
            bench.send(.checkpointSaved(key))
        case .handingOver, .handedOver, .ended, .failed: break
        }
        #expect(bench.isLeaving)
        bench.send(.left)
        #expect(bench.finish == .some(nil))
    }
}

@Suite("A worker's shutdown")
struct WorkerShutdownTests {
    @Test("Before it has begun it is over at once")
    func idle() {
        var bench = Bench()
        #expect(bench.send(.shutdown) == [.finish(nil)])
    }

    @Test("While it joins it leaves, because the server may have let it in")
    func joining() {
        var bench = Bench()
        bench.send(.start)
        bench.send(.shutdown)
        #expect(bench.isLeaving)
    }

    @Test("New leases are not begun, and it goes on being heard until it leaves")
    func draining() {
        var bench = Bench()
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
        var bench = Bench()
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
        var bench = Bench()
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
        var bench = Bench()
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
        var bench = Bench()
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
