// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// Who waits on a lane for records of a shard or for a time.
enum LaneWait: Hashable, Sendable {
    case read(UInt64)
    /// Something of a caller that the door knows by this number.
    case member(caller: UInt64, UInt64)
}

/// What a lane knows of the log's way to the disk, and what waits for it.
struct LaneDurability {
    /// By this the lane judges what it may tell.
    var watermark: Watermark
    /// Why the last term ended that the lane knows of.
    var failureReason = "a write of the log failed"
    var waiting = AfterDurable<Deferred>()
    /// Callers with answers that wait for the log.
    var awaiting: [LaneCaller] = []

    struct Deferred {
        let done: () -> Void
        let failed: () -> Void
    }

    init(_ watermark: Watermark) { self.watermark = watermark }
}

extension Lane {
    package var watermark: Watermark { self.durability.watermark }
    package var failureReason: String { self.durability.failureReason }

    // MARK: For the disk

    /// Does and tells what the log has decided about.
    func settle() {
        while let (action, isReached) = self.durability.waiting.popSettled(self.watermark) {
            if isReached { action.done() } else { action.failed() }
        }
        let awaiting = self.durability.awaiting
        self.durability.awaiting.removeAll(keepingCapacity: true)
        for caller in awaiting {
            caller.awaitsDurable = false
            self.awaitDurable(caller)
        }
    }

    /// Runs `done` when `mark` is reached, perhaps at once; `onFailure` when it is lost.
    package func whenDurable(_ mark: Mark, _ done: @escaping () -> Void, onFailure: @escaping () -> Void) {
        switch self.watermark.judge(mark) {
        case .reached: done()
        case .lost: onFailure()
        case .pending: self.durability.waiting.add(mark, .init(done: done, failed: onFailure))
        }
    }

    /// As above; `done` counts as something that the caller waits for.
    func whenDurable(
        _ mark: Mark, for caller: LaneCaller, _ done: @escaping () -> Void, onFailure: @escaping () -> Void
    ) {
        if self.watermark.judge(mark) == .reached { return done() }
        caller.deferred += 1
        self.whenDurable(mark) {
            caller.deferred -= 1
            done()
            caller.member?.lookAgain()
        } onFailure: {
            caller.deferred -= 1
            onFailure()
            caller.member?.lookAgain()
        }
    }

    /// The caller may have answers that wait for the log: it gives those that may be told, and is asked again for the
    /// others when the log has moved on.
    package func awaitDurable(_ caller: LaneCaller) {
        if !(caller.member?.releaseAnswers() ?? true), !caller.awaitsDurable {
            caller.awaitsDurable = true
            self.durability.awaiting.append(caller)
        }
    }

    // MARK: For a shard or a time

    /// A wait of the door: the caller's `woken` is called at `deadlineNanos`, or by `wake`.
    package func wait(_ caller: LaneCaller, _ number: UInt64, until deadlineNanos: UInt64) {
        self.wait(.member(caller: caller.id, number), for: nil, until: deadlineNanos)
    }

    package func stopWaiting(_ caller: LaneCaller, _ number: UInt64) {
        self.stopWaiting(.member(caller: caller.id, number))
    }

    /// There is news for what a caller waits for.
    package func wake(_ caller: UInt64, _ number: UInt64) { self.woken(.member(caller: caller, number)) }

    /// `shard`: until it has something new; `deadlineNanos`: not longer than that.
    func wait(_ wait: LaneWait, for shard: ShardRef?, until deadlineNanos: UInt64?) {
        self.waits.add(wait, shard: shard, deadlineNanos: deadlineNanos)
        if deadlineNanos != nil, let next = self.waits.nextDeadlineNanos { self.host.wake(atNanos: next) }
    }

    func stopWaiting(_ wait: LaneWait) { self.waits.remove(wait) }

    /// The time has come that the host was told of.
    package func timeCame() {
        for wait in self.waits.expire(nowNanos: self.engine.clock.monotonicNanos) { self.woken(wait) }
        if let next = self.waits.nextDeadlineNanos { self.host.wake(atNanos: next) }
    }

    /// Everybody who waits looks whether it may go on.
    func wakeAll() {
        for wait in self.waits.wakeAll() { self.woken(wait) }
    }

    func woken(_ wait: LaneWait) {
        switch wait {
        case .read(let id): self.continueRead(id)
        case .member(let caller, let number): self.caller(caller)?.member?.woken(number)
        }
    }
}
