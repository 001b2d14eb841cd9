// SPDX-License-Identifier: Apache-2.0
import CWeir

/// Time as an argument: production and the simulator.
package protocol Clock: Sendable {
    /// Milliseconds since 1970; may jump.
    var wallMillis: Int64 { get }
    /// Nanoseconds since some start; never falls.
    var monotonicNanos: UInt64 { get }
}

package struct SystemClock: Clock {
    package init() {}
    package var wallMillis: Int64 { weir_wall_milliseconds() }
    package var monotonicNanos: UInt64 { weir_monotonic_nanoseconds() }
}
