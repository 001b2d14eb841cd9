// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirClient
import WeirModel

@testable import WeirConsumer

let second: UInt64 = 1_000_000_000
let timeout = 5 * second

/// A machine with a clock and the actions that it has asked for.
struct MachineBench {
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

func lease(
    _ shard: UInt32, _ counter: UInt64 = 1, from checkpoint: LeaseCheckpoint = .trimHorizon, handOver: Bool = false
) -> AssignedLease {
    AssignedLease(
        shard: ShardNumber(shard), counter: counter, checkpoint: checkpoint, isToBeHandedOver: handOver)
}

func list(_ version: UInt64, _ leases: [AssignedLease]?) -> Assignment {
    Assignment(version: version, leases: leases)
}

let lostError = WeirError(.leaseLost, "owned by other, counter 2")
let awayError = WeirError(.unavailable, "nobody listens")
