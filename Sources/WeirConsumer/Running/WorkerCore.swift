// SPDX-License-Identifier: Apache-2.0
import Logging
import Synchronization
import WeirClient
import WeirModel

/// Runs a `WorkerMachine`: tells it what happens, and carries out what it decides, in that order.
final class WorkerCore: Sendable {
    typealias Event = WorkerMachine.Event
    typealias Action = WorkerMachine.Action

    private struct State {
        var machine: WorkerMachine
        var tickets: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        var ticketCount: UInt64 = 0
        var status = WorkerStatus()
        var mailboxes: [LeaseKey: LeaseMailbox] = [:]
        var rates = DeliveryRates()
        var troubles = TroubleLog()
    }

    let configuration: WorkerConfiguration
    let services: WorkerServices
    private let processors: @Sendable (ShardNumber) -> any RecordProcessor
    private let state: Mutex<State>
    /// Bounded by the machine: a few actions a lease, and tickets have a limit.
    private let actions: AsyncStream<Action>
    private let actionsInput: AsyncStream<Action>.Continuation
    private let alarm: Mutex<Alarm?> = Mutex(nil)

    init(
        _ configuration: WorkerConfiguration, _ services: WorkerServices,
        _ processors: @escaping @Sendable (ShardNumber) -> any RecordProcessor
    ) {
        self.configuration = configuration
        self.services = services
        self.processors = processors
        let timeout = configuration.sessionTimeout.nanos
        let settings = WorkerMachine.Settings(
            sessionTimeout: timeout, drainTimeout: configuration.drainTimeout.nanos,
            patience: configuration.patience?.nanos,
            retry: WorkerMachine.Settings.pauses(sessionTimeout: timeout), seed: services.dice())
        self.state = Mutex(State(machine: WorkerMachine(settings)))
        (self.actions, self.actionsInput) = AsyncStream.makeStream(of: Action.self, bufferingPolicy: .unbounded)
        self.alarm.withLock { alarm in
            alarm = Alarm(clock: services.clock) { [weak self] in self?.handle(.tick) }
        }
    }

    var status: WorkerStatus {
        let now = self.services.clock.monotonicNanos
        return self.state.withLock { state in
            var status = state.status
            status.leases = state.machine.usableCount
            status.isInSession = state.machine.isInSession(now: now)
            return status
        }
    }

    func count(_ change: (inout WorkerStatus) -> Void) {
        self.state.withLock { change(&$0.status) }
    }

    var logger: Logger? { self.configuration.logger }

    /// Warns, but not of the same again and again.
    func warn(_ trouble: TroubleLog.Trouble, _ message: String) {
        let now = self.services.clock.monotonicNanos
        guard let untold = self.state.withLock({ $0.troubles.note(trouble, now: now) }) else { return }
        self.logger?.warning("\(message)\(untold > 0 ? "; the same \(untold) times more since the last time" : "")")
    }

    /// The same for a call of the session. One that nobody waits for any more was ended, by leaving for example.
    private func warn(_ trouble: TroubleLog.Trouble, of call: UInt64, _ message: String) {
        if self.state.withLock({ $0.machine.awaits(call: call) }) { self.warn(trouble, message) }
    }

    // MARK: Events

    func handle(_ event: Event) {
        let (decided, deadline) = self.state.withLock { state in
            (self.handle(event, &state), state.machine.nextDeadline)
        }
        for (continuation, error) in decided.settled {
            if let error { continuation.resume(throwing: error) } else { continuation.resume() }
        }
        if let told = Self.describe(lost: decided.lost) { self.logger?.warning("\(told)") }
        if let deadline { self.alarm.withLock { $0 }?.arm(at: deadline) }
    }

    /// What is left to do when the lock is free: others run on it, or it may take its time.
    private struct Decided {
        var settled: [(CheckedContinuation<Void, any Error>, WeirError?)] = []
        var lost: [(LeaseKey, WeirError)] = []
    }

    /// One sentence however many leases one event has lost.
    static func describe(lost: [(LeaseKey, WeirError)]) -> String? {
        guard let (key, error) = lost.first else { return nil }
        guard lost.count > 1 else { return "\(key) is lost: \(error.message)" }
        return "\(lost.count) leases are lost, first that of \(key.shard): \(error.message)"
    }

