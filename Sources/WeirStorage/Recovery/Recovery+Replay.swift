// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel

/// Takes footers and commits into the machines.
extension Recovery {
    /// A full segment that the snapshot covers needs only its footer.
    mutating func takeFooter(of candidate: Candidate) throws(FileError) -> Bool {
        guard let snapshot = self.snapshotPoint,
            let footer = try SegmentFooter.read(
                from: candidate.open(self.fileSystem), useCount: candidate.header.useCount),
            footer.last.lsn <= snapshot.lsn
        else { return false }
        let segment = Segment(
            SegmentState(header: candidate.header, size: candidate.size, footer: footer))
        for shard in footer.shards {
            guard let state = self.shards[ShardRef(stream: shard.stream, shard: shard.shard)] else { continue }
            segment.begin(
                .init(
                    segment: segment, firstIndex: shard.index.firstIndex, endIndex: shard.index.endIndex,
                    lastArrivalMillis: shard.index.lastArrivalMillis),
                of: state)
            state.lastArrivalMillis = max(state.lastArrivalMillis, shard.index.lastArrivalMillis)
        }
        self.highestLSN = max(self.highestLSN, footer.last.lsn)
        self.seen = max(self.seen, footer.last.lsn)
        self.segments.append(segment)
        return true
    }

    /// Replays a commit that counts.
    mutating func take(
        _ header: CommitHeader, _ bytes: UnsafeRawBufferPointer, at offset: Int, in segment: Segment
    ) throws(FileError) {
        let replays = self.snapshotPoint.map { header.lsn > $0.lsn } ?? true
        if replays {
            guard header.catalogVersion == self.catalog.version else {
                throw FileError(
                    .io,
                    "\(header.lsn) was made with \(header.catalogVersion) changes of streams and shards behind it, and "
                        + "\(self.catalog.version) were read; nothing was touched")
            }
            try self.applyEvents(header, bytes, at: offset, in: segment)
            self.last = header.point
            self.lastMillis = max(self.lastMillis, header.timeMillis)
            if header.trustedMillis > 0 { self.trustedMillis = header.trustedMillis }
            self.report.commitsReplayed += 1
        }
        self.seen = max(self.seen, header.lsn)
        self.proven = max(self.proven, header.acknowledged)
        self.unproven.removeAll { $0.lsn <= self.proven }
        self.unproven.append(
            (segment, offset, header.paddedLength, header.lsn, hasContent: header.eventCount + header.batchCount > 0))
        let batches = try self.indexBatches(header, bytes, at: offset, in: segment, replays: replays)
        segment.state.replay(header, at: offset, batches: batches)
    }

    /// Keeps the shards in step with the catalog.
    mutating func follow(_ event: CatalogEvent, lsn: LSN) {
        let stream = event.stream
        guard let state = self.catalog.stream(stream) else {
            self.shards = self.shards.filter { $0.key.stream != stream }
            return
        }
        var known: Set<ShardNumber> = []
        for shard in state.shards {
            known.insert(shard.number)
            let ref = ShardRef(stream: stream, shard: shard.number)
            let now =
                self.shards[ref]
                ?? ShardState(
                    ref: ref, term: self.term, creationSecond: shard.creationSecond, firstIndex: shard.firstIndex,
                    nextIndex: shard.firstIndex)
            if self.shards[ref] == nil {
                self.shards[ref] = now
                self.lost.know(ref)
            }
            guard let closed = shard.closed, now.closedLSN == nil else { continue }
            now.closedLSN = lsn
            // The same, unless records were lost: then the closing knows better.
            now.nextIndex = max(now.nextIndex, closed.endIndex)
            now.durableEnd = now.nextIndex
            self.lost.know(ref)
        }
        self.shards = self.shards.filter { $0.key.stream != stream || known.contains($0.key.shard) }
    }

    /// Returns how many of them count.
    private mutating func indexBatches(
        _ header: CommitHeader, _ bytes: UnsafeRawBufferPointer, at offset: Int, in segment: Segment, replays: Bool
    ) throws(FileError) -> Int {
        var counted = 0
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
            counted += 1
            if replays {
                shard.nextIndex = max(shard.nextIndex, placement.endIndex)
                shard.durableEnd = shard.nextIndex
                self.lost.know(ref)
            }
        }
        return counted
    }

    /// What a damaged range may have held was told to its producers: no index of it is given again.
    mutating func skipLostIndexes() {
        // What was lost behind the last commit that counts is known to have been there, by a later header.
        self.lost.settle()
        guard !self.lost.isEmpty else { return }
        var highest: UInt64 = 0
        for (ref, shard) in self.shards where shard.isOpen {
            let uncertain = self.lost.uncertainty(of: ref)
            shard.nextIndex += uncertain
            shard.durableEnd = shard.nextIndex
            highest = max(highest, uncertain)
        }
        self.report.lines.append(
            "shards go on up to \(highest) indexes higher, so that no lost record's number is reused")
    }

    private static func add(_ entry: IndexEntry, to shard: ShardState, in segment: Segment) {
        LogCore.index(entry, shard, segment)
    }
}
