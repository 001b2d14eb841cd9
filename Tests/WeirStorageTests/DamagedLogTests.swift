// SPDX-License-Identifier: Apache-2.0
import CWeir
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Bits that turned on the disk: what they hit is refused and named, everything else is served.
@Suite struct DamagedLogTests {
    /// Full segments, which the snapshots cover, and an unfinished one above them. All acknowledged, and provably.
    private struct Written {
        let rig: LogRig
        let ref: ShardRef
        let texts: [String]
        /// Commits that no snapshot covers, with the indexes of their records.
        var recent: [(file: String, offset: Int, header: CommitHeader, indexes: Range<UInt64>)] = []

        init() throws {
            self.rig = try LogRig()
            self.ref = try self.rig.create()
            var texts = try self.rig.fill(segments: 8, to: self.ref)
            let end = UInt64(texts.count)
            let covered = try #require(self.rig.core.snapshots.kept.last?.lsn)
            for number in 0..<5 {
                let text = "recent \(number)"
                try self.rig.put([text], to: self.ref)
                texts.append(text)
            }
            try self.rig.closeIdle()
            self.texts = texts
            // The recent ones lie one in a commit, at the end.
            let name = try #require(self.rig.segmentFiles.last { !self.rig.commits(of: $0.name).isEmpty }?.name)
            let commits = self.rig.commits(of: name).filter { $0.header.lsn > covered }
            let contents = commits.indices.filter { commits[$0].header.batchCount > 0 }.suffix(5)
            for (position, commit) in commits.enumerated() {
                let place = contents.firstIndex(of: position).map { UInt64($0 - contents.startIndex) }
                guard let first = contents.first, position >= first else { continue }
                let start = place.map { end + $0 } ?? 0
                self.recent.append((name, commit.offset, commit.header, start..<start + (place == nil ? 0 : 1)))
            }
        }
    }

    @Test func aDamagedCommitIsRefusedAndTheRestServed() throws {
        let written = try Written()
        try #require(written.recent.count { !$0.indexes.isEmpty } == 5)
        let lastContent = try #require(written.recent.last { !$0.indexes.isEmpty }?.offset)
        var played = 0
        for commit in written.recent.dropLast() {
            // In the magic, the numbers, the checksum, the lengths, the batches, the padding.
            for position in [0, 25, 45, 58, 130, 4000] {
                let disk = written.rig.disk.copy {
                    $0[commit.file]?[commit.offset + position] ^= 1 << UInt8(position % 8)
                }
                let again = try LogRig(disk)
                let range = DamagedRange(file: commit.file, offset: commit.offset, length: commit.header.paddedLength)
                #expect(again.report.damaged == [range])
                #expect(
                    again.report.lines.contains(
                        "damaged: \(range) held acknowledged commits; that range is refused, the rest served"))
                let reading = again.read(written.ref)
                let kept = written.texts.enumerated().filter { !commit.indexes.contains(UInt64($0.offset)) }
                #expect(reading.inOrder == kept.map(\.element))
                if commit.offset < lastContent { #expect(reading.missed == UInt64(commit.indexes.count)) }
                if commit.offset == lastContent { #expect(reading.missed >= 1) }
                // It goes on above all that may have been there, and says the same the next time.
                let next = try again.put(["later"], to: written.ref).firstIndex
                #expect(next >= UInt64(written.texts.count))
                try again.restart()
                #expect(again.read(written.ref).inOrder == kept.map(\.element) + ["later"])
                played += 1
            }
        }
        #expect(played >= 30)
    }

    @Test func aDamagedBatchOfAnOldSegmentIsPassedOverAndNamed() throws {
        let written = try Written()
        let name = try #require(written.rig.segmentFiles.first?.name)
        let commit = try #require(written.rig.commits(of: name).last { $0.header.batchCount > 0 })
        let disk = written.rig.disk.copy { $0[name]?[commit.offset + 1000] ^= 4 }
        let again = try LogRig(disk)
        // Covered by a snapshot and its footer: a start does not look into it.
        #expect(again.report.damaged.isEmpty)
        let reading = again.read(written.ref, maxBytes: 1)
        #expect(reading.error == nil)
        #expect(reading.missed == 1)
        #expect(reading.inOrder.count == written.texts.count - 1)
        // Before it and behind it everything is there.
        let index = try #require((0..<UInt64(written.texts.count)).first { reading.texts[$0] == nil })
        #expect(reading.inOrder == Array(written.texts[..<Int(index)] + written.texts[(Int(index) + 1)...]))
        let offset = commit.offset + CommitHeader.bytes + commit.header.eventsLength
        #expect(
            again.core.foundDamage
                == [DamagedRange(file: name, offset: offset, length: commit.header.batchesLength)])
    }

