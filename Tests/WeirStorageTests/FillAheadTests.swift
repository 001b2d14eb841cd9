// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Zeros written ahead into segments that were never written before.
@Suite struct FillAheadTests {
    private static let filler = String(repeating: "x", count: 40_000)

    /// A log with a ready segment, and a piece of zeros for it that upkeep has taken.
    private func begun() throws -> (rig: LogRig, ref: ShardRef, task: UpkeepTask, job: FillJob) {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.put([Self.filler], to: ref)
        try rig.doUpkeep()
        let task = try #require(rig.core.nextUpkeep(nowNanos: rig.clock.monotonicNanos))
        guard case .fill(let job) = task else { throw Unexpected(task: "\(task)") }
        return (rig, ref, task, job)
    }

    private static func nothing(_ task: UpkeepTask?) -> Bool { task.map { "\($0)" } == nil }

    private struct Unexpected: Error { let task: String }

    @Test func theFirstSegmentOfANewNodeIsFilledBeforeAnyCommit() throws {
        let disk = SimFileSystem()
        let written = Mutex(0)
        disk.decideFaults { operation in
            if case .write(_, let offset, let bytes) = operation {
                written.withLock { $0 = $0 == offset || offset == SegmentHeader.bytes ? offset + bytes : $0 }
            }
            return nil
        }
        let rig = try LogRig(disk)
        #expect(written.withLock { $0 } == rig.core.active?.size)
    }

    @Test func aReadySegmentIsFilledPieceByPiece() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.put([Self.filler], to: ref)
        try rig.doUpkeep()
        func filledTo() throws -> Int { try #require(rig.core.files.ready.first).filledTo }
        #expect(try filledTo() == SegmentHeader.bytes)
        let size = try #require(rig.core.files.ready.first).file.size
        var pieces = 0
        while try filledTo() < size {
            let before = try filledTo()
            while let task = rig.core.nextUpkeep(nowNanos: rig.clock.monotonicNanos) {
                rig.core.finished(task, task.result(rig.disk))
            }
            if try filledTo() > before { pieces += 1 }
            rig.clock.advance(millis: 1)
            try #require(pieces < 1_000)
        }
        #expect(Self.nothing(rig.core.nextUpkeep(nowNanos: rig.clock.monotonicNanos)) || rig.core.files.ready.count > 1)
    }

    @Test func noPieceIsTakenWhileACommitWaitsOrIsWritten() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.put([Self.filler], to: ref)
        try rig.doUpkeep()
        try rig.append(["waits"], to: ref)
        #expect(Self.nothing(rig.core.nextUpkeep(nowNanos: rig.clock.monotonicNanos)))
        let job = try #require(try rig.take())
        #expect(Self.nothing(rig.core.nextUpkeep(nowNanos: rig.clock.monotonicNanos)))
        try job.perform()
        _ = rig.core.written(job, nowNanos: rig.clock.monotonicNanos)
        #expect(!Self.nothing(rig.core.nextUpkeep(nowNanos: rig.clock.monotonicNanos)))
    }

    /// Zeros that arrive after a commit would overwrite what was acknowledged.
    @Test func aCommitDoesNotGoToASegmentWithAPieceOnItsWay() throws {
        let (rig, ref, task, job) = try self.begun()
        // The active segment has no room for it.
        try rig.append([Self.filler], to: ref)
        #expect(rig.core.hasWork)
        // A writer asks once, and sleeps until the piece is there.
        var asked = 0
        while rig.core.hasTask, asked < 100 {
            #expect(rig.core.takeTask().map { _ in 1 } == nil)
            asked += 1
        }
        #expect(asked == 1 && rig.core.hasWork, "there is work, and a log that ends waits for it")
        rig.core.finished(task, task.result(rig.disk))
        #expect(rig.core.hasTask)
        let write = try #require(try rig.take())
        #expect(write.segment === job.fill.segment)
        try write.perform()
        _ = rig.core.written(write, nowNanos: rig.clock.monotonicNanos)
        try rig.restart(powerCut: true)
        #expect(rig.read(ref).texts.count == 2)
    }

    @Test func aSegmentOnWhichAPieceFailedIsNotUsed() throws {
        let (rig, ref, task, job) = try self.begun()
        rig.core.finished(task, .failure(FileError(.io, "played")))
        #expect(!rig.core.files.ready.contains { $0.segment === job.fill.segment })
        let bytes = rig.core.logBytes
        try rig.put([Self.filler], to: ref)
        #expect(rig.core.segments.allSatisfy { $0 !== job.fill.segment })
        #expect(rig.core.logBytes >= bytes)
        try rig.restart(powerCut: true)
        #expect(rig.read(ref).texts.count == 2)
    }
}