    /// Actions enter the stream under the lock, so that they are carried out in the order of the decisions.
    private func handle(_ event: Event, _ state: inout State) -> Decided {
        var decided = Decided()
        for action in state.machine.handle(event, now: self.services.clock.monotonicNanos) {
            switch action {
            case .settle(let ticket, let error):
                if let waiting = state.tickets.removeValue(forKey: ticket) { decided.settled.append((waiting, error)) }
            case .start(let key, _):
                state.mailboxes[key] = LeaseMailbox()
                state.status.leasesStarted += 1
                self.actionsInput.yield(action)
            case .stop(let key, let reason):
                if case .lost(let error) = reason {
                    state.status.leasesLost += 1
                    decided.lost.append((key, error))
                }
                state.mailboxes[key]?.stop(reason)
            default: self.actionsInput.yield(action)
            }
        }
        return decided
    }

    // MARK: What leases ask for

    /// Records up to `position` are about to be processed. False when that is not allowed any more.
    func deliver(_ key: LeaseKey, _ position: LeaseCheckpoint) -> Bool {
        self.handle(.delivered(key, position))
        let now = self.services.clock.monotonicNanos
        return self.state.withLock { $0.machine.isUsable(key, now: now) }
    }

    func progress(_ key: LeaseKey) -> LeaseProgress? { self.state.withLock { $0.machine.progress(key) } }

    func checkpoint(_ key: LeaseKey, _ position: LeaseCheckpoint?) async throws {
        try await withCheckedThrowingContinuation { continuation in
            let ticket = self.state.withLock { state in
                state.ticketCount += 1
                state.tickets[state.ticketCount] = continuation
                return state.ticketCount
            }
            self.handle(.checkpoint(key, position, ticket: ticket))
        }
    }

    func checkpointSoon(_ key: LeaseKey, _ position: LeaseCheckpoint?) {
        self.handle(.checkpoint(key, position, ticket: nil))
    }

    func processed(_ key: LeaseKey, records: Int, bytes: Int) {
        self.state.withLock { state in
            state.status.records += UInt64(records)
            state.status.bytes += UInt64(bytes)
            state.rates.add(key.shard, bytes: UInt64(bytes))
        }
    }

    // MARK: Running

    /// Returns when the worker was shut down; throws what ended it otherwise.
    func run() async throws {
        self.handle(.start)
        let error = await withDiscardingTaskGroup { group in
            for await action in self.actions {
                if case .finish(let error) = action {
                    // A heartbeat may be waiting for news, and a processor for something that will not come.
                    group.cancelAll()
                    return error
                }
                self.perform(action, in: &group)
            }
            return nil
        }
        if let error { throw error }
    }

    private func perform(_ action: Action, in group: inout DiscardingTaskGroup) {
        switch action {
        case .join(let call, let deadline): group.addTask { await self.join(call, deadline) }
        case .heartbeat(let call, let seen, let waitMillis, let deadline):
            group.addTask { await self.heartbeat(call, seen, waitMillis, deadline) }
        case .start(let key, let lease): group.addTask { await self.process(key, lease) }
        case .save(let key, let checkpoint): group.addTask { await self.save(key, checkpoint) }
        case .askOwner(let key, let checkpoint, let ticket):
            group.addTask { await self.askOwner(key, checkpoint, ticket) }
        case .handOver(let key): group.addTask { await self.handOver(key) }
        case .leave(let deadline): group.addTask { await self.leave(deadline) }
        // These were done when they were decided.
        case .stop, .settle, .finish: break
        }
    }

    private func process(_ key: LeaseKey, _ lease: AssignedLease) async {
        guard let mailbox = self.state.withLock({ $0.mailboxes[key] }) else { return }
        self.logger?.debug("\(key) begins at \(lease.checkpoint)")
        let outcome = await LeaseRun(self, key, lease, self.processors(lease.shard), mailbox).run()
        self.state.withLock { state in
            state.mailboxes[key] = nil
            state.rates.forget(key.shard)
            if outcome == .ended { state.status.shardsEnded += 1 }
            if outcome == .failed { state.status.shardsStopped += 1 }
        }
        if outcome == .failed {
            self.logger?.error(
                "\(key.shard) stands still on this worker, before the records that could not be processed")
        }
        self.handle(.shardFinished(key, outcome))
    }

