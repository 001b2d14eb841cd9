// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Crashes while a segment is made: one that was never used is never taken for a damaged one.
@Suite struct SegmentMakingTests {
    /// A log whose next start puts a used file under a new header.
    private func beforeRecycling(seed: UInt64) throws -> (rig: LogRig, ref: ShardRef) {
        let rig = try LogRig(SimFileSystem(seed: seed))
        let ref = try rig.create()
        try rig.put(["one"], to: ref)
        // Begun, and left without a commit.
        try rig.restart()
        return (rig, ref)
    }

    /// Fails or crashes at the `number`th change of the disk during a start.
    private func start(_ rig: LogRig, _ fault: DiskFault, at number: Int) throws -> Bool {
        let count = Counter()
        rig.disk.decideFaults { operation in operation.changes && count.next() == number ? fault : nil }
        defer { rig.disk.decideFaults(nil) }
        do {
            try rig.restart(powerCut: false)
            return true
        } catch is StorageError {
            return false
        }
    }

    private final class Counter: Sendable {
        private let monitor = Monitor(0)
        func next() -> Int {
            self.monitor.withLock { count in
                count += 1
                return count
            }
        }
    }

    /// The system ignores that its cache is not wanted, and shows a header whose sync has failed: the next start must
    /// not believe that the disk holds it.
    @Test func aHeaderWhoseSyncFailedIsNotTheOnlyOneLeft() throws {
        var crashes = 0
        for seed in 0..<20 as Range<UInt64> {
            for failure in 1..<10 {
                for crash in 1..<10 {
                    let (rig, ref) = try self.beforeRecycling(seed: seed)
                    rig.disk.ignoreAdvice(true)
                    if try self.start(rig, .failed, at: failure) { break }
                    if try self.start(rig, .crash, at: crash) { break }
                    crashes += 1
                    try rig.restart(powerCut: true)
                    #expect(rig.report.damaged.isEmpty, "seed \(seed), failure \(failure), crash \(crash)")
                    #expect(rig.read(ref).inOrder == ["one"])
                }
            }
        }
        #expect(crashes > 100)
    }
}
