// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel

/// What lies in the folder: segment headers and snapshots.
extension Recovery {
    /// A segment file with a whole header.
    struct Candidate {
        let header: SegmentHeader
        /// Bytes of the file.
        let size: Int
        var name: String { Segment.fileName(self.header.file) }
        var use: SnapshotFile.Use { .init(file: self.header.file, useCount: self.header.useCount) }

        /// Opened for each look: a start holds few files, however many segments there are.
        func open(_ fileSystem: any FileSystem) throws(FileError) -> any File {
            try fileSystem.open(self.name, .readDisk)
        }

        func scan(_ fileSystem: any FileSystem) throws(FileError) -> SegmentScan {
            SegmentScan(header: self.header, file: try self.open(fileSystem))
        }

        /// Whether a block behind what counts was the first of a commit: of this use, as far as it can be told, and not
        /// a whole one that an earlier use left.
        func resemblesCommit(
            _ block: UnsafeRawBufferPointer, at offset: Int, in file: any File
        ) throws(FileError) -> Bool {
            let likeness = [
                block.integer(UInt32.self, at: 0) == CommitHeader.magic,
                LogFormat.versions.contains(block.integer(UInt32.self, at: 4)),
                block.integer(UInt64.self, at: 8) == self.header.logID,
                block.integer(UInt32.self, at: 84) == self.header.useCount,
            ]
            guard likeness.count(where: { $0 }) >= 3 else { return false }
            guard let stale = try? CommitHeader(reading: block), stale.useCount < self.header.useCount,
                stale.paddedLength <= LogFormat.commitBytesMax, offset + stale.paddedLength <= self.size
            else { return true }
            let bytes = AlignedMemory(bytes: stale.paddedLength)
            _ = try file.readAround(at: offset, into: bytes.raw)
            return !stale.checksumMatches(UnsafeRawBufferPointer(bytes.raw))
        }
    }

    /// The segments in the order of replay.
    mutating func readHeaders(_ folder: DataFolder, logID: UInt64) throws(FileError) -> [Candidate] {
        self.nextFile = (folder.segments.max() ?? 0) + 1
        var candidates: [Candidate] = []
        var headless: [Headless] = []
        var unreadable = 0
        for number in folder.segments {
            let name = Segment.fileName(number)
            let file = try self.fileSystem.open(name, .readDisk)
            let blocks = AlignedMemory(bytes: SegmentHeader.bytes + LogFormat.block)
            let read = try file.readAround(at: 0, into: blocks.raw)
            unreadable += read.unreadable
            let raw = UnsafeRawBufferPointer(blocks.raw)
            let copies = [0, LogFormat.block].map { try? SegmentHeader(reading: raw.slice($0, LogFormat.block)) }
            guard let header = copies.compactMap({ $0 }).max(by: { $0.useCount < $1.useCount }) else {
                if read.unreadable == 0, try self.wasNeverUsed(file) {
                    self.recyclable.append(.init(file: number, useCount: 0, size: file.size))
                } else {
                    headless.append(Headless(file: number, size: file.size))
                }
                continue
            }
            guard header.logID == logID, header.file == number else {
                throw FileError(.io, "\(name) belongs to another log or was renamed; nothing was touched")
            }
            candidates.append(Candidate(header: header, size: file.size))
        }
        try self.rebuildHeaders(of: headless, &candidates, logID: logID)
        guard !candidates.isEmpty || unreadable == 0 else {
            throw FileError(.io, "the disk gives no header of any log segment; nothing was touched")
        }
        // Begun anew, the log would say of all that was acknowledged that it never was.
        guard !candidates.isEmpty || headless.isEmpty else {
            throw FileError(
                .io, "no header of any log segment is whole; nothing was touched: restore a backup")
        }
        let inOrder = candidates.sorted { $0.header.order < $1.header.order }
        for (one, next) in zip(inOrder, inOrder.dropFirst()) where one.header.order == next.header.order {
            throw FileError(.io, "\(one.name) and \(next.name) claim the same place in the log; nothing was touched")
        }
        // Commits that are read know better; where footers cover everything this is the newest.
        if let newest = inOrder.last?.header.trustedMillis, newest > 0 { self.trustedMillis = newest }
        return inOrder
    }

