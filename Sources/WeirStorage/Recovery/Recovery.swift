// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirIO
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
    /// Damage, and in a few words what is wrong there.
    struct Damage: Sendable {
        let range: DamagedRange
        let problem: String
    }

    package internal(set) var lines: [String] = []
    var found: [Damage] = []
    package var damaged: [DamagedRange] { self.found.map(\.range) }
    /// Blocks behind what counts that look like a commit and are none: nothing says that it was acknowledged.
    var torn: [DamagedRange] = []
    /// Headers that were damaged in both copies, as the commits behind them have them.
    var rebuilt: [SegmentHeader] = []
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
        /// The clocks are watched since the start of the process, not of the term.
        let time: LogTime
        /// How far the failed term was durable.
        let end: Watermark.End
    }

    /// Segments of earlier terms above the newest snapshot: with so many, the new term takes a snapshot.
    private static let uncoveredMax = 4

    let fileSystem: any FileSystem
    let configuration: StorageConfiguration
    let clock: any Clock
    let pool: BufferPool
    var report = RecoveryReport()

    var catalog: Catalog
    var leases = LeaseTable()
    var term: UInt64 = 0
    var shards: [ShardRef: ShardState] = [:]
    var segments: [Segment] = []
    /// The last one that was read commit by commit, or is being read and is not among the segments yet.
    var scanned: Segment?
    var recyclable: [PoolFile] = []
    /// Higher than the number of any file that ever was.
    var nextFile: UInt64 = 1
    var snapshots: [SnapshotName] = []
    var damagedSnapshots: [String] = []
    /// The commit whose state was loaded.
    var snapshotPoint: CommitPoint?
    /// What the snapshot says of files: those that must be there, unless they were dropped since.
    var expected: [SnapshotFile.Live] = []
    /// Highest dropped use of each file.
    var dropped: [UInt64: UInt32] = [:]
    /// The highest stamp of what counts.
    var lastMillis: Int64 = 0
    /// As the last commit that counts has it, or the newest segment; `nil` before there was one.
    var trustedMillis: Int64?
    /// The last commit that counts.
    var last = CommitPoint.origin
    /// The highest number taken so far, from commits and footers.
    var seen = LSN.none
    /// The next commit follows a damaged range: its chain cannot be checked.
    var chainBroken = false
    var lost = LostRecords()
    var lostEvents = LostEvents()
    /// What was found is worth a snapshot at once.
    var wantsSnapshot = false
    /// Higher than any number seen, valid or void.
    var highestLSN = LSN.none
    var catalogLSN = LSN.none
    /// The highest LSN that some commit proves acknowledged.
    var proven = LSN.none
    /// Commits above it, to be written again.
    var unproven: [(segment: Segment, offset: Int, length: Int, lsn: LSN, hasContent: Bool)] = []

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
            core.retention.time = LogTime(continuing: failed.time, lastStampMillis: core.time.lastStampMillis)
            core.beginTerm(after: failed.end)
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
            throw self.cannotOpen(error)
        }
        if folder.logID == nil {
            try folder.initialize(self.fileSystem, logID: logID)
        }
        for name in folder.unknown where name != "lost+found" {
            self.report.lines.append("\(name) in the data folder is not Weir's: left alone")
        }
        do throws(FileError) {
            let candidates = try self.examine(folder, logID: logID)
            // All this was there before, in the form in which it was.
            self.writeRebuiltHeaders()
            try self.rewriteUnproven()
            return try self.begin(folder, logID: logID, nextOrder: (candidates.map(\.header.order).max() ?? 0) + 1)
        } catch {
            self.letGo()
            throw self.cannotOpen(error)
        }
    }

    /// Reads the folder and decides what counts and what is damaged. Nothing is written: `weir verify` asks the same.
    mutating func examine(_ folder: DataFolder, logID: UInt64) throws(FileError) -> [Candidate] {
        let candidates = try self.readHeaders(folder, logID: logID)
        let cuts = TermCuts(candidates.map(\.header))
        self.term = cuts.newestTerm + 1
        try self.loadSnapshot(folder, logID: logID)
        try self.replay(candidates, cuts)
        self.reportLostEvents()
        self.missAbsentFiles(candidates)
        self.missCommitsOfSnapshot(candidates)
        self.skipLostIndexes()
        self.noteGaps(candidates)
        return candidates
    }

    /// The format file says the newest version before anything is written in it: one that reads less must not open the
    /// folder any more. A snapshot follows, so that the older forms leave the folder with the segments that hold them.
    /// A file that was damaged is written again. Where the disk is full, the ends of older segments are cut first: that
    /// has one form in all versions.
    private mutating func mendFormat(_ folder: DataFolder, of core: LogCore) throws(FileError) {
        guard folder.format != LogFormat.version || folder.formatDamage != nil else { return }
        do throws(FileError) {
            try folder.mend(self.fileSystem, logID: core.logID)
        } catch {
            guard error.kind == .noSpace else { throw error }
            self.cutEnds(of: core)
            try folder.mend(self.fileSystem, logID: core.logID)
        }
        if let damage = folder.formatDamage {
            self.report.lines.append("\(damage); it was written again from the headers of the log segments")
        }
        guard folder.format != LogFormat.version else { return }
        self.report.lines.append(
            "the data folder was of format \(folder.format) and is of format \(LogFormat.version) from now on: older "
                + "versions of weir do not open it any more")
    }

    /// Writes the footers of segments that a crash left half full, behind which their files end.
    private func cutEnds(of core: LogCore) {
        while let job = core.takeFooter() {
            let task = UpkeepTask.footer(job)
            core.finished(task, task.result(self.fileSystem))
        }
    }

    /// Segments and shards name each other: without this a recovery that failed would keep its files open.
    func letGo() {
        for segment in self.segments { segment.forgetShards() }
        self.scanned?.forgetShards()
    }

    private func cannotOpen(_ error: FileError) -> StorageError {
        StorageError(
            "the data folder \(self.fileSystem.name) cannot be opened: \(error)", for: error)
    }

    mutating func reportDamage(_ range: DamagedRange, _ problem: String, _ sentence: String) {
        self.report.found.append(.init(range: range, problem: problem))
        self.report.lines.append(sentence)
    }

    // MARK: What was never proven acknowledged

    /// A sync may have failed and its pages may read as if they were on disk: write them again, sync, and only then go
    /// on.
    private mutating func rewriteUnproven() throws(FileError) {
        let again = self.unproven.filter { $0.lsn > self.proven }
        for item in again {
            let name = Segment.fileName(item.segment.header.file)
            let memory = AlignedMemory(uninitialized: item.length)
            let source = try self.fileSystem.open(name, .readDisk)
            let count = try source.read(at: item.offset, into: memory.raw)
            let bytes = UnsafeRawBufferPointer(memory.raw)
            guard count == item.length, let header = try? CommitHeader(reading: bytes), header.lsn == item.lsn,
                header.checksumMatches(bytes)
            else { throw FileError(.io, "\(name) gives other bytes at \(item.offset) than a moment before") }
            let target = try self.fileSystem.open(name, .log)
            try target.write(bytes, at: item.offset)
            try target.sync()
        }
        // The commit that ends a clean stop is empty and has none behind it that proves it: nothing to tell.
        let told = again.count { $0.hasContent }
        if told > 0 {
            self.report.lines.append(
                "\(told == 1 ? "1 commit" : "\(told) commits") at the end of the log "
                    + "\(told == 1 ? "was" : "were") written again and synced")
        }
    }

    private func time() -> LogTime {
        let now = self.clock.moment
        var time = LogTime(
            lastStampMillis: self.lastMillis, trustedMillis: self.trustedMillis, isEmpty: self.highestLSN == .none,
            now: now)
        if self.configuration.trustsClock { time.confirm(now) }
        return time
    }

    // MARK: A new term

    private func files(nextOrder: UInt64) throws(FileError) -> SegmentPool<Segment, FileError> {
        let space = try self.fileSystem.space()
        var files = SegmentPool<Segment, FileError>(
            budget: LogBudget(
                segmentBytesMin: self.configuration.segmentBytesMin,
                segmentBytesMax: self.configuration.segmentBytesMax, logBytesMax: self.configuration.logBytesMax,
                freeBytesFloor: self.configuration.freeBytesFloor),
            disk: DiskSpace(free: space.free, total: space.total), nextOrder: nextOrder, nextFile: self.nextFile)
        // A use that was planned and could not be begun may be known as dropped: the next one comes after it.
        let free = self.recyclable.map {
            PoolFile(file: $0.file, useCount: max($0.useCount, self.dropped[$0.file] ?? 0), size: $0.size)
        }
        files.adopt(free: free, inUse: self.segments.reduce(0) { $0 + $1.size })
        return files
    }

    private mutating func begin(
        _ folder: DataFolder, logID: UInt64, nextOrder: UInt64
    ) throws(FileError) -> LogCore {
        let core = LogCore(
            self.configuration,
            LogCore.Start(
                logID: logID, term: self.term, cut: self.last,
                firstLSN: LSN(max(self.highestLSN, self.last.lsn).rawValue + LogFormat.termGap), catalog: self.catalog,
                leases: self.leases, time: self.time(), files: try self.files(nextOrder: nextOrder),
                snapshots: Snapshots(kept: self.snapshots, damaged: self.damagedSnapshots),
                nowNanos: self.clock.monotonicNanos),
            pool: self.pool)
        for shard in self.shards.values { core.shards.add(shard) }
        core.segments = self.segments
        core.catalogLSN = min(self.catalogLSN, self.last.lsn)
        let streams = self.catalog.streams(after: nil, limit: Int.max)
        core.retention.waits = DeletionWaits(
            found: Dictionary(uniqueKeysWithValues: streams.map { ($0.id, $0.horizonMillis) }),
            nanos: self.clock.monotonicNanos)
        for stream in streams { core.trackCap(of: stream.id) }
        // A node that never fills a segment between its crashes would never take one otherwise, and keep every segment.
        let covered = self.snapshotPoint?.lsn ?? .none
        if self.wantsSnapshot || folder.format != LogFormat.version
            || self.segments.count(where: { $0.last.lsn > covered }) >= Self.uncoveredMax
        {
            core.snapshots.demand()
        }
        // Those of which only the footer was read.
        core.upkeep.scrub = ScrubSchedule(
            self.segments.filter { $0.footerWritten && !$0.isDamaged }.map(\.header.order))
        for segment in self.segments {
            segment.state.fill()
            if !segment.footerWritten, !segment.isDamaged { core.upkeep.footers.demand(segment.header.order) }
        }
        try self.mendFormat(folder, of: core)
        try self.beginSegment(of: core)
        return core
    }

    /// The first segment of the term. A recycled file that the disk does not take is set aside for another one. Where
    /// the disk is full, the ends of older segments are cut first, and then a smaller one must do: a node that starts
    /// can be asked to delete something.
    private func beginSegment(of core: LogCore) throws(FileError) {
        var size: Int?
        var endsAreCut = false
        while true {
            var preparation = core.planPreparation(atLeast: 0, ahead: false, size: size)
            // No commit waits yet, and a small segment is filled in some milliseconds.
            if !preparation.recycled, size == nil {
                preparation.filled = min(Int(preparation.header.size), self.configuration.segmentBytesMin)
            }
            do throws(FileError) {
                let file = try preparation.perform(self.fileSystem)
                core.prepared(preparation, .success(file))
                return core.activateFirst()
            } catch {
                core.prepared(preparation, .failure(error))
                core.unblock()
                // Of what was asked for: a file that is used again has a size of its own.
                let half = (size ?? Int(preparation.header.size)) / 2
                switch error.kind {
                case .io where preparation.recycled: continue
                case .noSpace where !endsAreCut:
                    endsAreCut = true
                    self.cutEnds(of: core)
                case .noSpace where half >= LogBudget.segmentBytesLeast: size = half
                default: throw error
                }
            }
        }
    }
}
