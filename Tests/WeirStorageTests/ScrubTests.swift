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
}
