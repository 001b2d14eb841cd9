// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirIO

/// One timer for something that often changes its mind: arming it anew costs a comparison, and at most a few timers of
/// the clock are under way at any time.
///
/// Fires at or before the earliest time that was asked for, so whoever is called looks for what is due, if anything.
package final class Alarm: Sendable {
    private let clock: any Clock
    private let fire: @Sendable () -> Void
    private let armedFor = Mutex<UInt64?>(nil)

    package init(clock: any Clock, _ fire: @escaping @Sendable () -> Void) {
        self.clock = clock
        self.fire = fire
    }

    /// Makes sure that it fires at `nanoseconds`, or before. Never fires on the caller's stack.
    package func arm(at nanoseconds: UInt64) {
        let isNew = self.armedFor.withLock { armed in
            if let armed, armed <= nanoseconds { return false }
            armed = nanoseconds
            return true
        }
        guard isNew else { return }
        self.clock.schedule(at: nanoseconds) { [self] in
            let isCurrent = self.armedFor.withLock { armed in
                guard armed == nanoseconds else { return false }
                armed = nil
                return true
            }
            // One that was overtaken by an earlier time has nothing to add: that one has fired, and armed again.
            if isCurrent { self.fire() }
        }
    }
}
