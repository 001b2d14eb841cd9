// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

extension Recovery {
    /// Walks the segments in order and takes every commit that counts.
    mutating func replay(_ candidates: [Candidate], _ cuts: TermCuts) throws(FileError) {
        for (position, candidate) in candidates.enumerated() {
            let id = SnapshotFile.Dropped(file: candidate.header.file, useCount: candidate.header.useCount)
            if self.dropped.contains(id) {
                self.recycle(candidate)
                continue
            }
            if try self.takeFooter(of: candidate) { continue }
            try self.scan(candidate, later: candidates[(position + 1)...], cuts)
        }
        // Segments whose dropping was read later than themselves.
        for segment in self.segments {
            let id = SnapshotFile.Dropped(file: segment.header.file, useCount: segment.header.useCount)
            guard self.dropped.contains(id) else { continue }
            for shard in self.shards.values { shard.runs.removeAll { $0.segment === segment } }
            for shard in segment.currentShards where shard.currentSegment === segment {
                shard.currentSegment = nil
                shard.current = ShardIndex()
            }
            self.recyclable.append(
                .init(file: segment.header.file, useCount: segment.header.useCount, size: segment.size))
        }
        self.segments.removeAll { segment in
            self.dropped.contains(.init(file: segment.header.file, useCount: segment.header.useCount))
        }
    }

    private mutating func recycle(_ candidate: Candidate) {
        self.recyclable.append(
            .init(file: candidate.header.file, useCount: candidate.header.useCount, size: candidate.file.size))
    }

    /// A full segment that the snapshot covers needs only its footer.
    private mutating func takeFooter(of candidate: Candidate) throws(FileError) -> Bool {
        guard let snapshot = self.snapshotPoint,
            let footer = try SegmentFooter.read(from: candidate.file, useCount: candidate.header.useCount),
            footer.last.lsn <= snapshot.lsn
        else { return false }
        let segment = try self.segment(candidate)
        for shard in footer.shards {
            let ref = ShardRef(stream: shard.stream, shard: shard.shard)
            var share = segment.streams[ref.stream] ?? Segment.StreamShare()
            share.bytes += shard.index.bytes
            share.lastArrivalMillis = max(share.lastArrivalMillis, shard.index.lastArrivalMillis)
            segment.streams[ref.stream] = share
            segment.plannedEntries += shard.index.entries.count
            guard let state = self.shards[ref] else { continue }
            state.runs.append(
                .init(
                    segment: segment, firstIndex: shard.index.firstIndex, endIndex: shard.index.endIndex,
                    lastArrivalMillis: shard.index.lastArrivalMillis))
            state.lastArrivalMillis = max(state.lastArrivalMillis, shard.index.lastArrivalMillis)
        }
        segment.firstPrevious = footer.firstPrevious
        segment.last = footer.last
        segment.durableEnd = Int(clamping: footer.endOffset)
        segment.plannedEnd = segment.durableEnd
        segment.acknowledged = footer.acknowledged
        segment.timeMillis = footer.timeMillis
        segment.footerWritten = true
        self.highestLSN = max(self.highestLSN, footer.last.lsn)
        self.seen = max(self.seen, footer.last.lsn)
        self.segments.append(segment)
        return true
    }

    private func segment(_ candidate: Candidate) throws(FileError) -> Segment {
        Segment(
            header: candidate.header,
            file: try self.fileSystem.open(Segment.fileName(candidate.header.file), .log))
    }

    /// Reads commit by commit. At something that is no commit: damage when a later commit proves that it was
    /// acknowledged, else the torn end of a term.
    private mutating func scan(
        _ candidate: Candidate, later: ArraySlice<Candidate>, _ cuts: TermCuts
    ) throws(FileError) {
        var scan = SegmentScan(header: candidate.header, file: candidate.file)
        let segment = try self.segment(candidate)
        var offset = SegmentHeader.bytes
        var taken = 0
        reading: while true {
            if case .commit(let header, let bytes) = try scan.commit(at: offset), try self.counts(header, cuts) {
                self.highestLSN = max(self.highestLSN, header.lsn)
                try self.take(header, bytes, at: offset, in: segment)
                offset += header.paddedLength
                taken += 1
                continue
            }
            switch try self.whatFollows(offset, &scan, candidate, later, cuts) {
            case .end:
                try self.reportTorn(offset, candidate)
                break reading
            case .damage(let next):
                let range = DamagedRange(
                    file: Segment.fileName(candidate.header.file), offset: offset, length: next - offset)
                self.report.damaged.append(range)
                self.report.lines.append(
                    "damaged: \(range) held acknowledged commits; that range is refused, the rest served")
                guard next < scan.size else { break reading }
                offset = next
                self.chainBroken = true
            }
        }
        self.report.bytesRead += offset
        if taken == 0 {
            // Prepared and never used, or void from its first commit on.
            self.recycle(candidate)
            return
        }
        segment.closed = true
        self.segments.append(segment)
    }

