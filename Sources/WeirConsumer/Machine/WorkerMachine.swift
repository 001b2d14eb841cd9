// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// Decides everything that a worker does: joining, being heard, what to do about assignments, which checkpoints to
/// store, and how to leave. Pure: time is an argument, in nanoseconds of a clock that never goes back.
///
/// A worker may use its leases until the session timeout has passed since it *sent* the last heartbeat that was
/// answered. The server counts from when it received it, which is later, so the worker is always the first of the two
/// to stop.
package struct WorkerMachine: Sendable {
    /// A call of the session that is under way; only the newest one counts.
    struct Call {
        let number: UInt64
        let sentAt: UInt64
    }

    enum Phase: Equatable {
        case idle
        case running
        /// Shut down, or ended by an error: processors are finishing.
        case draining(until: UInt64, WeirError?)
        case leaving(WeirError?)
        case finished
    }

    let settings: Settings
    var phase = Phase.idle
    var leases = HeldLeases()
    /// Until when leases may be used; `nil` without a session.
    var aliveUntil: UInt64?
    /// The highest counters of leases that the server gave to others.
    var superseded: [ShardNumber: UInt64] = [:]
    var lives: UInt64 = 0
    private var call: Call?
    private var calls: UInt64 = 0
    private var retryAt: UInt64?
    private var mustJoin = true
    private var hasJoined = false
    private var version: UInt64 = 0
    /// Attempts in a row that were not answered, and since when.
    private var failures = 0
    private var failingSince: UInt64?
    /// Joins in a row without a heartbeat that was answered.
    private var joins = 0
    /// Since when every lease that is held stands still.
    private var standsStillSince: UInt64?

    package init(_ settings: Settings) {
        self.settings = settings
    }

    // MARK: What can be asked

    /// When to send `.tick`, at the latest.
    package var nextDeadline: UInt64? {
        guard self.phase != .finished else { return nil }
        var deadline = min(self.aliveUntil ?? .max, self.retryAt ?? .max, self.leases.againAt ?? .max)
        if case .draining(let until, _) = self.phase { deadline = min(deadline, until) }
        if self.phase == .running, let standsStillSince {
            deadline = min(deadline, standsStillSince + self.settings.sessionTimeout)
        }
        return deadline < .max ? deadline : nil
    }

    /// Whether records may be processed under this lease now.
    package func isUsable(_ key: LeaseKey, now: UInt64) -> Bool {
        guard let aliveUntil, now < aliveUntil, let lease = self.leases[key.shard], lease.key == key else {
            return false
        }
        return lease.isUsable
    }

    package func progress(_ key: LeaseKey) -> LeaseProgress? {
        guard let lease = self.leases[key.shard], lease.key == key else { return nil }
        return lease.progress
    }

    package var isFinished: Bool { self.phase == .finished }
    /// Whether the server's last word is not too old to go by.
    package func isInSession(now: UInt64) -> Bool { self.aliveUntil.map { now < $0 } ?? false }
    /// Whether the answer to this call still matters.
    package func awaits(call number: UInt64) -> Bool { self.call?.number == number }
    /// Leases that are being processed.
    package var usableCount: Int { self.leases.counts.usable }

    // MARK: Events

    package mutating func handle(_ event: Event, now: UInt64) -> [Action] {
        var actions: [Action] = []
        guard self.phase != .finished else {
            if case .checkpoint(let key, _, let ticket?) = event {
                actions.append(.settle(ticket: ticket, Self.notHeld(key, "the worker has ended")))
            }
            return actions
        }
        self.expire(now, &actions)
        switch event {
        case .start, .tick, .joined, .joinFailed, .heartbeatAnswered, .heartbeatFailed:
            self.handleSession(event, now, &actions)
        case .shutdown: self.shutdown(nil, now, &actions)
        case .left:
            var error: WeirError?
            if case .leaving(let why) = self.phase { error = why }
            self.finish(error, &actions)
        default: self.handleLease(event, now, &actions)
        }
        self.advance(now, &actions)
        return actions
    }

    private mutating func handleSession(_ event: Event, _ now: UInt64, _ actions: inout [Action]) {
        switch event {
        case .start: if self.phase == .idle { self.phase = .running }
        case .tick:
            self.retryHandOvers(now, &actions)
            self.retrySaves(now, &actions)
            self.leases.settleTimes()
        case .joined(let number, let assignment):
            guard let call = self.answered(number) else { return }
            self.hasJoined = true
            self.mustJoin = false
            self.joins += 1
            self.take(assignment, call, now, &actions)
            // Joined and not known again and again: not without a pause.
            if self.joins > 1 { self.retryAt = now + self.pause(self.joins - 1) }
        case .heartbeatAnswered(let number, let assignment):
            guard let call = self.answered(number) else { return }
            self.joins = 0
            self.take(assignment, call, now, &actions)
        case .joinFailed(let number, let error), .heartbeatFailed(let number, let error):
            guard self.answered(number) != nil else { return }
            self.failed(error, now, &actions)
        default: break
        }
    }

    /// The call if it is the newest one.
    private mutating func answered(_ number: UInt64) -> Call? {
        guard let call, call.number == number else { return nil }
        self.call = nil
        return call
    }

    private mutating func take(_ assignment: Assignment, _ call: Call, _ now: UInt64, _ actions: inout [Action]) {
        self.failures = 0
        self.failingSince = nil
        let until = call.sentAt + self.settings.sessionTimeout
        guard now < until else {
            // It took so long that the server may have given up already.
            self.mustJoin = true
            return
        }
        self.aliveUntil = until
        self.version = assignment.version
        if let leases = assignment.leases { self.assigned(leases, now, &actions) }
    }

    private mutating func failed(_ error: WeirError, _ now: UInt64, _ actions: inout [Action]) {
        if error.code == .notJoined {
            self.mustJoin = true
            return
        }
        guard case .after(let pause) = error.verdict.retry else { return self.finish(error, &actions) }
        self.failures += 1
        let since = self.failingSince ?? now
        self.failingSince = since
        var patience = self.settings.patience
        if error.code == .resourceInUse {
            patience = min(patience ?? .max, Settings.idPatience * self.settings.sessionTimeout)
        }
        if let patience, now - since >= patience { return self.finish(error, &actions) }
        self.retryAt = now + max(pause.nanos, self.pause(self.failures))
    }

    private func pause(_ attempt: Int) -> UInt64 {
        let dice = (self.settings.seed &+ self.calls) &* 0x9e37_79b9_7f4a_7c15
        return self.settings.retry.pauseNanos(attempt: attempt, dice: dice)
    }

    /// The session ends when nothing was answered in time: all leases are as good as lost.
    private mutating func expire(_ now: UInt64, _ actions: inout [Action]) {
        guard let aliveUntil, now >= aliveUntil else { return }
        self.aliveUntil = nil
        self.mustJoin = true
        // Its answer would say what has changed, when all of it is wanted.
        self.call = nil
        let millis = self.settings.sessionTimeout / 1_000_000
        for shard in self.leases.shards {
            let error = WeirError(.leaseLost, "no heartbeat of this worker was answered for \(millis) ms")
            // It was given in this session, and must not begin outside of one.
            self.leases[shard]?.successor = nil
            // One whose end is being stored has nothing left to process: what the store says decides.
            guard self.leases[shard]?.isEnding == false else { continue }
            self.lose(shard, error, isSuperseded: false, &actions)
        }
    }

    /// Why the worker ends although nobody has asked for it: it holds leases, and for a session timeout has not been
    /// able to process any of them. Shorter than that it may be about to get others.
    private mutating func standstill(_ now: UInt64) -> WeirError? {
        let failed = self.leases.counts.failed
        guard failed > 0, self.leases.counts.resting == self.leases.count else {
            self.standsStillSince = nil
            return nil
        }
        let since = self.standsStillSince ?? now
        self.standsStillSince = since
        guard now - since >= self.settings.sessionTimeout else { return nil }
        return WeirError(
            .internalFailure,
            failed == 1
                ? "the only shard of this worker stands still, because its records could not be processed: they are "
                    + "where they were, and come first when the shard is taken again"
                : "all \(failed) shards of this worker stand still, because their records could not be processed: they "
                    + "are where they were, and come first when the shards are taken again")
    }

    /// Sends what is to be sent now.
    private mutating func advance(_ now: UInt64, _ actions: inout [Action]) {
        switch self.phase {
        case .idle, .finished, .leaving: return
        case .running:
            if let error = self.standstill(now) {
                self.shutdown(error, now, &actions)
                return self.advance(now, &actions)
            }
        case .draining(let until, let error):
            if now >= until { self.abandonAll(&actions) }
            if now >= until || self.leases.counts.busy == 0 { return self.leave(error, now, &actions) }
        }
        if let retryAt, now < retryAt { return }
        guard self.call == nil else { return }
        self.retryAt = nil
        self.calls += 1
        self.call = Call(number: self.calls, sentAt: now)
        if self.mustJoin {
            actions.append(.join(call: self.calls, deadline: now + self.settings.sessionTimeout))
        } else {
            let deadline = self.aliveUntil ?? now + self.settings.sessionTimeout
            actions.append(
                .heartbeat(
                    call: self.calls, seen: self.version, waitMillis: self.settings.waitMillis, deadline: deadline))
        }
    }

    // MARK: The end

    /// `error`: why it ends, when nobody has asked for it.
    mutating func shutdown(_ error: WeirError?, _ now: UInt64, _ actions: inout [Action]) {
        switch self.phase {
        case .idle: return self.finish(error, &actions)
        case .running: break
        case .draining, .leaving, .finished: return
        }
        self.phase = .draining(until: now + self.settings.drainTimeout, error)
        for shard in self.leases.shards { self.stop(shard, .shutdown, &actions) }
    }

    private mutating func leave(_ error: WeirError?, _ now: UInt64, _ actions: inout [Action]) {
        guard self.hasJoined || self.call != nil else { return self.finish(error, &actions) }
        self.phase = .leaving(error)
        self.call = nil
        self.retryAt = nil
        actions.append(.leave(deadline: now + Settings.leaveNanos))
    }

    private mutating func abandonAll(_ actions: inout [Action]) {
        let error = WeirError(.leaseLost, "the worker leaves without waiting any longer")
        for shard in self.leases.shards { self.lose(shard, error, isSuperseded: false, &actions) }
    }

    private mutating func finish(_ error: WeirError?, _ actions: inout [Action]) {
        guard self.phase != .finished else { return }
        self.phase = .finished
        let lost = WeirError(.leaseLost, "the worker has ended" + (error.map { ": \($0.message)" } ?? ""))
        for shard in self.leases.shards {
            self.lose(shard, lost, isSuperseded: false, &actions)
            for ticket in self.leases[shard]?.progress.abandon() ?? [] {
                actions.append(.settle(ticket: ticket, lost))
            }
        }
        self.leases.removeAll()
        actions.append(.finish(error))
    }

    static func notHeld(_ key: LeaseKey, _ why: String) -> WeirError {
        WeirError(.leaseLost, "\(key) is not held any more: \(why)")
    }
}
