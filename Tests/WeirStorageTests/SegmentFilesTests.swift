// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Files that somebody removed, copied or renamed: said clearly, and nothing false is served.
@Suite struct SegmentFilesTests {
    private func written() throws -> (rig: LogRig, ref: ShardRef, texts: [String], names: [String]) {
        let rig = try LogRig()
        let ref = try rig.create()
        let texts = try rig.fill(segments: 8, to: ref)
        try rig.closeIdle()
        return (rig, ref, texts, rig.segmentFiles.map(\.name))
    }

    /// The sentence of a start that is refused; it must have changed nothing.
    private func refusal(_ disk: SimFileSystem) -> String? {
        let before = disk.image
        let error = #expect(throws: StorageError.self) { try LogRig(disk) }
        #expect(disk.image == before)
        return error?.message
    }

    @Test func aMissingSegmentIsNamedAndTheOthersServed() throws {
        let (rig, ref, texts, _) = try self.written()
        let covered = try #require(rig.core.snapshots.kept.last?.lsn)
        let named = rig.segmentFiles.map(\.name).filter { (rig.commits(of: $0).first?.header.lsn ?? covered) < covered }
        #expect(named.count >= 5)
        for name in named {
            let again = try LogRig(rig.disk.copy { $0[name] = nil })
            #expect(again.report.damaged.contains(DamagedRange(file: name, offset: 0, length: 0)))
            #expect(
                again.report.lines.contains(
                    "\(name) is missing or not the one that was there: the records that it held are gone"))
            let reading = again.read(ref)
            #expect(reading.error == nil)
            // What is there is what was there, in its place.
            for (index, text) in reading.texts { #expect(texts[Int(index)] == text) }
            // All other files are served whole.
            let gone = rig.commits(of: name).reduce(0) { $0 + $1.header.batchCount }
            #expect(reading.texts.count == texts.count - gone)
            #expect(reading.missed >= UInt64(gone))
            // No index that may have been given is given again, whatever the next starts know of it.
            let next = try again.put(["later"], to: ref).firstIndex
            #expect(next >= UInt64(texts.count))
            try again.restart()
            #expect(try again.put(["still later"], to: ref).firstIndex > next)
            try again.settle()
            try again.restart()
            #expect(again.report.damaged.isEmpty)
            #expect(again.read(ref).texts.count == texts.count - gone + 2)
            #expect(again.disk.image[name] == nil)
        }
    }

    @Test func aShardThatRestedWhenAFileWentMissingGivesNoIndexAgain() throws {
        let rig = try LogRig()
        let busy = try rig.create("busy")
        let quiet = try rig.create("quiet")
        try rig.fill(segments: 4, to: busy)
        // Until a snapshot covers the beginning of the segment that is being written.
        func written() throws -> String {
            try #require(rig.segmentFiles.last { !rig.commits(of: $0.name).isEmpty }?.name)
        }
        func begins(_ name: String, below lsn: LSN) -> Bool {
            rig.commits(of: name).first.map { $0.header.lsn < lsn } == true
        }
        while !begins(try written(), below: rig.core.snapshots.kept.last?.lsn ?? .none) {
            try rig.put([String(repeating: "y", count: 3000)], to: busy)
            try rig.settle()
        }
        let name = try written()
        let covered = try #require(rig.core.snapshots.kept.last?.lsn)
        // In the file that will be missed, above the snapshot.
        let last = try rig.put(["one", "two"], to: quiet).firstIndex + 1
        try rig.closeIdle()
        #expect(try #require(rig.commits(of: name).last?.header.lsn) > covered)
        let again = try LogRig(rig.disk.copy { $0[name] = nil })
        #expect(!again.report.damaged.isEmpty)
        #expect(again.report.lines.contains { $0.hasPrefix("shards go on up to ") })
        #expect(try again.put(["three"], to: quiet).firstIndex > last)
    }

    @Test func whatComesBehindAMissingFileIsServedFromItsFirstRecord() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        var texts = try rig.fill(segments: 4, to: ref)
        let snapshots = rig.disk.image.filter { $0.key.hasPrefix("snapshot-") }
        texts += try rig.fill(segments: 4, to: ref, "more")
        try rig.closeIdle()
        let covered = try #require(snapshots.keys.compactMap(PendingSnapshot.lsn(ofName:)).max())
        // Begun after the snapshot: only the chain of commits misses it.
        let later = rig.segmentFiles.map(\.name).filter {
            (rig.commits(of: $0).first?.header.lsn ?? .none) > covered
        }
        let (gone, next) = (try #require(later.first), try #require(later.dropFirst().first))
        let disk = rig.disk.copy { image in
            image = image.filter { !$0.key.hasPrefix("snapshot-") }.merging(snapshots) { one, _ in one }
            image[gone] = nil
        }
        let again = try LogRig(disk)
        #expect(!again.report.damaged.isEmpty)
        let reading = again.read(ref)
        let lost = rig.commits(of: gone).reduce(0) { $0 + $1.header.batchCount }
        #expect(lost > 5)
        #expect(reading.texts.count == texts.count - lost)
        #expect(reading.missed == UInt64(lost))
        #expect(!again.report.damaged.contains { $0.file == next && $0.length > 0 })
    }

