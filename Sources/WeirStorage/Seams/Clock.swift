// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirLog

/// Time as an argument: production and the simulator.
package protocol Clock: Sendable {
    /// Milliseconds since 1970, within `Limits.clockMillis`; may jump.
    var wallMillis: Int64 { get }
    /// Nanoseconds since some start; never falls, and goes on while the system sleeps.
    var monotonicNanos: UInt64 { get }
    /// Whether the system says that the wall clock follows a time server.
    var isSynchronized: Bool { get }
}

extension Clock {
    package var isSynchronized: Bool { false }

    package var moment: LogTime.Moment {
        LogTime.Moment(
            wallMillis: self.wallMillis, nanos: self.monotonicNanos, isSynchronized: self.isSynchronized)
    }
}

package struct SystemClock: Clock {
    package init() {}
    package var wallMillis: Int64 { LogTime.Moment.believable(weir_wall_milliseconds()) }
    package var monotonicNanos: UInt64 { weir_monotonic_nanoseconds() }
    package var isSynchronized: Bool { weir_clock_is_synchronized() }
}
