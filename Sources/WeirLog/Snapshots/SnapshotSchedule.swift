// SPDX-License-Identifier: Apache-2.0

/// When a snapshot is taken: a condition that is looked at, so that no failure can make the log forget it. No I/O, no
/// clock; `tick` comes about once a second.
///
/// A snapshot is due from the roll of a segment until one that was begun later is complete. An attempt that failed is
/// made again, after 1, 2, 4 and up to 64 ticks.
package struct SnapshotSchedule: Equatable, Sendable {
    package enum Phase: Equatable, Sendable {
        case idle
        /// The state was captured; it waits for its commit to be durable.
        case captured
        /// The file is being written.
        case writing
    }

    package static let waitMax = 64

    package private(set) var phase = Phase.idle
    package private(set) var isDue = false
    /// Attempts that failed one after the other.
    package private(set) var failures = 0
    private var wait = 0

    package init() {}

    /// Whether the next commit to be closed is the one that a snapshot is taken of.
    package var capturesNext: Bool { self.isDue && self.phase == .idle && self.wait == 0 }

    /// A segment filled up, or a start found much that no snapshot covers.
    package mutating func demand() { self.isDue = true }

    /// What was captured now is all that was demanded so far.
    package mutating func captured() {
        precondition(self.phase == .idle, "one snapshot at a time")
        self.phase = .captured
        self.isDue = false
    }

    package mutating func began() {
        precondition(self.phase == .captured, "a snapshot is captured before it is written")
        self.phase = .writing
    }

    package mutating func done() {
        self.phase = .idle
        self.failures = 0
    }

    package mutating func failed() {
        self.phase = .idle
        self.isDue = true
        self.failures += 1
        self.wait = min(Self.waitMax, 1 << min(self.failures - 1, 6))
    }

    package mutating func tick() { self.wait = max(0, self.wait - 1) }

    /// The last snapshot of a stop: nothing is waited for.
    package mutating func hurry() { self.wait = 0 }
}