    /// No snapshot knows of the file; the chain of commits does.
    @Test func aMissingSegmentThatNoSnapshotNamesIsMissedByTheChain() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        for number in 0..<3 {
            try rig.put(["\(number)"], to: ref)
            try rig.closeIdle()
            try rig.restart(powerCut: false)
        }
        try rig.put(["3"], to: ref)
        try rig.closeIdle()
        #expect(rig.snapshotFiles.isEmpty)
        let files = rig.segmentFiles.filter { !rig.commits(of: $0.name).isEmpty }
        #expect(files.count == 4)
        // The one with the stream in it: the rest cannot be understood.
        let first = try #require(self.refusal(rig.disk.copy { $0[files[0].name] = nil }))
        #expect(first.contains("nothing was touched"))
        // One with records only.
        let again = try LogRig(rig.disk.copy { $0[files[1].name] = nil })
        #expect(!again.report.damaged.isEmpty)
        #expect(again.report.lines.contains { $0.hasPrefix("damaged: ") })
        let reading = again.read(ref)
        #expect(reading.inOrder == ["0", "2", "3"])
        #expect(reading.missed == 1)
    }

    @Test func aCopyUnderAnotherNameStopsTheStart() throws {
        let (rig, _, _, names) = try self.written()
        let copy = "segment-00000099.log"
        #expect(
            self.refusal(rig.disk.copy { $0[copy] = $0[names[0]] })
                == "the data folder (simulated) cannot be opened: \(copy) belongs to another log or was renamed; "
                + "nothing was touched")
    }

    @Test func filesThatChangedTheirNamesStopTheStart() throws {
        let (rig, _, _, names) = try self.written()
        let sentence = try #require(
            self.refusal(
                rig.disk.copy { image in
                    (image[names[0]], image[names[1]]) = (image[names[1]], image[names[0]])
                }))
        #expect(
            sentence
                == "the data folder (simulated) cannot be opened: \(names[0]) belongs to another log or was renamed; "
                + "nothing was touched")
    }

    @Test func aFileOfAnotherLogStopsTheStart() throws {
        let (rig, _, _, names) = try self.written()
        let other = SimFileSystem()
        let (core, _) = try Recovery.run(
            other, LogRig.small, clock: ManualClock(), pool: BufferPool(keep: 1), start: .process(newLogID: 4711))
        #expect(core.logID == 4711)
        #expect(
            self.refusal(rig.disk.copy { $0[names[0]] = other.image[names[0]] })
                == "the data folder (simulated) cannot be opened: \(names[0]) belongs to another log or was renamed; "
                + "nothing was touched")
    }

    @Test func twoFilesInOnePlaceStopTheStart() throws {
        let (rig, _, _, names) = try self.written()
        let header = try #require(rig.segmentFiles.first?.header)
        let forged = SegmentHeader(
            logID: header.logID, file: 99, useCount: 1, order: header.order, size: header.size, term: header.term,
            cut: header.cut)
        let disk = rig.disk.copy { image in
            var bytes = image[names[0]] ?? []
            bytes.withUnsafeMutableBytes { raw in
                forged.write(to: raw)
                forged.write(to: UnsafeMutableRawBufferPointer(rebasing: raw[LogFormat.block...]))
            }
            image["segment-00000099.log"] = bytes
        }
        #expect(
            self.refusal(disk)
                == "the data folder (simulated) cannot be opened: \(names[0]) and segment-00000099.log claim the same "
                + "place in the log; nothing was touched")
    }

    @Test func segmentsWithoutAFormatFileStopTheStart() throws {
        let (rig, _, _, _) = try self.written()
        #expect(
            self.refusal(rig.disk.copy { $0[DataFolder.formatName] = nil })
                == "the data folder (simulated) holds segments but no weir.format: it is damaged, nothing was touched")
    }

    @Test func aFolderOfSomethingElseIsNotClaimed() throws {
        #expect(
            self.refusal(SimFileSystem(image: ["holiday.jpg": [1, 2, 3]]))
                == "(simulated) is not empty and holds no Weir data (holiday.jpg lies there): choose an empty folder")
    }

    @Test func aStrangeFileIsLeftAloneAndNamed() throws {
        let (rig, ref, texts, _) = try self.written()
        let again = try LogRig(rig.disk.copy { $0["notes.txt"] = [65] })
        #expect(again.report.lines.contains("notes.txt in the data folder is not Weir's: left alone"))
        #expect(again.read(ref).inOrder == texts)
        #expect(again.disk.image["notes.txt"] == [65])
    }
}
