// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirLog
import WeirModel

/// Which commits count, and what is damage.
extension Recovery {
    /// What stands behind a place where the history does not go on.
    private enum Following {
        /// Nothing that was acknowledged: the end of the log, or the history goes on in the next segment.
        case end
        /// Acknowledged commits are unreadable up to this offset, where one stands again (or where the file ends, or
        /// ended before it was cut short).
        case damage(next: Int)
        /// The segment itself is whole; acknowledged commits before it are gone with their file.
        case hole
    }

    /// Walks the segments in order and takes every commit that counts.
    mutating func replay(_ candidates: [Candidate], _ cuts: TermCuts) throws(FileError) {
        for (position, candidate) in candidates.enumerated() {
            if self.isDropped(candidate.header) {
                self.recycle(candidate)
            } else if try !self.takeFooter(of: candidate) {
                try self.scan(candidate, later: candidates[(position + 1)...], cuts)
            }
        }
        // Segments whose dropping was read later than themselves.
        for segment in self.segments where self.isDropped(segment.header) {
            segment.forgetShards()
            self.recyclable.append(
                .init(file: segment.header.file, useCount: segment.header.useCount, size: segment.size))
        }
        self.segments = self.segments.filter { !self.isDropped($0.header) }
    }

    private mutating func recycle(_ candidate: Candidate) {
        self.recyclable.append(
            .init(file: candidate.header.file, useCount: candidate.header.useCount, size: candidate.size))
    }

    /// Reads commit by commit. At something that is no commit: damage when a later commit proves that it was
    /// acknowledged, else the torn end of a term.
    private mutating func scan(
        _ candidate: Candidate, later: ArraySlice<Candidate>, _ cuts: TermCuts
    ) throws(FileError) {
        var scan = try candidate.scan(self.fileSystem)
        let segment = Segment(SegmentState(header: candidate.header, size: candidate.size))
        self.scanned = segment
        var offset = SegmentHeader.bytes
        var taken = 0
        reading: while true {
            if case .commit(let header, let bytes) = try scan.commit(at: offset), try self.counts(header, cuts) {
                try self.take(header, bytes, at: offset, in: segment)
                offset += header.paddedLength
                taken += 1
                continue
            }
            switch try self.whatFollows(offset, &scan, candidate, later, cuts) {
            case .end:
                try self.reportTorn(offset, candidate)
                break reading
            case .hole: self.noteHole(before: candidate, [candidate] + later)
            case .damage(let next):
                self.noteDamage(candidate, offset..<next)
                segment.state.damage()
                guard next < scan.size else { break reading }
                offset = next
            }
        }
        self.report.bytesRead += offset
        if scan.unreadableBytes > 0 {
            self.report.lines.append(
                "the disk does not give some blocks of \(candidate.name): what was acknowledged there is reported as "
                    + "damaged, the rest does not matter")
        }
        if taken == 0, !segment.isDamaged {
            // Prepared and never used, or void from its first commit on.
            self.recycle(candidate)
            return
        }
        if segment.isDamaged { segment.state.endDamaged(seen: self.seen) }
        segment.state.fill()
        self.segments.append(segment)
    }

    private mutating func noteDamage(_ candidate: Candidate, _ bytes: Range<Int>) {
        let range = DamagedRange(file: candidate.name, offset: bytes.lowerBound, length: bytes.count)
        self.reportDamage(
            range, "acknowledged commits are damaged or missing here",
            "damaged: \(range) held acknowledged commits; that range is refused, the rest served")
        self.chainBroken = true
        self.lost.pending += bytes.count
    }

    private mutating func noteHole(before candidate: Candidate, _ candidates: [Candidate]) {
        self.reportDamage(
            DamagedRange(file: candidate.name, offset: SegmentHeader.bytes, length: 0),
            "it does not follow \(self.last.lsn): acknowledged commits between are gone with their file",
            "acknowledged commits between \(self.last.lsn) and the beginning of \(candidate.name) are gone with their "
                + "file; the rest is served")
        self.chainBroken = true
        self.lost.pending += self.fileBytesMax(candidates)
    }

    /// Whether a whole commit belongs to the history: not void, and chained to what came before.
    private mutating func counts(_ header: CommitHeader, _ cuts: TermCuts) throws(FileError) -> Bool {
        self.highestLSN = max(self.highestLSN, header.lsn)
        if cuts.isVoid(header.lsn, term: header.term) { return false }
        if let snapshot = self.snapshotPoint, header.lsn <= snapshot.lsn {
            guard header.lsn < snapshot.lsn || header.point == snapshot else { return false }
            self.chainBroken = false
            // The snapshot knows what was lost.
            self.lost.pending = 0
            return true
        }
        guard self.chainBroken else { return header.previous == self.last }
        guard header.lsn > self.last.lsn else { return false }
        guard header.catalogVersion == self.catalog.version else {
            let lost = header.catalogVersion - min(header.catalogVersion, self.catalog.version)
            throw FileError(
                .io,
                "a damaged range held \(lost) changes of streams or shards "
                    + "(\(self.report.damaged.last?.description ?? "")); nothing was touched: restore a backup")
        }
        self.chainBroken = false
        self.lost.settle()
        return true
    }