    @Test func damagedChangesOfStreamsStopTheStartAndTouchNothing() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.put(["one"], to: ref)
        try rig.closeIdle()
        let name = try #require(rig.segmentFiles.first?.name)
        let disk = rig.disk.copy { $0[name]?[SegmentHeader.bytes + 140] ^= 1 }
        let before = disk.image
        let error = #expect(throws: StorageError.self) { try LogRig(disk) }
        #expect(
            error?.message
                == "the data folder (simulated) cannot be opened: a damaged range held 1 changes of streams or shards "
                + "(\(name), bytes 8192..<12288); nothing was touched: restore a backup")
        #expect(disk.image == before)
    }

    @Test func aDamagedFooterIsMadeAgainFromItsSegment() throws {
        let written = try Written()
        let file = try #require(written.rig.segmentFiles.first)
        let disk = written.rig.disk.copy { $0[file.name]?[Int(file.header.size) - LogFormat.block + 20] ^= 1 }
        let again = try LogRig(disk)
        #expect(again.report.damaged.isEmpty)
        #expect(again.read(written.ref).inOrder == written.texts)
    }

    @Test func aDamagedSnapshotIsNamedAndTheOlderOneTaken() throws {
        let written = try Written()
        let names = written.rig.snapshotFiles
        #expect(names.count == 2)
        for damaged in [[names[1]], [names[0]], names] {
            let disk = written.rig.disk.copy { image in for name in damaged { image[name]?[60] ^= 1 } }
            let again = try LogRig(disk)
            for name in damaged {
                #expect(
                    again.report.lines.contains("snapshot \(name) cannot be used: its checksum does not match"))
            }
            #expect(again.report.damaged.map(\.file).sorted() == damaged)
            #expect(again.read(written.ref).inOrder == written.texts)
        }
    }

    @Test func oneHeaderOfASegmentIsEnough() throws {
        let written = try Written()
        for file in written.rig.segmentFiles {
            for copy in [0, 1] {
                let disk = written.rig.disk.copy { $0[file.name]?[copy * LogFormat.block + 50] ^= 1 }
                let again = try LogRig(disk)
                #expect(again.report.damaged.isEmpty)
                #expect(again.read(written.ref).inOrder == written.texts)
            }
        }
    }

    @Test func aSegmentWithoutAHeaderIsLeftAloneAndMissed() throws {
        let written = try Written()
        let file = try #require(written.rig.segmentFiles.dropFirst().first)
        let disk = written.rig.disk.copy {
            $0[file.name]?[50] ^= 1
            $0[file.name]?[LogFormat.block + 50] ^= 1
            // Nor does the first commit say what they said.
            $0[file.name]?[SegmentHeader.bytes + 50] ^= 1
        }
        let before = try #require(disk.image[file.name])
        let again = try LogRig(disk)
        #expect(
            again.report.lines.contains("both headers of \(file.name) are damaged: the segment is left alone"))
        let reading = again.read(written.ref)
        #expect(reading.error == nil)
        #expect(reading.missed > 5)
        #expect(reading.inOrder.count + Int(reading.missed) == written.texts.count)
        try again.put(["later"], to: written.ref)
        #expect(again.read(written.ref).inOrder == reading.inOrder + ["later"])
        #expect(disk.image[file.name] == before)
    }

    @Test func aLogThatWasCutBeforeItsSnapshotSaysSo() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        let texts = (0..<6).map { "text \($0)" }
        for text in texts { try rig.put([text], to: ref) }
        try rig.stop()
        let covered = try #require(rig.core.snapshots.kept.last?.lsn)
        let name = try #require(rig.segmentFiles.last { !rig.commits(of: $0.name).isEmpty }?.name)
        let commits = rig.commits(of: name).filter { $0.header.lsn <= covered && $0.header.batchCount > 0 }
        let cuts = commits.map(\.offset)
        #expect(cuts.count >= 6)
        for cut in cuts.flatMap({ [$0, $0 + 1904] }) {
            let disk = rig.disk.copy { image in image[name] = image[name].map { Array($0.prefix(cut)) } }
            let again = try LogRig(disk)
            #expect(again.report.damaged == [DamagedRange(file: name, offset: 0, length: 0)])
            #expect(again.report.lines.contains { $0.hasPrefix("\(name) ends at commit ") }, "cut at \(cut)")
            let reading = again.read(ref)
            #expect(reading.error == nil)
            #expect(texts.starts(with: reading.inOrder))
            #expect(reading.inOrder.count < texts.count)
            #expect(reading.inOrder.count + Int(reading.missed) >= texts.count)
            #expect(try again.put(["later"], to: ref).firstIndex >= UInt64(texts.count))
            try again.restart()
            #expect(again.read(ref).inOrder == reading.inOrder + ["later"])
        }
    }

    /// A format file with a right checksum over these lines.
    private static func formatFile(_ body: String) -> [UInt8] {
        let bytes = Array(body.utf8)
        return bytes
            + Array("checksum \(bytes.withUnsafeBufferPointer { weir_crc32c(0, $0.baseAddress, $0.count) })\n".utf8)
    }

    @Test func aFormatFileOfAnotherVersionStopsTheStart() throws {
        let written = try Written()
        let disk = written.rig.disk.copy { image in
            image[DataFolder.formatName] = Self.formatFile("weir data folder\nformat 3\nlog 1\n")
        }
        let before = disk.image
        let error = #expect(throws: StorageError.self) { try LogRig(disk) }
        #expect(disk.image == before)
        #expect(
            error?.message
                == "the data folder (simulated) has format 3, this program reads formats 1 to 2: "
                + "use the version of weir that wrote it")
    }

    /// Every header of a segment holds the same facts.
    @Test func aFormatFileThatIsDamagedIsWrittenAgainFromTheSegments() throws {
        let written = try Written()
        let name = DataFolder.formatName
        let whole = try #require(written.rig.disk.image[name])
        let reading = written.rig.read(written.ref)
        var damaged: [[UInt8]] = [[], Array(whole.dropLast()), whole + [10], Array("weir".utf8)]
        for bit in 0..<whole.count * 8 {
            var bytes = whole
            bytes[bit / 8] ^= 1 << (bit % 8)
            damaged.append(bytes)
        }
        for bytes in damaged {
            let disk = written.rig.disk.copy { $0[name] = bytes }
            let rig = try LogRig(disk)
            #expect(disk.image[name] == whole)
            #expect(rig.report.lines.contains { $0.contains("written again from the headers") })
            #expect(rig.read(written.ref) == reading)
        }
    }

    @Test func aFormatFileThatIsDamagedIsNotGuessed() throws {
        let written = try Written()
        // The segments are of two logs.
        let other = try LogRig(logID: 78)
        let names = written.rig.disk.image.keys.filter { $0.hasPrefix("segment-") }.sorted()
        let shared = try #require(names.first { other.disk.image[$0] != nil })
        let mixed = written.rig.disk.copy { image in
            image[DataFolder.formatName] = []
            image[shared] = other.disk.image[shared]
        }
        #expect(throws: StorageError.self) { try LogRig(mixed) }
        // No header is whole.
        let blank = written.rig.disk.copy { image in
            image[DataFolder.formatName] = []
            for name in names {
                image[name]?.replaceSubrange(
                    0..<SegmentHeader.bytes, with: repeatElement(0xee, count: SegmentHeader.bytes))
            }
        }
        let error = #expect(throws: StorageError.self) { try LogRig(blank) }
        #expect(error?.message.contains("no segment header is whole") == true)
    }

    /// A block that cannot be read is no commit: damage where something was acknowledged, nothing anywhere else.
    @Test func aBlockThatCannotBeReadStopsNoStart() throws {
        let written = try Written()
        let reading = written.rig.read(written.ref)
        for (name, bytes) in written.rig.disk.image.sorted(by: { $0.key < $1.key }) {
            for block in 0..<max(1, bytes.count / LogFormat.block) {
                let disk = written.rig.disk.copy { _ in }
                disk.decideFaults { operation in
                    guard case .read(name, let offset, let bytes) = operation else { return nil }
                    let bad = block * LogFormat.block
                    return offset < bad + LogFormat.block && bad < offset + bytes ? .failed : nil
                }
                let rig = try LogRig(disk)
                disk.decideFaults(nil)
                let after = rig.read(written.ref)
                // What is not there is told: by the reader's count, or as damage at the start.
                #expect(after.texts.count + Int(after.missed) >= reading.texts.count || !rig.report.damaged.isEmpty)
                for (index, text) in after.texts { #expect(reading.texts[index] == text) }
            }
        }
    }
}
