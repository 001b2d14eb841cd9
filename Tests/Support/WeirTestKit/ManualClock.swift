// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirIO

/// Time that passes when a test says so. The wall clock can be set; the monotonic one only runs on.
package final class ManualClock: Clock {
    private struct Time {
        var wallMillis: Int64
        var monotonicNanos: UInt64
        var isSynchronized = false
        var timers: [(nanos: UInt64, body: @Sendable () -> Void)] = []

        /// The earliest first; of the same time, the one set first.
        mutating func takeDue() -> [@Sendable () -> Void] {
            let now = self.monotonicNanos
            guard self.timers.contains(where: { $0.nanos <= now }) else { return [] }
            let due = self.timers.enumerated().filter { $1.nanos <= now }
                .sorted { ($0.element.nanos, $0.offset) < ($1.element.nanos, $1.offset) }
            self.timers.removeAll { $0.nanos <= now }
            return due.map(\.element.body)
        }
    }

    private let time: Mutex<Time>

    /// 2023-11-14T22:13:20Z.
    package static let start: Int64 = 1_700_000_000_000

    package init(wallMillis: Int64 = ManualClock.start) {
        self.time = Mutex(Time(wallMillis: wallMillis, monotonicNanos: 1_000_000_000))
    }

    package var wallMillis: Int64 { self.time.withLock { $0.wallMillis } }
    package var monotonicNanos: UInt64 { self.time.withLock { $0.monotonicNanos } }

    package var isSynchronized: Bool {
        get { self.time.withLock { $0.isSynchronized } }
        set { self.time.withLock { $0.isSynchronized = newValue } }
    }

    /// What is due already waits for the next `advance`, so that nothing runs on the caller's stack.
    package func schedule(at nanos: UInt64, _ body: @escaping @Sendable () -> Void) {
        self.time.withLock { $0.timers.append((nanos, body)) }
    }

    /// Time passes: both clocks go on, and what was waiting for that is called.
    package func advance(millis: Int64) {
        precondition(millis >= 0, "time does not pass backwards; use jump")
        let due = self.time.withLock { time in
            time.wallMillis += millis
            time.monotonicNanos += UInt64(millis) * 1_000_000
            return time.takeDue()
        }
        for body in due { body() }
    }

    /// Time passes in small steps, with time for others in between, until something has come about.
    package func advance(
        stepMillis: Int64 = 1, until isDone: () -> Bool, mayAdvance: () -> Bool = { true }
    ) async {
        while !isDone() {
            for _ in 0..<50 where !isDone() { await Task.yield() }
            if !isDone(), mayAdvance() { self.advance(millis: stepMillis) }
        }
    }

    /// Somebody sets the wall clock, forwards or back.
    package func jump(millis: Int64) { self.time.withLock { $0.wallMillis += millis } }
}