    private mutating func reportTorn(_ offset: Int, _ candidate: Candidate) throws(FileError) {
        guard offset + LogFormat.block <= candidate.size else { return }
        let block = AlignedMemory(bytes: LogFormat.block)
        let file = try candidate.open(self.fileSystem)
        _ = try file.readAround(at: offset, into: block.raw)
        if try candidate.resemblesCommit(UnsafeRawBufferPointer(block.raw), at: offset, in: file) {
            self.report.torn.append(.init(file: candidate.name, offset: offset, length: LogFormat.block))
        }
        guard let header = try? CommitHeader(reading: UnsafeRawBufferPointer(block.raw)),
            header.logID == candidate.header.logID, header.useCount == candidate.header.useCount
        else { return }
        self.report.lines.append(
            "\(candidate.name) ends in a commit that was not acknowledged (\(header.lsn) at byte \(offset)): cut off")
    }

    /// Looks behind `offset` for proof that something was acknowledged there.
    private mutating func whatFollows(
        _ offset: Int, _ scan: inout SegmentScan, _ candidate: Candidate, _ later: ArraySlice<Candidate>,
        _ cuts: TermCuts
    ) throws(FileError) -> Following {
        let listed = self.expected.first { $0.use == candidate.use }
        let proof = LossProof(
            snapshot: self.snapshotPoint, seen: self.seen, last: self.last,
            isListed: self.snapshotPoint == nil || listed != nil, listedEnd: listed?.end ?? .none,
            isBeginning: offset == SegmentHeader.bytes)
        if proof.isExcluded { return .end }
        var firstWhole: Int?
        var position = offset + LogFormat.block
        // Where nothing before it was read but footers, the file before it may be gone: the segment itself is whole.
        if offset == SegmentHeader.bytes, !self.chainBroken,
            let first = try self.nextCommit(&scan, from: offset, before: position, cuts),
            first.header.lsn > self.last.lsn
        {
            firstWhole = offset
            if proof.isGiven(by: first.header) { return .hole }
            position = offset + first.header.paddedLength
        }
        while let found = try self.nextCommit(&scan, from: position, before: scan.size, cuts) {
            firstWhole = firstWhole ?? found.offset
            if proof.isGiven(by: found.header) {
                return firstWhole == offset ? .hole : .damage(next: firstWhole ?? 0)
            }
            position = found.offset + found.header.paddedLength
        }
        let footer = try SegmentFooter.read(
            from: candidate.open(self.fileSystem), useCount: candidate.header.useCount)
        // A file without a footer may have been cut short.
        let end = footer == nil ? max(scan.size, Int(clamping: candidate.header.size), offset) : scan.size
        let damage = firstWhole == offset ? Following.hole : .damage(next: firstWhole ?? end)
        // It is written when all commits of the segment are acknowledged.
        if let footer, proof.isGiven(by: footer), !cuts.isVoid(footer.last.lsn, term: candidate.header.term) {
            return damage
        }
        for candidate in later {
            if candidate.header.cut.lsn > max(self.seen, self.last.lsn), candidate.header.term > scan.header.term {
                return damage
            }
            switch try self.judge(candidate, proof, cuts) {
            case .nothingMissing: return .end
            case .missing: return damage
            case .open: continue
            }
        }
        return .end
    }

    /// What a later segment says of the place where the history does not go on.
    private mutating func judge(
        _ later: Candidate, _ proof: LossProof, _ cuts: TermCuts
    ) throws(FileError) -> LossProof.Verdict {
        var scan = try later.scan(self.fileSystem)
        // What is damaged at its start is not longer than a commit.
        let limit = min(scan.size, SegmentHeader.bytes + LogFormat.commitBytesMax + LogFormat.block)
        guard var found = try self.nextCommit(&scan, from: SegmentHeader.bytes, before: limit, cuts) else {
            return .open
        }
        let verdict = proof.judge(
            laterSegmentWith: found.header, atBeginning: found.offset == SegmentHeader.bytes)
        if verdict == .nothingMissing { return verdict }
        while !proof.isGiven(by: found.header) {
            let behind = found.offset + found.header.paddedLength
            guard let more = try self.nextCommit(&scan, from: behind, before: scan.size, cuts) else { return .open }
            found = more
        }
        return .missing
    }

    /// The next whole commit that is not void and lies above all that was seen, from `start` on.
    private mutating func nextCommit(
        _ scan: inout SegmentScan, from start: Int, before end: Int, _ cuts: TermCuts
    ) throws(FileError) -> (offset: Int, header: CommitHeader)? {
        var position = start
        while position < end {
            guard case .commit(let header, _) = try scan.commit(at: position) else {
                position += LogFormat.block
                continue
            }
            self.highestLSN = max(self.highestLSN, header.lsn)
            if !cuts.isVoid(header.lsn, term: header.term), header.lsn > self.seen { return (position, header) }
            position += header.paddedLength
        }
        return nil
    }
}
