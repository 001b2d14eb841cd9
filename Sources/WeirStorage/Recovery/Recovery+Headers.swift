// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirLog
import WeirModel

/// Segments of which both header copies are damaged. Nearly all that a header says, the commits behind it say too.
extension Recovery {
    /// Such a segment.
    struct Headless {
        let file: UInt64
        let size: Int
        var name: String { Segment.fileName(self.file) }
    }

    /// Takes each segment whose header can be told with certainty to `candidates`, and reports the others as damage.
    mutating func rebuildHeaders(
        of headless: [Headless], _ candidates: inout [Candidate], logID: UInt64
    ) throws(FileError) {
        guard !headless.isEmpty else { return }
        var firsts: [UInt64: LSN] = [:]
        for candidate in candidates {
            firsts[candidate.header.order] = try self.firstLSN(of: candidate)
        }
        var readable: [(segment: Headless, first: CommitHeader)] = []
        for segment in headless {
            if let first = try self.firstCommit(of: segment, logID: logID) {
                readable.append((segment, first))
            } else {
                self.reportHeadless(segment)
            }
        }
        // In the order of the log, so that each finds its place behind the one before.
        for (segment, first) in readable.sorted(by: { $0.first.lsn < $1.first.lsn }) {
            guard let header = Self.header(of: segment, beginningWith: first, among: candidates, firsts) else {
                self.reportHeadless(segment)
                continue
            }
            firsts[header.order] = first.lsn
            candidates.append(Candidate(header: header, size: segment.size))
            self.report.rebuilt.append(header)
        }
    }

    private static let headless = "both headers are damaged"

    private mutating func reportHeadless(_ segment: Headless) {
        self.reportDamage(
            .init(file: segment.name, offset: 0, length: SegmentHeader.bytes), Self.headless,
            "both headers of \(segment.name) are damaged: the segment is left alone")
    }

    /// The header as the first commit and the other segments have it; `nil` when they leave something open.
    private static func header(
        of segment: Headless, beginningWith first: CommitHeader, among candidates: [Candidate], _ firsts: [UInt64: LSN]
    ) -> SegmentHeader? {
        let cut: CommitPoint
        if let sibling = candidates.first(where: { $0.header.term == first.term }) {
            cut = sibling.header.cut
        } else if first.previous.lsn.next < first.lsn {
            // Numbers leave a gap where a term begins: its first commit names the last one before it.
            cut = first.previous
        } else {
            return nil
        }
        // Another one begins with the same number: an earlier start went on without this one.
        guard !firsts.values.contains(first.lsn) else { return nil }
        // A place that no other segment has, behind those with earlier commits. Its own was one.
        var order = UInt64(1)
        for (other, lsn) in firsts where lsn < first.lsn { order = max(order, other + 1) }
        let taken = Set(candidates.map(\.header.order))
        while taken.contains(order) { order += 1 }
        guard !firsts.contains(where: { $0.value > first.lsn && $0.key < order }) else { return nil }
        return SegmentHeader(
            logID: first.logID, file: segment.file, useCount: first.useCount, order: order, size: UInt64(segment.size),
            term: first.term, cut: cut, trustedMillis: first.trustedMillis)
    }

    /// The commit at the beginning of the segment, when it is whole: the newest use of the file began with it.
    private func firstCommit(of segment: Headless, logID: UInt64) throws(FileError) -> CommitHeader? {
        let file = try self.fileSystem.open(segment.name, .readDisk)
        let block = AlignedMemory(bytes: LogFormat.block)
        guard segment.size >= SegmentHeader.bytes + LogFormat.block else { return nil }
        _ = try file.readAround(at: SegmentHeader.bytes, into: block.raw)
        guard let head = try? CommitHeader(reading: UnsafeRawBufferPointer(block.raw)), head.logID == logID else {
            return nil
        }
        let header = SegmentHeader(
            logID: logID, file: segment.file, useCount: head.useCount, order: 0, size: UInt64(segment.size),
            term: head.term, cut: .origin)
        var scan = SegmentScan(header: header, file: file)
        guard case .commit(let commit, _) = try scan.commit(at: SegmentHeader.bytes) else { return nil }
        return commit
    }

    /// The number of the first whole commit of a segment; `nil` when it seems to hold none.
    private func firstLSN(of candidate: Candidate) throws(FileError) -> LSN? {
        var scan = try candidate.scan(self.fileSystem)
        // What is damaged at its start is not longer than a commit.
        let end = min(scan.size, SegmentHeader.bytes + LogFormat.commitBytesMax + LogFormat.block)
        for offset in stride(from: SegmentHeader.bytes, to: end, by: LogFormat.block) {
            if case .commit(let header, _) = try scan.commit(at: offset) { return header.lsn }
        }
        return nil
    }

    /// Writes both copies again, so that the next start need not guess. Where the disk does not take them, the next
    /// start guesses again, and this one goes on.
    mutating func writeRebuiltHeaders() {
        // The place of one that is left alone is not known, and may be the one that was told here.
        let isCertain = !self.report.found.contains { $0.problem == Self.headless }
        for header in self.report.rebuilt {
            let name = Segment.fileName(header.file)
            guard isCertain else {
                self.report.lines.append(
                    "both headers of \(name) are damaged; they are known from its commits, and are written again when "
                        + "no other segment lacks both")
                continue
            }
            do throws(FileError) {
                try self.write(header, to: name)
                self.report.lines.append(
                    "both headers of \(name) were damaged; they were written again from its commits")
            } catch {
                self.report.lines.append(
                    "both headers of \(name) are damaged; they are known from its commits, and could not be written "
                        + "again: \(error)")
            }
        }
    }

    private func write(_ header: SegmentHeader, to name: String) throws(FileError) {
        let file = try self.fileSystem.open(name, .log)
        let block = AlignedMemory(bytes: LogFormat.block)
        header.write(to: block.raw)
        for copy in [0, LogFormat.block] {
            try file.write(UnsafeRawBufferPointer(block.raw), at: copy)
            try file.sync()
        }
    }
}