    // MARK: Calls

    private func join(_ call: UInt64, _ deadline: UInt64) async {
        do {
            let millis = Int(self.configuration.sessionTimeout.nanos / 1_000_000)
            let assignment = try await self.call(until: deadline) {
                try await $0.join(sessionTimeoutMillis: millis, from: self.configuration.initialPosition)
            }
            self.state.withLock { $0.rates.tellAgain() }
            self.handle(.joined(call: call, assignment))
        } catch {
            self.warn(
                .joining, of: call,
                "joining \(self.configuration.application) failed, and is tried again: \(error.message)")
            self.handle(.joinFailed(call: call, error))
        }
    }

    private func heartbeat(_ call: UInt64, _ seen: UInt64, _ waitMillis: UInt64, _ deadline: UInt64) async {
        let now = self.services.clock.monotonicNanos
        let measured = self.state.withLock { $0.rates.measure(now: now) }
        do {
            let assignment = try await self.call(until: deadline) {
                try await $0.heartbeat(seen: seen, wait: .milliseconds(waitMillis), measured: measured)
            }
            self.handle(.heartbeatAnswered(call: call, assignment))
        } catch {
            self.state.withLock { $0.rates.tellAgain() }
            self.warn(.heartbeat, of: call, "a heartbeat failed, and is tried again: \(error.message)")
            self.handle(.heartbeatFailed(call: call, error))
        }
    }

    private func save(_ key: LeaseKey, _ checkpoint: LeaseCheckpoint) async {
        do {
            try await self.call(until: nil) { try await $0.checkpoint(key.shard, counter: key.counter, checkpoint) }
            self.count { $0.checkpoints += 1 }
            self.handle(.checkpointSaved(key))
        } catch {
            self.count { $0.checkpointFailures += 1 }
            self.warn(
                .storing(error.code), "the checkpoint \(checkpoint) of \(key.shard) was not stored: \(error.message)")
            self.handle(.checkpointFailed(key, error))
        }
    }

    private func askOwner(_ key: LeaseKey, _ checkpoint: LeaseCheckpoint, _ ticket: UInt64) async {
        var answer: WeirError?
        do {
            try await self.call(until: nil) { try await $0.checkpoint(key.shard, counter: key.counter, checkpoint) }
        } catch {
            answer = error
        }
        let waiting = self.state.withLock { $0.tickets.removeValue(forKey: ticket) }
        if let answer { waiting?.resume(throwing: answer) } else { waiting?.resume() }
    }

    private func handOver(_ key: LeaseKey) async {
        do {
            try await self.call(until: nil) { try await $0.handOver(key.shard, counter: key.counter) }
            self.handle(.handedOver(key))
        } catch {
            self.handle(.handOverFailed(key, error))
        }
    }

    private func leave(_ deadline: UInt64) async {
        do {
            try await self.call(until: deadline) { try await $0.leave() }
        } catch {
            // The server finds out by itself, later.
            self.logger?.warning("leaving \(self.configuration.application) failed: \(error.message)")
        }
        self.handle(.left)
    }

    /// `nil`: the service's own limit of time is enough.
    private func call<R: Sendable>(
        until deadline: UInt64?, _ body: @escaping @Sendable (any LeaseService) async throws -> R
    ) async throws(WeirError) -> R {
        let (leases, clock) = (self.services.leases, self.services.clock)
        do {
            guard let deadline else { return try await body(leases) }
            return try await withThrowingTaskGroup(of: R?.self) { group in
                group.addTask { try await body(leases) }
                group.addTask {
                    try await clock.sleep(until: deadline)
                    return nil
                }
                defer { group.cancelAll() }
                guard let first = try await group.next(), let answer = first else {
                    throw WeirError(.timedOut, "the server has not answered in time")
                }
                return answer
            }
        } catch let error as WeirError {
            throw error
        } catch {
            throw WeirError(.unavailable, "the call was cancelled")
        }
    }
}
