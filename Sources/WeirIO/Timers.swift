// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A thread that keeps time: it calls what waits for a time of a clock, and otherwise sleeps. It lives as long as the
/// process, and begins with the first timer.
///
/// What waits here is counted by who set it: an `Alarm` has a few timers, and a lease that pauses has one.
package final class Timers: Sendable {
    private struct Waiting {
        /// The latest first, so that the next one is taken from the end; of the same time, the one set first is next.
        var timers: [(nanos: UInt64, body: @Sendable () -> Void)] = []
        var isRunning = false

        mutating func insert(_ nanos: UInt64, _ body: @escaping @Sendable () -> Void) {
            var (low, high) = (0, self.timers.count)
            while low < high {
                let middle = (low + high) / 2
                if self.timers[middle].nanos > nanos { low = middle + 1 } else { high = middle }
            }
            self.timers.insert((nanos, body), at: low)
        }

        /// What is due, the earliest first.
        mutating func takeDue(_ now: UInt64) -> [@Sendable () -> Void] {
            var due: [@Sendable () -> Void] = []
            while let next = self.timers.last, next.nanos <= now {
                due.append(next.body)
                self.timers.removeLast()
            }
            return due
        }
    }

    private let waiting = Monitor(Waiting())
    private let longestWaitNanos: UInt64
    private let now: @Sendable () -> UInt64

    /// `now`: the clock that times are meant on. It is asked again after at most `longestWaitNanos`, because the thread
    /// itself waits by a clock of the system that may be slower.
    package init(longestWaitNanos: UInt64, now: @escaping @Sendable () -> UInt64) {
        self.longestWaitNanos = longestWaitNanos
        self.now = now
    }

    package func schedule(at nanos: UInt64, _ body: @escaping @Sendable () -> Void) {
        let (isNext, mustStart) = self.waiting.withLock { waiting in
            defer { waiting.isRunning = true }
            let isNext = waiting.timers.last.map { nanos < $0.nanos } ?? true
            waiting.insert(nanos, body)
            return (isNext, !waiting.isRunning)
        }
        if mustStart { Thread.start("weir-timers") { self.run() } }
        if isNext { self.waiting.wakeAll() }
    }

    private func run() {
        while true {
            let next = self.waiting.withLock { $0.timers.last?.nanos }
            let now = self.now()
            let patience = next.map { min($0 > now ? $0 - now : 0, self.longestWaitNanos) }
            let due = self.waiting.wait(nanos: patience) { waiting -> [@Sendable () -> Void]? in
                let due = waiting.takeDue(self.now())
                // A timer that came meanwhile may be earlier than what this wait would last.
                return due.isEmpty && waiting.timers.last?.nanos == next ? nil : due
            }
            for body in due ?? [] { body() }
        }
    }
}

/// One task that sleeps until something ends it, whichever comes first.
final class Sleeper: Sendable {
    private enum State {
        case fresh
        case asleep(CheckedContinuation<Void, any Error>)
        case ended
    }

    private let state = Mutex(State.fresh)

    /// False when it has ended already: then the continuation was resumed with a `CancellationError`, because nothing
    /// else ends it before it begins.
    func begin(_ continuation: CheckedContinuation<Void, any Error>) -> Bool {
        let isAsleep = self.state.withLock { state in
            guard case .fresh = state else { return false }
            state = .asleep(continuation)
            return true
        }
        if !isAsleep { continuation.resume(throwing: CancellationError()) }
        return isAsleep
    }

    func end(_ result: Result<Void, any Error>) {
        let continuation: CheckedContinuation<Void, any Error>? = self.state.withLock { state in
            defer { state = .ended }
            guard case .asleep(let continuation) = state else { return nil }
            return continuation
        }
        continuation?.resume(with: result)
    }
}
