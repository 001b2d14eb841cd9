// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Old snapshots go, also when the disk does not let them go at once.
@Suite struct OldSnapshotsTests {
    private final class Refusals: Sendable {
        let left: Mutex<Int>
        init(_ count: Int) { self.left = Mutex(count) }

        func decide(_ operation: DiskOperation) -> DiskFault? {
            guard case .remove = operation else { return nil }
            return self.left.withLock { left in
                guard left > 0 else { return nil }
                left -= 1
                return .failed
            }
        }
    }

    /// `settle` of the rig throws what upkeep throws; a node tells it and goes on.
    private static func work(_ rig: LogRig) throws {
        for _ in 0..<20 {
            try rig.write()
            while let task = rig.core.nextUpkeep() { rig.core.finished(task, task.result(rig.disk)) }
        }
    }

    @Test(arguments: [0, 1, 2, 5]) func onesThatCouldNotBeUnlinkedAreTriedAgain(refusals: Int) throws {
        let rig = try LogRig()
        let refused = Refusals(refusals)
        rig.disk.decideFaults(refused.decide)
        let ref = try rig.create()
        for round in 0..<4 {
            rig.core.snapshots.demand()
            try rig.put(["\(round)"], to: ref)
            try Self.work(rig)
        }
        let late = rig.snapshotFiles.count
        #expect(refusals == 0 ? late == 2 : late > 2)
        // Failures wait for 1, 2, 4 and more ticks, of a second each.
        for _ in 0..<40 {
            _ = rig.core.retain(rig.clock.moment, space: try rig.disk.space())
            try Self.work(rig)
        }
        #expect(rig.snapshotFiles.count == 2, "after \(refusals) refusals")
        #expect(rig.core.snapshots.kept.map(\.name) == rig.snapshotFiles)
    }
}
