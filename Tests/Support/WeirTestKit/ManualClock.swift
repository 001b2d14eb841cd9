// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirStorage

/// Time that passes when a test says so. The wall clock can be set; the monotonic one only runs on.
package final class ManualClock: Clock {
    private struct Time {
        var wallMillis: Int64
        var monotonicNanos: UInt64
        var isSynchronized = false
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

    /// Time passes: both clocks go on.
    package func advance(millis: Int64) {
        precondition(millis >= 0, "time does not pass backwards; use jump")
        self.time.withLock { time in
            time.wallMillis += millis
            time.monotonicNanos += UInt64(millis) * 1_000_000
        }
    }

    /// Somebody sets the wall clock, forwards or back.
    package func jump(millis: Int64) { self.time.withLock { $0.wallMillis += millis } }
}
