// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel

/// The machines as of the closing of one commit; a file is made of it when that commit is durable.
package struct PendingSnapshot {
    let lsn: LSN
    var checksum: UInt32?
    let timeMillis: Int64
    let catalog: Catalog
    let leases: LeaseTable
    let nextFile: UInt64
    /// Where its shards go on, as of that commit: known when it is durable.
    private(set) var positions = PositionTable()
    let dropped: [SnapshotFile.Use]
    /// The segments with commits up to `lsn`: known when that commit is durable, for its own may have been in none.
    private(set) var live: [SnapshotFile.Live] = []
    let logID: UInt64

    /// Its commit is durable, and with it every one before.
    mutating func settle(checksum: UInt32, live: [SnapshotFile.Live], positions: PositionTable) {
        self.checksum = checksum
        self.live = live
        self.positions = positions
    }

    /// Those of the shards that its catalog lists, in their order. Without the lock: there may be many.
    private var listedPositions: [SnapshotFile.Position] {
        self.positions.positions
            .filter { self.catalog.shard(ShardRef(stream: $0.stream, shard: $0.shard)) != nil }
            .sorted { ($0.stream, $0.shard) < ($1.stream, $1.shard) }
    }

    static func fileName(_ lsn: LSN) -> String {
        let digits = String(lsn.rawValue)
        return "snapshot-" + String(repeating: "0", count: max(0, 20 - digits.count)) + digits + ".snap"
    }

    static func lsn(ofName name: String) -> LSN? {
        guard name.hasPrefix("snapshot-"), name.hasSuffix(".snap") else { return nil }
        let digits = name.dropFirst(9).dropLast(5)
        guard digits.count == 20, digits.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return UInt64(digits).map { LSN($0) }
    }

    /// Writes the file: beside, synced, renamed, folder synced. Returns its checksum, which a commit will name.
    func perform(_ fileSystem: any FileSystem) throws(FileError) -> UInt32 {
        let bytes = SnapshotFile(
            logID: self.logID, point: CommitPoint(lsn: self.lsn, checksum: self.checksum ?? 0),
            timeMillis: self.timeMillis, nextFile: self.nextFile,
            positions: self.listedPositions,
            dropped: self.dropped, live: self.live, catalog: self.catalog.encodeSnapshot(),
            leases: self.leases.encodeSnapshot()
        ).encode()
        try fileSystem.replace(Self.fileName(self.lsn), with: bytes)
        return SnapshotFile.checksum(of: bytes)
    }
}

extension LogCore {
    /// The state that the commits up to `lsn` lead to; called at the moment that commit closes. Catalog and leases are
    /// values: taking them costs nothing until they change.
    func captureSnapshot(lsn: LSN) -> PendingSnapshot {
        PendingSnapshot(
            lsn: lsn, checksum: nil, timeMillis: self.retention.time.lastStampMillis, catalog: self.catalog,
            leases: self.leases,
            nextFile: self.files.nextFile,
            dropped: self.files.dropped.map { .init(file: $0.file, useCount: $0.useCount) }
                + self.files.dropping.map {
                    .init(file: $0.segment.header.file, useCount: $0.segment.header.useCount)
                },
            logID: self.logID)
    }

    /// The commit `lsn` has just become durable: a snapshot of it lists the segments that hold commits up to it. Those
    /// that were dropped since it closed are among them; their dropping comes after it.
    func settlePendingSnapshot(at lsn: LSN, checksum: UInt32) {
        self.snapshots.settle(lsn) { pending in
            let live = self.files.dropping.filter { $0.lsn > lsn }.map(\.segment) + self.segments
            pending.settle(
                checksum: checksum,
                live: live.filter { $0.last.lsn > .none || $0.isDamaged }.map { segment in
                    // What is damaged is found and told again at every start.
                    let isEnded = segment.last.lsn <= lsn && !segment.isDamaged && self.isFinished(segment)
                    return .init(
                        .init(file: segment.header.file, useCount: segment.header.useCount),
                        end: isEnded ? segment.last.lsn : .none)
                }, positions: self.shards.positions)
        }
    }

    /// The snapshot file is complete: a commit names it.
    func snapshotDone(_ snapshot: PendingSnapshot, checksum: UInt32) {
        let event = LogEvent.snapshotTaken(lsn: snapshot.lsn, checksum: checksum)
        self.append(event: event.kind, payload: event.encode())
        self.snapshots.done(
            SnapshotName(name: PendingSnapshot.fileName(snapshot.lsn), lsn: snapshot.lsn),
            namedBy: self.commits.open.lsn)
    }

