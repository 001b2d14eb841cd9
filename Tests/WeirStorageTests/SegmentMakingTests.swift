// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirIO
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

    /// A segment that could not be made stays behind without a commit, and the one that was made in its stead is
    /// dropped and used again: nothing is missing where the half-made one stands. Whatever of it reached the disk.
    @Test(arguments: 1..<9, [false, true])
    func aHalfMadeSegmentIsNotMissedWhenTheOneBehindItIsGone(failure: Int, powerCut: Bool) throws {
        for seed in 0..<4 as Range<UInt64> {
            let rig = try LogRig(SimFileSystem(seed: seed))
            let kept = try rig.create("kept")
            let gone = try rig.create("gone")
            var texts: [String] = []
            while rig.core.active.map({ $0.plannedEnd <= $0.size / 2 }) ?? false {
                texts.append(String(repeating: "k", count: 3000) + "\(texts.count)")
                try rig.put([texts[texts.count - 1]], to: kept)
            }
            let count = Counter()
            rig.disk.decideFaults { $0.changes && count.next() == failure ? .failed : nil }
            while let task = rig.core.nextUpkeep() { rig.core.finished(task, task.result(rig.disk)) }
            rig.disk.decideFaults(nil)
            try rig.fill(segments: 3, to: gone)
            texts += try rig.fill(segments: 3, to: kept)
            try rig.submit(.deleteStream(gone.stream))
            try rig.retain()
            texts += try rig.fill(segments: 5, to: kept)
            #expect(rig.segmentFiles.contains { $0.header.useCount > 1 }, "a dropped segment was used again")
            try rig.restart(powerCut: powerCut)
            #expect(rig.report.damaged.isEmpty, "seed \(seed), failure \(failure): \(rig.report.lines)")
            #expect(rig.read(kept).inOrder == texts)
        }
    }

    /// A start believes the list of a snapshot: the segment of its own commit stands in it, though at the moment of the
    /// snapshot no commit of that segment was on the disk.
    @Test func aSnapshotListsTheSegmentOfItsOwnCommit() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        var jobs: [WriteJob] = []
        while rig.snapshotFiles.isEmpty {
            for _ in 0..<2 {
                try rig.append([String(repeating: "x", count: 3000)], to: ref)
                if let job = try rig.take() { jobs.append(job) }
            }
            for job in jobs {
                try job.perform()
                _ = rig.core.written(job, nowNanos: rig.clock.monotonicNanos)
            }
            jobs.removeAll()
            try rig.doUpkeep()
        }
        let name = try #require(rig.snapshotFiles.first)
        let snapshot = try #require(rig.disk.image[name]).withUnsafeBytes { try SnapshotFile(reading: $0) }
        let holding = rig.segmentFiles.filter { file in
            rig.commits(of: file.name).contains { $0.header.lsn <= snapshot.point.lsn }
        }
        #expect(holding.count > 1)
        #expect(snapshot.live.map(\.use) == holding.map { .init(file: $0.header.file, useCount: $0.header.useCount) })
    }
}