    /// Whether a whole commit belongs to the history: not void, and chained to what came before.
    private mutating func counts(_ header: CommitHeader, _ cuts: TermCuts) throws(FileError) -> Bool {
        if cuts.isVoid(header.lsn, term: header.term) {
            self.highestLSN = max(self.highestLSN, header.lsn)
            return false
        }
        if let snapshot = self.snapshotPoint, header.lsn <= snapshot.lsn {
            guard header.lsn < snapshot.lsn || header.point == snapshot else { return false }
            self.chainBroken = false
            return true
        }
        if self.chainBroken {
            self.chainBroken = false
            guard header.catalogVersion == self.catalog.version else {
                let lost = header.catalogVersion - min(header.catalogVersion, self.catalog.version)
                let range = self.report.damaged.last?.description ?? ""
                throw FileError(
                    .io,
                    "a damaged range held \(lost) changes of streams or shards (\(range)); nothing was touched: "
                        + "restore a backup")
            }
            return header.lsn > self.last.lsn
        }
        return header.previous == self.last
    }

    private mutating func reportTorn(_ offset: Int, _ candidate: Candidate) throws(FileError) {
        guard offset + LogFormat.block <= candidate.file.size else { return }
        let block = AlignedMemory(bytes: LogFormat.block)
        _ = try candidate.file.read(at: offset, into: block.raw)
        guard let header = try? CommitHeader(reading: UnsafeRawBufferPointer(block.raw)),
            header.logID == candidate.header.logID, header.useCount == candidate.header.useCount
        else { return }
        self.report.lines.append(
            "\(Segment.fileName(candidate.header.file)) ends in a commit that was not acknowledged "
                + "(\(header.lsn) at byte \(offset)): cut off")
    }

    private enum Following {
        case end
        /// Acknowledged commits are unreadable up to this offset, where a commit stands again (or the end of the file).
        case damage(next: Int)
    }

    /// Looks for proof behind `offset`: a valid commit that names an acknowledged LSN above the last one that was read.
    private mutating func whatFollows(
        _ offset: Int, _ scan: inout SegmentScan, _ candidate: Candidate, _ later: ArraySlice<Candidate>,
        _ cuts: TermCuts
    ) throws(FileError) -> Following {
        var position = offset + LogFormat.block
        var firstWhole: Int?
        while position < scan.size {
            guard case .commit(let header, _) = try scan.commit(at: position) else {
                position += LogFormat.block
                continue
            }
            self.highestLSN = max(self.highestLSN, header.lsn)
            if !cuts.isVoid(header.lsn, term: header.term), header.lsn > self.seen {
                firstWhole = firstWhole ?? position
                if self.provesLoss(header), let first = firstWhole { return .damage(next: first) }
            }
            position += header.paddedLength
        }
        let known = max(self.seen, self.last.lsn)
        for next in later {
            if next.header.cut.lsn > known, next.header.term > candidate.header.term { return .damage(next: scan.size) }
            var other = SegmentScan(header: next.header, file: next.file)
            guard case .commit(let header, _) = try other.commit(at: SegmentHeader.bytes) else { continue }
            if cuts.isVoid(header.lsn, term: header.term) { continue }
            // The first whole commit behind: either the chain goes on there, or something between is gone.
            if header.previous == self.last || header.previous.lsn <= self.seen { return .end }
            return self.provesLoss(header) ? .damage(next: scan.size) : .end
        }
        return .end
    }

    /// Whether a commit says that something above what was seen had been acknowledged. What a snapshot covers was.
    private func provesLoss(_ header: CommitHeader) -> Bool {
        let covered = self.snapshotPoint?.lsn ?? .none
        return header.lsn <= covered || header.acknowledged > max(self.seen, covered)
    }

