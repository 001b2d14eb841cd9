// SPDX-License-Identifier: Apache-2.0

/// What a log does while the system is short of space or descriptors: it waits and tries again, as long as it runs. A
/// log that is told to stop waits only for what its own stop gives back, and for a bounded number of attempts. No I/O,
/// no clock.
package struct ShortageWait: Equatable, Sendable {
    /// Between two attempts.
    package static let pauseMillis = 200
    /// Attempts of a log that is told to stop: five seconds.
    package static let closingMax = 25

    /// Attempts that failed since the log was told to stop.
    private var whileClosing = 0

    package init() {}

    /// An attempt has failed. Whether another one is made after a pause. `comesBack`: the connections of a node that
    /// stops give back what is missing.
    package mutating func mayTryAgain(isClosing: Bool, comesBack: Bool) -> Bool {
        guard isClosing else {
            self.whileClosing = 0
            return true
        }
        guard comesBack, self.whileClosing < Self.closingMax else { return false }
        self.whileClosing += 1
        return true
    }
}