    /// A segment without a whole header was never used, when a crash came while it was made: the second copy is written
    /// when the first is on the disk, and the first commit after both, so that nothing but zeros is behind the first.
    /// All of it is looked at: a disk that gives zeros, or nothing, for the beginning of a file in use would otherwise
    /// have what is behind it written over.
    private func wasNeverUsed(_ file: any File) throws(FileError) -> Bool {
        let piece = AlignedMemory(bytes: 1 << 20)
        var offset = LogFormat.block
        while offset < file.size {
            let read = try file.readAround(at: offset, into: piece.raw)
            guard read.unreadable == 0, UnsafeRawBufferPointer(piece.raw).slice(0, read.count).isZero else {
                return false
            }
            // Shorter than its size when somebody cut it meanwhile.
            guard read.count > 0 else { return true }
            offset += read.count
        }
        return true
    }

    /// Loads the newest snapshot that is whole; looks at the others too, because what is kept of the log depends on
    /// them.
    mutating func loadSnapshot(_ folder: DataFolder, logID: UInt64) throws(FileError) {
        for (name, lsn) in folder.snapshots {
            do {
                let (snapshot, catalog, leases) = try Self.snapshot(
                    name, lsn: lsn, of: logID, in: self.fileSystem, bounds: self.configuration.bounds)
                if self.snapshots.isEmpty { self.restore(snapshot, catalog, leases) }
                self.snapshots.insert(.init(name: name, lsn: lsn), at: 0)
            } catch {
                // Says nothing of the snapshot.
                if let error = error as? FileError, error.isShortage { throw error }
                self.damagedSnapshots.append(name)
                self.reportDamage(
                    .init(file: name, offset: 0, length: 0), "the snapshot cannot be used: \(error)",
                    "snapshot \(name) cannot be used: \(error)")
            }
        }
    }

    /// A snapshot that is whole, of this log and of the commit that its name says.
    static func snapshot(
        _ name: String, lsn: LSN, of logID: UInt64?, in fileSystem: any FileSystem, bounds: Catalog.Bounds
    ) throws -> (SnapshotFile, Catalog, LeaseTable) {
        let bytes = try fileSystem.contents(of: name)
        let snapshot = try bytes.withUnsafeBytes { try SnapshotFile(reading: $0) }
        guard snapshot.logID == logID ?? snapshot.logID, snapshot.point.lsn == lsn else {
            throw FormatError("it belongs to another log or commit")
        }
        let catalog = try snapshot.catalog.withUnsafeBytes { try Catalog(snapshot: $0, bounds: bounds) }
        let leases = try snapshot.leases.withUnsafeBytes { try LeaseTable(snapshot: $0) }
        return (snapshot, catalog, leases)
    }

    private mutating func restore(_ snapshot: SnapshotFile, _ catalog: Catalog, _ leases: LeaseTable) {
        self.catalog = catalog
        self.leases = leases
        self.snapshotPoint = snapshot.point
        self.catalogLSN = snapshot.point.lsn
        self.lastMillis = snapshot.timeMillis
        self.nextFile = max(self.nextFile, snapshot.nextFile)
        self.expected = snapshot.live
        for use in snapshot.dropped { self.noteDropped(use.file, use.useCount) }
        self.last = snapshot.point
        self.highestLSN = max(self.highestLSN, snapshot.point.lsn)
        self.proven = snapshot.point.lsn
        for position in snapshot.positions {
            let ref = ShardRef(stream: position.stream, shard: position.shard)
            guard let shard = self.catalog.shard(ref) else { continue }
            let state = ShardState(
                ref: ref, term: self.term, creationSecond: shard.creationSecond, firstIndex: shard.firstIndex,
                nextIndex: position.nextIndex)
            if shard.closed != nil { state.closedLSN = snapshot.point.lsn }
            self.shards[ref] = state
        }
    }

