// SPDX-License-Identifier: Apache-2.0

/// How records came to workers.
package struct ReadTally: Sendable {
    /// Reads that were answered.
    package var polls = 0
    /// Batches that were pushed.
    package var pushes = 0
    /// Reads and subscriptions that a lost lease has ended.
    package var refused = 0
    /// Records that were processed again.
    package var repeated = 0

    static func += (left: inout Self, right: Self) {
        left.polls += right.polls
        left.repeated += right.repeated
        left.pushes += right.pushes
        left.refused += right.refused
    }
}

/// What histories of consumers did, in numbers.
package struct ConsumerTally: Sendable, CustomStringConvertible {
    package var events = 0
    package var acknowledged = 0
    package var processed = 0
    package var checkpoints = 0
    package var refused = 0
    package var reads = ReadTally()
    package var assigned = 0
    package var handedOver = 0
    package var expired = 0
    package var workers = 0
    package var pauses = 0
    package var kills = 0
    package var leaves = 0
    package var serverStarts = 0
    package var serverPauses = 0
    package var powerCuts = 0
    package var failures = 0
    package var reshards = 0
    package var resets = 0
    package var simulatedMillis = 0

    package init() {}

    package static func += (left: inout Self, right: Self) {
        left.events += right.events
        left.acknowledged += right.acknowledged
        left.processed += right.processed
        left.checkpoints += right.checkpoints
        left.refused += right.refused
        left.reads += right.reads
        left.assigned += right.assigned
        left.handedOver += right.handedOver
        left.expired += right.expired
        left.workers += right.workers
        left.pauses += right.pauses
        left.kills += right.kills
        left.leaves += right.leaves
        left.serverStarts += right.serverStarts
        left.serverPauses += right.serverPauses
        left.powerCuts += right.powerCuts
        left.failures += right.failures
        left.reshards += right.reshards
        left.resets += right.resets
        left.simulatedMillis += right.simulatedMillis
    }

    package var description: String {
        "\(Tally.hours(self.simulatedMillis)), \(self.events) events, \(self.acknowledged) records acknowledged, "
            + "\(self.processed) processed "
            + "(\(self.reads.repeated) again); \(self.checkpoints) checkpoints stored, \(self.refused) refused; "
            + "\(self.reads.polls) reads and \(self.reads.pushes) pushes, \(self.reads.refused) refused for their "
            + "lease; "
            + "\(self.assigned) leases told, \(self.handedOver) handed over, \(self.expired) workers expired; "
            + "\(self.workers) workers, \(self.pauses) paused, \(self.kills) killed, \(self.leaves) shut down; "
            + "\(self.serverStarts) starts of the server (\(self.powerCuts) power cuts), \(self.serverPauses) pauses, "
            + "\(self.failures) failed writes; \(self.reshards) reshardings, \(self.resets) resets"
    }
}
