// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// A stretch of a file that cannot be what was acknowledged there.
package struct DamagedRange: Hashable, Sendable, CustomStringConvertible {
    package let file: String
    package let offset: Int
    package let length: Int

    package var description: String { "\(self.file), bytes \(self.offset)..<\(self.offset + self.length)" }
}

/// What a start found, in sentences for the operator's log.
package struct RecoveryReport: Sendable {
    package internal(set) var lines: [String] = []
    package internal(set) var damaged: [DamagedRange] = []
    package internal(set) var commitsReplayed = 0
    package internal(set) var bytesRead = 0
}

/// Rebuilds the machines from snapshot and log, decides which commits count, makes sure that they are on the disk, and
/// begins a new term. The same at a start and after a failed write.
///
/// The order matters: (1) headers, and from them the terms and their cuts; (2) the newest whole snapshot; (3) segments
/// in order, footers where the snapshot covers them, commits otherwise; (4) what was never proven acknowledged is
/// written again and synced, before anybody is told of it; (5) a segment of the new term whose header names the cut.
package struct Recovery {
    /// What begins.
    package enum Start {
        /// A process; the number names the log when the folder is empty.
        case process(newLogID: UInt64)
        /// A term after a failed write in the same process.
        case continuing(Continuation)
    }

    /// What a term takes over from the one that failed before it in the same process.
    package struct Continuation {
        let logID: UInt64
        /// Numbers up to here were given out: somebody may still wait for one of them.
        let lsn: LSN
        /// Since the start of the process, not of the term: or a clock that jumped would count as right.
        let clockWatch: ClockWatch
    }

    /// Segments of earlier terms above the newest snapshot: with so many, the new term takes a snapshot.
    private static let uncoveredMax = 4

    let fileSystem: any FileSystem
    let configuration: StorageConfiguration
    let clock: any Clock
    let pool: BufferPool
    var report = RecoveryReport()

    var catalog: Catalog
    var shards: [ShardRef: ShardState] = [:]
    var segments: [Segment] = []
    var recyclable: [LogCore.RecyclableFile] = []
    var snapshots: [LogCore.SnapshotName] = []
    var snapshotPoint: CommitPoint?
    var dropped: Set<SnapshotFile.Dropped> = []
    var lastMillis: Int64 = 0
    /// The last commit that counts.
    var last = CommitPoint.origin
    /// The highest number taken so far, from commits and footers.
    var seen = LSN.none
    /// The next commit follows a damaged range: its chain cannot be checked.
    var chainBroken = false
    /// Higher than any number seen, valid or void.
    var highestLSN = LSN.none
    var catalogLSN = LSN.none
    /// The highest LSN that some commit proves acknowledged.
    var proven = LSN.none
    /// Commits above it, to be written again.
    var unproven: [(segment: Segment, offset: Int, length: Int, lsn: LSN)] = []

    init(fileSystem: any FileSystem, configuration: StorageConfiguration, clock: any Clock, pool: BufferPool) {
        self.fileSystem = fileSystem
        self.configuration = configuration
        self.clock = clock
        self.pool = pool
        self.catalog = Catalog(bounds: configuration.bounds)
    }

    package static func run(
        _ fileSystem: any FileSystem, _ configuration: StorageConfiguration, clock: any Clock, pool: BufferPool,
        start: Start
    ) throws(StorageError) -> (core: LogCore, report: RecoveryReport) {
        var recovery = Recovery(fileSystem: fileSystem, configuration: configuration, clock: clock, pool: pool)
        let core: LogCore
        switch start {
        case .process(let newLogID): core = try recovery.run(newLogID: newLogID)
        case .continuing(let failed):
            recovery.highestLSN = failed.lsn
            core = try recovery.run(newLogID: failed.logID)
            core.clockWatch = failed.clockWatch
        }
        return (core, recovery.report)
    }

    private mutating func run(newLogID: UInt64) throws(StorageError) -> LogCore {
        let folder = try DataFolder(self.fileSystem)
        let logID = folder.logID ?? newLogID
        do throws(FileError) {
            // Ours, and of an unfinished start or snapshot: nothing names them.
            for name in folder.unfinished { try self.fileSystem.remove(name) }
            // A file that the last process made is seen, and perhaps its name is not yet on the disk: it is about to be
            // used.
            try self.fileSystem.syncFolder()
        } catch {
            throw StorageError("the data folder \(self.fileSystem.name) cannot be opened: \(error)")
        }
        if folder.logID == nil { try folder.initialize(self.fileSystem, logID: logID) }
        for name in folder.unknown where name != "lost+found" {
            self.report.lines.append("\(name) in the data folder is not Weir's: left alone")
        }
        do throws(FileError) {
            let headers = try self.readHeaders(folder, logID: logID)
            try self.loadSnapshot(folder, logID: logID)
            let cuts = TermCuts(headers.map(\.header))
            try self.replay(headers, cuts)
            try self.rewriteUnproven()
            return try self.begin(folder, logID: logID, term: cuts.newestTerm + 1, headers: headers.map(\.header))
        } catch {
            throw StorageError("the data folder \(self.fileSystem.name) cannot be opened: \(error)")
        }
    }

    // MARK: Headers and snapshot

    struct Candidate {
        let header: SegmentHeader
        let file: any File
    }

    private mutating func readHeaders(_ folder: DataFolder, logID: UInt64) throws(FileError) -> [Candidate] {
        var candidates: [Candidate] = []
        for number in folder.segments {
            let name = Segment.fileName(number)
            let file = try self.fileSystem.open(name, .readDisk)
            let blocks = AlignedMemory(bytes: SegmentHeader.bytes)
            _ = try file.read(at: 0, into: blocks.raw)
            let raw = UnsafeRawBufferPointer(blocks.raw)
            let copies = [0, LogFormat.block].compactMap {
                try? SegmentHeader(reading: raw.slice($0, LogFormat.block))
            }
            guard let header = copies.max(by: { $0.useCount < $1.useCount }) else {
                // The second copy is written when the first is on the disk, and the segment is used after both: without
                // a second one a crash came while the file was made.
                if raw.slice(LogFormat.block, LogFormat.block).isZero {
                    self.recyclable.append(.init(file: number, useCount: 0, size: file.size))
                } else {
                    self.report.damaged.append(.init(file: name, offset: 0, length: SegmentHeader.bytes))
                    self.report.lines.append("both headers of \(name) are damaged: the segment is left alone")
                }
                continue
            }
            guard header.logID == logID, header.file == number else {
                throw FileError(.io, "\(name) belongs to another log; nothing was touched")
            }
            candidates.append(Candidate(header: header, file: file))
        }
        return candidates.sorted { $0.header.order < $1.header.order }
    }

    private mutating func loadSnapshot(_ folder: DataFolder, logID: UInt64) throws(FileError) {
        for (name, lsn) in folder.snapshots.reversed() { self.snapshots.append(.init(name: name, lsn: lsn)) }
        for (name, lsn) in folder.snapshots {
            do {
                let bytes = try self.fileSystem.contents(of: name)
                let snapshot = try bytes.withUnsafeBytes { try SnapshotFile(reading: $0) }
                guard snapshot.logID == logID, snapshot.point.lsn == lsn else {
                    throw FormatError("it belongs to another log or commit")
                }
                self.catalog = try snapshot.catalog.withUnsafeBytes {
                    try Catalog(snapshot: $0, bounds: self.configuration.bounds)
                }
                self.restore(snapshot)
                return
            } catch {
                self.report.damaged.append(.init(file: name, offset: 0, length: 0))
                self.report.lines.append("snapshot \(name) cannot be used: \(error)")
                self.snapshots.removeAll { $0.name == name }
            }
        }
    }

    private mutating func restore(_ snapshot: SnapshotFile) {
        self.snapshotPoint = snapshot.point
        self.catalogLSN = snapshot.point.lsn
        self.lastMillis = snapshot.timeMillis
        self.dropped = Set(snapshot.dropped)
        self.last = snapshot.point
        self.highestLSN = max(self.highestLSN, snapshot.point.lsn)
        self.proven = snapshot.point.lsn
        for position in snapshot.positions {
            let ref = ShardRef(stream: position.stream, shard: position.shard)
            guard let shard = self.catalog.shard(ref) else { continue }
            let state = ShardState(
                ref: ref, creationSecond: shard.creationSecond, firstIndex: shard.firstIndex,
                nextIndex: position.nextIndex)
            if shard.closed != nil { state.closedLSN = snapshot.point.lsn }
            self.shards[ref] = state
        }
    }

    // MARK: What was never proven acknowledged

    /// A sync may have failed and its pages may read as if they were on disk: write them again, sync, and only then go
    /// on.
    private mutating func rewriteUnproven() throws(FileError) {
        let again = self.unproven.filter { $0.lsn > self.proven }
        for item in again {
            let memory = AlignedMemory(uninitialized: item.length)
            let source = try self.fileSystem.open(Segment.fileName(item.segment.header.file), .readDisk)
            guard try source.read(at: item.offset, into: memory.raw) == item.length else {
                throw FileError(.io, "\(Segment.fileName(item.segment.header.file)) became shorter while it was read")
            }
            let target = try self.fileSystem.open(Segment.fileName(item.segment.header.file), .log)
            try target.write(UnsafeRawBufferPointer(memory.raw), at: item.offset)
            try target.sync()
        }
        if !again.isEmpty {
            self.report.lines.append("\(again.count) commits at the end of the log were written again and synced")
        }
    }

    // MARK: A new term

    private mutating func begin(
        _ folder: DataFolder, logID: UInt64, term: UInt64, headers: [SegmentHeader]
    ) throws(FileError) -> LogCore {
        let nextFile = (folder.segments.max() ?? 0) + 1
        let nextOrder = (headers.map(\.order).max() ?? 0) + 1
        let core = LogCore(
            configuration: self.configuration, logID: logID, term: term, cut: self.last,
            firstLSN: LSN(max(self.highestLSN, self.last.lsn).rawValue + LogFormat.termGap), catalog: self.catalog,
            lastMillis: self.lastMillis, nextOrder: nextOrder, nextFile: nextFile,
            diskSpace: try self.fileSystem.space(),
            clockWatch: ClockWatch(wallMillis: self.clock.wallMillis, monotonicNanos: self.clock.monotonicNanos),
            pool: self.pool)
        core.shards = self.shards
        core.segments = self.segments
        core.snapshots = self.snapshots
        core.catalogLSN = min(self.catalogLSN, self.last.lsn)
        core.recyclable = self.recyclable
        core.lastActivityNanos = self.clock.monotonicNanos
        // A node that never fills a segment between its crashes would never take one otherwise, and keep every segment.
        let covered = self.snapshotPoint?.lsn ?? .none
        core.snapshotWanted = self.segments.count { $0.last.lsn > covered } >= Self.uncoveredMax
        for segment in self.segments {
            segment.closed = true
            if !segment.footerWritten { core.footersDue.append(segment) }
        }
        let preparation = core.planPreparation(atLeast: 0, zeroed: false)
        let file = try preparation.perform(self.fileSystem)
        core.prepared(preparation, .success(file))
        core.activateFirst()
        return core
    }
}