    /// A full segment's footer that can be written now. Of its shards' indexes at most so many are brought together;
    /// where there are more, the next call goes on.
    func takeFooter(shards max: Int = .max) -> FooterJob? {
        guard let order = self.upkeep.footers.next else { return nil }
        guard let segment = self.segment(order: order) else {
            preconditionFailure("a segment without a footer is not dropped")
        }
        guard self.collectIndex(of: segment, shards: max) else { return nil }
        self.upkeep.footers.take(order)
        return FooterJob(
            segment: segment, state: segment.state, index: segment.index ?? [:],
            isCut: segment.header.term < self.term)
    }

    /// `size` is that of the file now.
    func footerDone(_ segment: Segment, size: Int) {
        self.upkeep.footers.done(segment.header.order)
        // What its missing end kept may go: now is the time to look.
        self.retention.waits.demand()
        self.files.resize(from: segment.size, to: size)
        segment.state.foot(size: size)
        self.trimIndexes()
    }

    /// Gives up indexes of full segments, the longest unused first, above the bound; their footers are on disk. The one
    /// used last stays whatever its size: somebody has just loaded it and is about to look into it.
    func trimIndexes() {
        func bytes(_ segment: Segment) -> Int { segment.state.plannedEntries * MemoryLayout<IndexEntry>.stride }
        var held = self.segments.filter { $0.index != nil && $0.footerWritten }
        var total = held.reduce(0) { $0 + bytes($1) }
        guard total > self.configuration.indexBytesMax else { return }
        held.sort { $0.indexUse < $1.indexUse }
        for segment in held.dropLast() where total > self.configuration.indexBytesMax {
            segment.index = nil
            total -= bytes(segment)
        }
    }

    /// An index was read from the disk.
    func install(_ index: [ShardRef: ShardIndex], for segment: Segment) {
        segment.index = index
        self.reading.useIndex(of: segment)
        self.trimIndexes()
    }
}

extension SegmentFooter {
    /// Behind the last commit, and its trailer in the last block of the file. Not needed for safety: when it is
    /// missing, the segment is scanned.
    func write(to file: any File, size: Int, useCount: UInt32) throws(FileError) {
        let bytes = self.encode()
        let padded = AlignedMemory(bytes: LogFormat.padded(bytes.count))
        bytes.withUnsafeBytes { padded.raw.copyMemory(from: $0) }
        let offset = Int(self.endOffset)
        guard offset + padded.raw.count + LogFormat.block <= size else {
            throw FileError(.noSpace, "a segment has no room for its footer of \(bytes.count) bytes")
        }
        // A segment that a crash left half full ends here for good: what lies behind is void and goes.
        if file.size > size { try file.truncate(to: size) }
        try file.write(UnsafeRawBufferPointer(padded.raw), at: offset)
        try file.sync()
        let block = AlignedMemory(bytes: LogFormat.block)
        Trailer(
            useCount: useCount, offset: UInt64(offset), length: UInt64(bytes.count),
            checksum: padded.raw.withChecksum(bytes.count)
        ).write(to: block.raw)
        try file.write(UnsafeRawBufferPointer(block.raw), at: size - LogFormat.block)
        try file.sync()
    }

    /// The footer of a file, or `nil` when it has none that fits this use of the file.
    static func read(from file: any File, useCount: UInt32) throws(FileError) -> SegmentFooter? {
        let size = file.size
        // A file that was cut is of any size, and direct reads are of whole blocks.
        guard size >= SegmentHeader.bytes + 2 * LogFormat.block, size % LogFormat.block == 0 else { return nil }
        let block = AlignedMemory(bytes: LogFormat.block)
        // A block that the disk does not give is no footer: the segment is scanned.
        guard try file.readAround(at: size - LogFormat.block, into: block.raw) == (LogFormat.block, 0),
            let trailer = Trailer(reading: UnsafeRawBufferPointer(block.raw)), trailer.useCount == useCount,
            trailer.length <= UInt64(size), trailer.offset <= UInt64(size) - trailer.length,
            trailer.offset % UInt64(LogFormat.block) == 0
        else { return nil }
        let length = Int(trailer.length)
        let memory = AlignedMemory(bytes: LogFormat.padded(max(1, length)))
        guard try file.readAround(at: Int(trailer.offset), into: memory.raw).count >= length,
            memory.raw.withChecksum(length) == trailer.checksum
        else { return nil }
        do {
            return try SegmentFooter(reading: UnsafeRawBufferPointer(rebasing: memory.raw[0..<length]))
        } catch {
            return nil
        }
    }
}

extension UnsafeMutableRawBufferPointer {
    func withChecksum(_ count: Int) -> UInt32 { weir_crc32c(0, self.baseAddress, count) }
}
