// SPDX-License-Identifier: Apache-2.0

/// What happened, a line an event. Equal runs give equal lines.
package struct Trace: Sendable {
    package private(set) var lines: [String] = []
    private let isOn: Bool

    init(isOn: Bool) { self.isOn = isOn }

    mutating func note(_ line: @autoclosure () -> String) {
        if self.isOn { self.lines.append(line()) }
    }
}

/// What a run did, in numbers.
package struct Tally: Sendable, CustomStringConvertible {
    package var steps = 0
    package var acknowledged = 0
    package var observed = 0
    package var commits = 0
    package var crashes = 0
    package var powerCuts = 0
    package var recoveries = 0
    package var failures = 0
    package var rolls = 0
    /// Pieces of zeros written ahead.
    package var filled = 0
    package var recycled = 0
    package var footers = 0
    package var snapshots = 0
    package var reshards = 0
    package var full = 0
    package var leaseChanges = 0
    package var simulatedMillis = 0

    package static func += (left: inout Self, right: Self) {
        left.steps += right.steps
        left.acknowledged += right.acknowledged
        left.observed += right.observed
        left.commits += right.commits
        left.crashes += right.crashes
        left.powerCuts += right.powerCuts
        left.recoveries += right.recoveries
        left.failures += right.failures
        left.rolls += right.rolls
        left.filled += right.filled
        left.recycled += right.recycled
        left.footers += right.footers
        left.snapshots += right.snapshots
        left.reshards += right.reshards
        left.full += right.full
        left.leaseChanges += right.leaseChanges
        left.simulatedMillis += right.simulatedMillis
    }

    static func hours(_ millis: Int) -> String { "\(millis / 3_600_000).\(millis / 360_000 % 10) simulated hours" }

    package var description: String {
        "\(Self.hours(self.simulatedMillis)), \(self.steps) steps, \(self.commits) commits, "
            + "\(self.acknowledged) records acknowledged, \(self.observed) read; "
            + "\(self.crashes) crashes (\(self.powerCuts) power cuts), "
            + "\(self.failures) failed writes, \(self.recoveries) recoveries; "
            + "\(self.rolls) segments begun (\(self.recycled) recycled), "
            + "\(self.filled) pieces of zeros, \(self.footers) footers, "
            + "\(self.snapshots) snapshots, \(self.reshards) reshardings, "
            + "\(self.leaseChanges) changes of leases, \(self.full) times no space"
    }
}
