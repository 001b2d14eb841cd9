// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirModel

/// Time as an argument, for everything that asks for it or waits for it: node, client, worker, command, simulator and
/// tests. Which of its readings a use needs: docs/decisions/0014-one-clock.md.
package protocol Clock: Sendable {
    /// Milliseconds since 1970, within `Limits.clockMillis`; may jump. For what people and records are told.
    var wallMillis: Int64 { get }
    /// Nanoseconds since some start; never falls, and goes on while the system sleeps. For every time-out.
    var monotonicNanos: UInt64 { get }
    /// Whether the system says that the wall clock follows a time server.
    var isSynchronized: Bool { get }
    /// Calls `body` once, on some thread and never on the caller's stack, when `monotonicNanos` has reached `nanos` or
    /// later. Cannot be taken back: the body finds out for itself whether there is something to do.
    func schedule(at nanos: UInt64, _ body: @escaping @Sendable () -> Void)
    /// Returns when `monotonicNanos` has reached `nanos`; throws `CancellationError` when the task is cancelled.
    func sleep(until nanos: UInt64) async throws
}

extension Clock {
    /// So many seconds, or until somebody is stopped, which is looked at ten times a second. Throws
    /// `CancellationError` when the task is cancelled.
    package func pause(seconds: UInt64, unless isStopped: () -> Bool) async throws {
        let end = self.monotonicNanos + seconds * 1_000_000_000
        while self.monotonicNanos < end, !isStopped() {
            try await self.sleep(until: min(end, self.monotonicNanos + 100_000_000))
        }
    }

    package var isSynchronized: Bool { false }

    package func sleep(until nanos: UInt64) async throws {
        guard nanos > self.monotonicNanos else { return try Task.checkCancellation() }
        let sleeper = Sleeper()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard sleeper.begin(continuation) else { return }
                self.schedule(at: nanos) { sleeper.end(.success(())) }
            }
        } onCancel: {
            sleeper.end(.failure(CancellationError()))
        }
    }
}

package struct SystemClock: Clock {
    /// The timers of the system may stand still while the system sleeps, and this clock does not. So nothing waits
    /// longer than this before it looks at the clock again, and is at most so late.
    package static let longestWaitNanos: UInt64 = 1_000_000_000

    private static let timers = Timers(longestWaitNanos: Self.longestWaitNanos) { weir_monotonic_nanoseconds() }

    package init() {}

    package var wallMillis: Int64 {
        min(max(weir_wall_milliseconds(), Limits.clockMillis.lowerBound), Limits.clockMillis.upperBound)
    }
    package var monotonicNanos: UInt64 { weir_monotonic_nanoseconds() }
    package var isSynchronized: Bool { weir_clock_is_synchronized() }

    package func schedule(at nanos: UInt64, _ body: @escaping @Sendable () -> Void) {
        Self.timers.schedule(at: nanos, body)
    }

    package func sleep(until nanos: UInt64) async throws {
        while true {
            let now = self.monotonicNanos
            guard nanos > now else { return try Task.checkCancellation() }
            try await Task.sleep(nanoseconds: min(nanos - now, Self.longestWaitNanos))
        }
    }
}