    /// A use of a file was dropped, and with it every use before.
    mutating func noteDropped(_ file: UInt64, _ useCount: UInt32) {
        self.dropped[file] = max(self.dropped[file] ?? 0, useCount)
        self.nextFile = max(self.nextFile, file + 1)
    }

    func isDropped(_ header: SegmentHeader) -> Bool { header.useCount <= self.dropped[header.file] ?? 0 }

    /// A segment of which nothing is known has no more bytes.
    func fileBytesMax(_ candidates: [Candidate]) -> Int {
        candidates.reduce(self.configuration.segmentBytesMax) { max($0, $1.size) }
    }

    /// Segments that the snapshot knew and nobody dropped must be there.
    mutating func missAbsentFiles(_ candidates: [Candidate]) {
        let present = Set(candidates.map(\.use))
        let known = self.report.damaged.count
        defer {
            if self.report.damaged.count > known {
                self.lost.missFile(bytes: self.fileBytesMax(candidates))
                // The next start need not guess again.
                self.wantsSnapshot = true
            }
        }
        for use in self.expected.map(\.use) where !present.contains(use) && use.useCount > self.dropped[use.file] ?? 0 {
            let name = Segment.fileName(use.file)
            // What is there under the name is no free file, whatever it looks like.
            self.recyclable.removeAll { $0.file == use.file }
            self.reportDamage(
                .init(file: name, offset: 0, length: 0), "it is missing, or is not the file that was there",
                "\(name) is missing or not the one that was there: the records that it held are gone")
        }
    }

    /// A snapshot is of a commit that was on the disk: a log that ends before it has lost its end, and nothing behind
    /// proves it.
    mutating func missCommitsOfSnapshot(_ candidates: [Candidate]) {
        let unread = self.report.damaged.count { Segment.fileNumber($0.file) != nil }
        guard let snapshot = self.snapshotPoint, self.seen < snapshot.lsn, unread == self.lostEvents.ranges
        else { return }
        // It may be too short for a footer, and its bytes are kept for whoever can make something of them.
        self.segments.last?.state.damage()
        let file = self.segments.last?.header.file ?? self.expected.last?.use.file ?? 0
        self.recyclable.removeAll { $0.file == file }
        let name = Segment.fileName(file)
        self.reportDamage(
            .init(file: name, offset: 0, length: 0),
            "it ends at commit \(self.seen), before commit \(snapshot.lsn), of which there is a snapshot",
            "\(name) ends at commit \(self.seen), but the snapshot is of commit \(snapshot.lsn): the records that came "
                + "between are gone")
        // It may have held more than the snapshot knew, as a file that is missing.
        self.lost.missFile(bytes: self.fileBytesMax(candidates))
        self.wantsSnapshot = true
    }

    /// Damage leaves gaps in front of the stretches of a shard, between and behind them. So do segments that were
    /// dropped before an older one: what they held had expired, and is not missed. A gap counts as damage as far as
    /// damaged bytes that lie there could have held it.
    func noteGaps(_ candidates: [Candidate]) {
        var damage: [(order: UInt64?, bytes: Int)] = []
        for range in self.report.damaged where Segment.fileNumber(range.file) != nil {
            // A file that is not there may have had its place anywhere.
            let order = candidates.first { $0.name == range.file }?.header.order
            damage.append((order, range.length > 0 ? range.length : self.fileBytesMax(candidates)))
        }
        guard !damage.isEmpty else { return }
        for shard in self.shards.values {
            var (end, order) = (shard.firstIndex, UInt64.min)
            let stretches = shard.runs.map { ($0.firstIndex, $0.endIndex, $0.segment.header.order) }
            for (next, nextEnd, nextOrder) in stretches + [(shard.durableEnd, shard.durableEnd, .max)] {
                if next > end {
                    let bytes = damage.reduce(0) { sum, one in
                        (order...nextOrder).contains(one.order ?? nextOrder) ? sum + one.bytes : sum
                    }
                    let lost = min(next - end, UInt64(LostRecords.recordsMax(bytes: bytes)))
                    if lost > 0 { shard.lost.append(next - lost..<next) }
                }
                (end, order) = (nextEnd, nextOrder)
            }
        }
    }
}
