// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// What a start did not read is verified afterwards, piece by piece.
@Suite struct ScrubTests {
    private func scrub(_ rig: LogRig) throws -> (pieces: Int, damage: [String: [Range<Int>]]) {
        var scrubber = Scrubber()
        var pieces = 0
        var damage: [String: [Range<Int>]] = [:]
        while let piece = rig.core.takeScrub() {
            pieces += 1
            try #require(pieces < 10_000)
            let found = try scrubber.verify(piece, rig.disk)
            if !found.damage.isEmpty {
                damage[Segment.fileName(piece.segment.header.file), default: []] += found.damage
            }
            rig.core.scrubbed(piece, next: found.next, damage: found.damage)
            #expect(piece.segment.pins == 0)
        }
        return (pieces, damage)
    }

    @Test func aFlippedBitInAnOldSegmentIsFoundAfterTheStart() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.fill(segments: 8, to: ref)
        try rig.closeIdle()
        let whole = try self.scrub(try LogRig(rig.disk.copy { _ in }))
        #expect(whole.pieces >= 4, "the start reads only the footers of most segments")
        #expect(whole.damage.isEmpty)
        let name = try #require(rig.segmentFiles.first?.name)
        let commits = rig.commits(of: name)
        let target = try #require(commits.dropFirst(commits.count / 2).first)
        let again = try LogRig(rig.disk.copy { $0[name]?[target.offset + 200] ^= 4 })
        #expect(again.report.damaged.isEmpty, "the start has not read it")
        let found = try self.scrub(again)
        #expect(found.damage == [name: [target.offset..<target.offset + target.header.paddedLength]])
        #expect(again.core.takeScrub() == nil, "once")
        #expect(
            again.core.foundDamage
                == [DamagedRange(file: name, offset: target.offset, length: target.header.paddedLength)])
    }

    /// A file that is written anew between two pieces is another segment: what the scrubber knew of it counts for
    /// nothing.
    @Test func aFileThatIsUsedAgainBetweenTwoPiecesIsLookedAtAnew() throws {
        var configuration = LogRig.small
        configuration.segmentBytesMin = 3 << 20
        configuration.segmentBytesMax = 3 << 20
        let rig = try LogRig(configuration: configuration)
        let old = try rig.create("old")
        let filler = String(repeating: "x", count: 200_000)
        while rig.core.files.nextOrder < 5 { try rig.put([filler], to: old) }
        try rig.settle()
        let first = try #require(rig.core.segments.first)
        let number = first.header.file
        var scrubber = Scrubber()
        let piece = ScrubPiece(segment: first, offset: SegmentHeader.bytes, end: first.durableEnd)
        let found = try scrubber.verify(piece, rig.disk)
        try #require(found.next < piece.end, "the first piece of more")
        #expect(found.damage.isEmpty)
        // Its records go, and the file is used again.
        let new = try rig.create("new")
        try rig.submit(.deleteStream(old.stream))
        var again: Segment?
        for _ in 0..<150 where again == nil {
            try rig.put([filler + filler], to: new)
            rig.core.snapshots.demand()
            rig.clock.advance(millis: 1_000)
            try rig.retain()
            again = rig.core.segments.first { $0.header.file == number && $0.durableEnd > 1 << 20 }
        }
        let segment = try #require(again, "the file is used again")
        #expect(segment.header.useCount > first.header.useCount)
        let anew = ScrubPiece(segment: segment, offset: SegmentHeader.bytes, end: segment.durableEnd)
        // What it still has in memory is of the use before, and whole.
        let name = Segment.fileName(number)
        let target = try #require(rig.commits(of: name).dropFirst().first)
        let damaged = rig.disk.copy { $0[name]?[target.offset + 200] ^= 4 }
        let range = target.offset..<target.offset + target.header.paddedLength
        var fresh = scrubber
        #expect(try fresh.verify(anew, damaged).damage == [range])
        #expect(try scrubber.verify(anew, rig.disk).damage.isEmpty)
    }
}
