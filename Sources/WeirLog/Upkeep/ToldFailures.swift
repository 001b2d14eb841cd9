// SPDX-License-Identifier: Apache-2.0

/// Which failures the operator was told of. Upkeep that fails is tried again for ever, and a line a failure would bury
/// the log; but what has worked in between and fails again is news. No I/O, no clock.
package struct ToldFailures: Sendable {
    /// Failures that are remembered; with more of them the oldest is told again.
    package static let max = 16

    private struct Failure: Hashable {
        let subject: String
        let sentence: String
    }

    private var told: [Failure] = []

    package init() {}

    /// The task has failed. Whether that must be told.
    package mutating func failed(_ subject: String, _ sentence: String) -> Bool {
        let failure = Failure(subject: subject, sentence: sentence)
        guard !self.told.contains(failure) else { return false }
        self.told.append(failure)
        if self.told.count > Self.max { self.told.removeFirst() }
        return true
    }

    /// The task has worked: its next failure is news. Whether a failure was told before.
    @discardableResult
    package mutating func succeeded(_ subject: String) -> Bool {
        let count = self.told.count
        self.told.removeAll { $0.subject == subject }
        return self.told.count < count
    }
}
