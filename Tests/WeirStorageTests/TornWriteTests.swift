// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// The end of the log after a crash: whole commits stay, torn ones go, and nobody is misled by what is left of them.
@Suite struct TornWriteTests {
    /// Two acknowledged commits and a third one of two batches, all in one segment.
    private func threeCommits() throws -> (rig: LogRig, ref: ShardRef, name: String, last: Range<Int>) {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.put(["one"], to: ref)
        try rig.append(["two", "three"], to: ref)
        try rig.append(["four"], to: ref, staged: true)
        try rig.write()
        let name = try #require(rig.segmentFiles.last?.name)
        let commit = try #require(rig.commits(of: name).last)
        #expect(commit.header.batchCount == 2)
        return (rig, ref, name, commit.offset..<commit.offset + commit.header.paddedLength)
    }

    @Test(arguments: [UInt8(0), 0xff])
    func aLastCommitTornAtAnyByteIsThereWholeOrNotAtAll(rest: UInt8) throws {
        let (rig, ref, name, last) = try self.threeCommits()
        let image = rig.disk.image
        let whole = try #require(image[name])
        var cut = 0
        // Each byte of header and batches, each sector of the padding.
        let lengths = Array(0..<1024) + stride(from: 1024, through: last.count, by: 512)
        for length in lengths {
            var bytes = whole
            for position in last.lowerBound + length..<last.upperBound { bytes[position] = rest }
            let isWhole = bytes == whole
            var changed = image
            changed[name] = bytes
            let again = try LogRig(SimFileSystem(image: changed))
            #expect(
                again.read(ref).inOrder == (isWhole ? ["one", "two", "three", "four"] : ["one"]), "cut at \(length)")
            #expect(again.report.damaged.isEmpty)
            cut += isWhole ? 0 : 1
        }
        // Where zeros were torn off zeros, nothing was.
        #expect(cut > 200)
    }

    @Test func aTornCommitIsCutForEverAlsoWhenItsRestTurnsUpLater() throws {
        let (rig, ref, name, last) = try self.threeCommits()
        let whole = try #require(rig.disk.image[name])
        let sector = last.lowerBound..<last.lowerBound + 512
        let torn = rig.disk.copy { $0[name]?.replaceSubrange(sector, with: [UInt8](repeating: 0, count: 512)) }
        let again = try LogRig(torn)
        #expect(again.read(ref).inOrder == ["one"])
        try again.put(["other"], to: ref)
        // The sector arrives after all.
        try torn.edit(name) { $0.replaceSubrange(last, with: whole[last]) }
        try again.restart()
        #expect(again.read(ref).inOrder == ["one", "other"])
        #expect(again.report.damaged.isEmpty)
    }

    @Test func theSecondOfTwoCommitsInFlightCountsOnlyWithTheFirst() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.append(["one"], to: ref)
        let first = try #require(try rig.take())
        try rig.append(["two"], to: ref)
        let second = try #require(try rig.take())
        try second.perform()
        try rig.restart()
        #expect(rig.read(ref).inOrder.isEmpty)
        try rig.put(["three"], to: ref)
        // The first one's bytes turn up: it and the second are void all the same.
        try first.writeAnyway(to: rig.disk)
        try rig.restart()
        #expect(rig.read(ref).inOrder == ["three"])
    }

    @Test func aRollBetweenTwoCommitsInFlightLosesNothingAcknowledged() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        let filler = String(repeating: "x", count: 20_000)
        try rig.put(["a" + filler], to: ref)
        try rig.append(["b" + filler], to: ref)
        let first = try #require(try rig.take())
        try rig.append(["c" + filler], to: ref)
        let second = try #require(try rig.take())
        #expect(first.segment !== second.segment)
        try second.perform()
        try rig.restart()
        #expect(rig.read(ref).inOrder.map(\.first) == ["a"])
        try rig.put(["e"], to: ref)
        try rig.restart()
        #expect(rig.read(ref).inOrder.map(\.first) == ["a", "e"])
        #expect(rig.report.damaged.isEmpty)
    }

    @Test func whatWasNeverProvenIsOnTheDiskBeforeAnybodyIsToldOfIt() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.append(["one"], to: ref)
        let job = try #require(try rig.take())
        try job.write()
        // The process is killed before the sync; the system still has the pages, and the next process reads them.
        try rig.restart(powerCut: false)
        #expect(rig.read(ref).inOrder == ["one"])
        for _ in 0..<8 {
            try rig.restart(powerCut: true)
            #expect(rig.read(ref).inOrder == ["one"])
        }
    }

    @Test func aSyncThatFailedIsNotBelievedLater() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.put(["one"], to: ref)
        try rig.append(["two"], to: ref)
        let job = try #require(try rig.take())
        try job.write()
        rig.disk.decideFaults { if case .sync = $0 { .failed } else { nil } }
        #expect(throws: FileError.self) { try job.sync() }
        rig.disk.decideFaults(nil)
        try rig.recoverInProcess()
        let told = rig.read(ref).inOrder
        #expect(told.first == "one")
        for _ in 0..<8 {
            try rig.restart(powerCut: true)
            #expect(rig.read(ref).inOrder == told)
        }
    }
}

extension WriteJob {
    /// Its bytes arrive on the disk, whoever may be working there now.
    fileprivate func writeAnyway(to disk: SimFileSystem) throws {
        let length = self.commit.header?.paddedLength ?? 0
        let bytes = Array(self.commit.buffer.raw[0..<length])
        try disk.edit(Segment.fileName(self.segment.header.file)) {
            $0.replaceSubrange(self.commit.offset..<self.commit.offset + length, with: bytes)
        }
    }
}
