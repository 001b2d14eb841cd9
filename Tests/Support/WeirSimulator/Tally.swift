// SPDX-License-Identifier: Apache-2.0

/// What histories held, in numbers.
package struct Tally: Sendable, CustomStringConvertible {
    /// What is counted, in words.
    package enum Count: String, CaseIterable, Sendable {
        case histories
        case simulatedMillis = "simulated ms"
        case events
        case starts = "starts of the node"
        // The log and its disk
        case powerCuts = "power cuts"
        case failures = "failed writes"
        case crashes
        case recoveries
        case commits
        case acknowledged = "records acknowledged"
        case observed = "records read"
        case rolls = "segments begun"
        case recycled = "segments recycled"
        case filled = "pieces of zeros"
        case footers
        case snapshots
        case full = "times no space"
        case audits
        // Drills
        case steps
        case leaseChanges = "changes of leases"
        case reshards = "reshardings"
        // Producers and readers
        case toldStored = "records told to producers as stored"
        case throttled = "records throttled"
        case behind = "records refused behind those"
        case unknown = "records of unknown outcome"
        case polls = "long polls"
        case emptyPolls = "empty long polls"
        case pushes
        case reconnects
        // Workers
        case workers
        case processed = "records processed"
        case repeated = "records processed again"
        case checkpoints
        case lostCheckpoints = "checkpoints refused"
        case leasePolls = "reads of workers"
        case leasePushes = "pushes to workers"
        case lostReads = "reads refused for their lease"
        case assigned = "leases told"
        case handedOver = "leases handed over"
        case expired = "workers expired"
        case pauses = "workers paused"
        case kills = "workers killed"
        case leaves = "workers shut down"
        case nodePauses = "pauses of the node"
        case resets
    }

    private var counts: [Count: Int] = [:]

    package init() {}

    package subscript(_ count: Count) -> Int {
        get { self.counts[count, default: 0] }
        set { self.counts[count] = newValue }
    }

    package static func += (left: inout Self, right: Self) {
        left.counts.merge(right.counts) { $0 + $1 }
    }

    /// One line of what matters most.
    package var description: String {
        let tenths = self[.simulatedMillis] / 360_000
        return "\(self[.histories]) histories, \(tenths / 10).\(tenths % 10) simulated hours, "
            + "\(self[.powerCuts]) power cuts, \(self[.failures]) failed writes"
    }

    /// All that was counted.
    package var details: String {
        Count.allCases.filter { self[$0] > 0 }.map { "\(self[$0]) \($0.rawValue)" }.joined(separator: ", ")
    }
}
