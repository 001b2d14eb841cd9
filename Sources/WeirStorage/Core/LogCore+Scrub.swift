// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirLog

/// A start reads no older segment than it must. What it did not read is looked at afterwards, a little at a time, so
/// that an operator hears of damage before a reader meets it. Damage found so is only told and counted: each read
/// verifies what it reads, and passes over what is damaged.
package struct ScrubPiece {
    let segment: Segment
    let offset: Int
    let end: Int
}

extension LogCore {
    /// The next piece of an old segment that nobody has verified since the start; its segment is pinned until
    /// `scrubbed`.
    package func takeScrub() -> ScrubPiece? {
        guard case .serving = self.state else { return nil }
        guard let next = self.upkeep.scrub.next(end: { self.segment(order: $0)?.durableEnd }),
            let segment = self.segment(order: next.order)
        else { return nil }
        segment.pins += 1
        return ScrubPiece(segment: segment, offset: next.offset, end: next.end)
    }

    /// Everything before `next` was looked at.
    package func scrubbed(_ piece: ScrubPiece, next: Int, damage: [Range<Int>]) {
        piece.segment.pins -= 1
        for bytes in damage { _ = piece.segment.damagedBytes.note(bytes) }
        self.upkeep.scrub.verified(piece.segment.header.order, next: next)
    }
}

/// Verifies pieces, of one segment after the other.
package struct Scrubber {
    /// Bytes of one piece, unless a single commit is longer.
    static let pieceBytes = 1 << 20
    /// Of one use of a file: the file may be written anew before the next piece is looked at.
    private var scan: (header: SegmentHeader, SegmentScan)?

    package init() {}

    /// Looks at a piece. Returns where the next one begins, and ranges in which no whole commit stands.
    package mutating func verify(
        _ piece: ScrubPiece, _ fileSystem: any FileSystem
    ) throws(FileError) -> (next: Int, damage: [Range<Int>]) {
        let header = piece.segment.header
        if self.scan?.header != header {
            let file = try fileSystem.open(Segment.fileName(header.file), .readDisk)
            self.scan = (header, SegmentScan(header: header, file: file))
        }
        guard var scan = self.scan?.1 else { return (piece.end, []) }
        defer { self.scan = (header, scan) }
        var offset = piece.offset
        var damage: [Range<Int>] = []
        var damaged: Int?
        while offset < piece.end, offset - piece.offset < Self.pieceBytes || damaged != nil {
            if case .commit(let commit, _) = try scan.commit(at: offset) {
                if let start = damaged { damage.append(start..<offset) }
                damaged = nil
                offset += commit.paddedLength
            } else {
                damaged = damaged ?? offset
                offset += LogFormat.block
            }
        }
        if let start = damaged { damage.append(start..<piece.end) }
        if offset >= piece.end { self.scan = nil }
        return (offset, damage)
    }
}