    /// Replays a commit that counts.
    private mutating func take(
        _ header: CommitHeader, _ bytes: UnsafeRawBufferPointer, at offset: Int, in segment: Segment
    ) throws(FileError) {
        let replays = self.snapshotPoint.map { header.lsn > $0.lsn } ?? true
        if replays {
            try self.applyEvents(header, bytes)
            self.last = header.point
            self.lastMillis = max(self.lastMillis, header.timeMillis)
            self.report.commitsReplayed += 1
        }
        self.seen = max(self.seen, header.lsn)
        self.proven = max(self.proven, header.acknowledged)
        self.unproven.removeAll { $0.lsn <= self.proven }
        self.unproven.append((segment, offset, header.paddedLength, header.lsn))
        try self.indexBatches(header, bytes, at: offset, in: segment, replays: replays)
        if segment.durableEnd == SegmentHeader.bytes { segment.firstPrevious = header.previous }
        segment.last = header.point
        segment.durableEnd = offset + header.paddedLength
        segment.plannedEnd = segment.durableEnd
        segment.acknowledged = max(segment.acknowledged, header.acknowledged)
        segment.timeMillis = max(segment.timeMillis, header.timeMillis)
    }

    private mutating func applyEvents(_ header: CommitHeader, _ bytes: UnsafeRawBufferPointer) throws(FileError) {
        var problem: String?
        let section = bytes.slice(CommitHeader.bytes, header.eventsLength)
        let whole = EventSection.forEach(in: section) { kind, payload in
            guard problem == nil else { return }
            do {
                try self.apply(kind: kind, payload: payload, lsn: header.lsn)
            } catch {
                problem = "\(error)"
            }
        }
        if !whole { problem = problem ?? "its events do not fill their section" }
        if let problem {
            throw FileError(.io, "\(header.lsn) cannot be replayed: \(problem); nothing was touched")
        }
    }

    private mutating func apply(kind: UInt16, payload: UnsafeRawBufferPointer, lsn: LSN) throws {
        if kind >= 256 {
            switch try LogEvent(kind: kind, payload: payload) {
            case .segmentDropped(let file, let useCount):
                self.dropped.insert(.init(file: file, useCount: useCount))
            case .snapshotTaken:
                break
            }
            return
        }
        let event = try CatalogEvent(kind: kind, payload: payload)
        try self.catalog.apply(event)
        self.catalogLSN = lsn
        self.follow(event, lsn: lsn)
    }

    /// Keeps the shards in step with the catalog.
    private mutating func follow(_ event: CatalogEvent, lsn: LSN) {
        let stream = event.stream
        guard let state = self.catalog.stream(stream) else {
            self.shards = self.shards.filter { $0.key.stream != stream }
            return
        }
        var known: Set<ShardNumber> = []
        for shard in state.shards {
            known.insert(shard.number)
            let ref = ShardRef(stream: stream, shard: shard.number)
            if let existing = self.shards[ref] {
                if shard.closed != nil, existing.closedLSN == nil { existing.closedLSN = lsn }
            } else {
                let made = ShardState(
                    ref: ref, creationSecond: shard.creationSecond, firstIndex: shard.firstIndex,
                    nextIndex: shard.firstIndex)
                if shard.closed != nil { made.closedLSN = lsn }
                self.shards[ref] = made
            }
        }
        self.shards = self.shards.filter { $0.key.stream != stream || known.contains($0.key.shard) }
    }

    private mutating func indexBatches(
        _ header: CommitHeader, _ bytes: UnsafeRawBufferPointer, at offset: Int, in segment: Segment, replays: Bool
    ) throws(FileError) {
        var batches: [(placement: Placement, offset: Int)] = []
        let whole = CommitContents.forEachBatch(header, bytes) { placement, position in
            batches.append((placement, position))
        }
        guard whole else { throw FileError(.io, "\(header.lsn) has batches that do not fill their section") }
        batches.sort { $0.placement.firstIndex < $1.placement.firstIndex }
        for (placement, position) in batches {
            let ref = ShardRef(stream: placement.stream, shard: placement.shard)
            let entry = IndexEntry(
                firstIndex: placement.firstIndex, arrivalMillis: placement.arrivalMillis,
                offset: UInt32(offset + position), length: UInt32(placement.totalLength),
                count: UInt32(placement.count))
            guard let shard = self.shards[ref] else {
                guard self.catalog.wasDeleted(ref.stream) || self.catalog.stream(ref.stream) != nil else {
                    throw FileError(
                        .io, "\(header.lsn) holds records of a stream that was never created; nothing was touched")
                }
                continue
            }
            Self.add(entry, to: shard, in: segment)
            segment.plannedEntries += 1
            if replays {
                shard.nextIndex = max(shard.nextIndex, placement.endIndex)
                shard.durableEnd = shard.nextIndex
            }
        }
    }

    private static func add(_ entry: IndexEntry, to shard: ShardState, in segment: Segment) {
        LogCore.index(entry, shard, segment)
    }
}
