// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirClient
import WeirModel

@testable import WeirConsumer

@Suite("A worker's leases")
struct WorkerLeaseTests {
    @Test("A successor does not begin when the session in which it was given is over; the next one gives it anew")
    func successorOfAnotherSession() {
        var bench = MachineBench()
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
        var bench = MachineBench()
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

    @Test("What is not listed any more is lost; what has another counter is lost and begins again when it has stopped")
    func diff() {
        var bench = MachineBench()
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

    /// The list of the server and the answer to the checkpoint race: either may come first.
    @Test("A lease that ends with its shard is not lost", arguments: [true, false], [true, false])
    func endOfAShard(listComesFirst: Bool, processorReturnsLast: Bool) {
        var bench = MachineBench()
        let key = bench.join([lease(0), lease(1)])[0]
        let call = bench.call
        bench.send(.delivered(key, through(10)))
        bench.send(.reachedEnd(key))
        bench.send(.checkpoint(key, nil, ticket: 1))
        #expect(bench.saves == [.shardEnd])
        let unlisted = WorkerMachine.Event.heartbeatAnswered(call: call, list(2, [lease(1)]))
        if listComesFirst {
            bench.send(unlisted)
            #expect(bench.stopped.isEmpty)
            bench.send(.checkpointSaved(key))
            #expect(bench.settled == [1: nil])
            if !processorReturnsLast { bench.send(.shardFinished(key, .ended)) }
        } else {
            bench.send(.checkpointSaved(key))
            if !processorReturnsLast { bench.send(.shardFinished(key, .ended)) }
            bench.send(unlisted)
            #expect(bench.stopped.isEmpty)
        }
        if processorReturnsLast {
            bench.send(.readingRefused(key, lostError))
            #expect(bench.stopped.isEmpty)
            bench.send(.shardFinished(key, .ended))
        }
        #expect(bench.stopped.isEmpty && bench.started.isEmpty)
    }

    @Test("A worker whose registered consumer is not there finishes what it has, leaves, and says why")
    func noConsumer() {
        var bench = MachineBench()
        let keys = bench.join([lease(0), lease(1)])
        let error = WeirError(.consumerNotFound, "consumer 'nobody' is not registered")
        bench.send(.readingRefused(keys[0], error))
        #expect(bench.stopped == [ShardNumber(0), ShardNumber(1)] && bench.lostReason == nil)
        bench.send(.readingRefused(keys[1], error))
        bench.send(.shardFinished(keys[0], .stopped))
        bench.send(.shardFinished(keys[1], .stopped))
        #expect(bench.isLeaving)
        bench.send(.left)
        #expect(bench.finish == .some(error))
    }

    @Test("An end that the server refuses to store is a loss")
    func refusedEnd() {
        var bench = MachineBench()
        let key = bench.join([lease(0)])[0]
        let call = bench.call
        bench.send(.reachedEnd(key))
        bench.send(.checkpoint(key, nil, ticket: 1))
        bench.send(.heartbeatAnswered(call: call, list(2, [])))
        #expect(bench.stopped.isEmpty)
        bench.send(.checkpointFailed(key, lostError))
        #expect(bench.stopped == [ShardNumber(0)] && bench.settled == [1: .leaseLost])
    }

    @Test("A shard that was finished and reset begins again when its first life has stopped")
    func resetBehindTheEnd() {
        var bench = MachineBench()
        let key = bench.join([lease(0)])[0]
        let call = bench.call
        bench.send(.reachedEnd(key))
        bench.send(.checkpoint(key, nil, ticket: 1))
        bench.send(.checkpointSaved(key))
        bench.send(.heartbeatAnswered(call: call, list(2, [lease(0, 4)])))
        #expect(bench.stopped.isEmpty && bench.started.isEmpty)
        bench.send(.shardFinished(key, .ended))
        #expect(bench.started.map(\.counter) == [4])
    }

    @Test("A successor that is taken away again before it could begin never begins")
    func successor() {
        var bench = MachineBench()
        let key = bench.join([lease(0)])[0]
        bench.send(.heartbeatAnswered(call: bench.call, list(2, [lease(0, 2)])))
        bench.send(.heartbeatAnswered(call: bench.call, list(3, [])))
        bench.send(.shardFinished(key, .stopped))
        #expect(bench.started.isEmpty)
    }

    @Test("A lease that is asked for is finished, its last checkpoint stored, and then handed over")
    func handOver() {
        var bench = MachineBench()
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
        var bench = MachineBench()
        #expect(bench.join([lease(0, handOver: true)]).isEmpty)
        #expect(bench.handOvers == [ShardNumber(0)])
    }

    @Test("A refused hand-over is tried again while it is asked for, and the shard begins again when it is not")
    func refusedHandOver() {
        for isStillWanted in [true, false] {
            var bench = MachineBench()
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
        var bench = MachineBench()
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
        var bench = MachineBench()
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

    private func bench(_ stage: Stage) -> (MachineBench, LeaseKey, beat: UInt64) {
        var bench = MachineBench()
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
