// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirLog
import WeirModel

/// Work beside the way of a put: decided under the log's lock, done without it, reported under it again. The upkeep
/// thread and the simulator go the same way.
package enum UpkeepTask {
    case prepare(SegmentPreparation)
    case fill(FillJob)
    case footer(FooterJob)
    case snapshot(PendingSnapshot)
    /// Files that nothing needs any more: old snapshots, dropped segments of a useless size.
    case remove([String])
}

/// What a task gave.
package enum UpkeepDone {
    case prepared(any File)
    case filled
    /// `size` is that of the file now.
    case footer(size: Int)
    case snapshot(checksum: UInt32)
    case removed
}

/// A piece of zeros for a segment that is ready and was never written before.
package struct FillJob {
    let fill: SegmentPool<Segment, FileError>.Fill
    let file: any File
    private static let zeros = AlignedMemory(bytes: WriteAhead.pieceBytes)

    func perform() throws(FileError) {
        let zeros = UnsafeRawBufferPointer(rebasing: Self.zeros.raw[0..<self.fill.bytes])
        try self.file.write(zeros, at: self.fill.offset)
        try self.fill.segment.sync(self.file)
    }
}

/// The index of a full segment on its way to the end of its file.
package struct FooterJob {
    let segment: Segment
    /// As they were when the last commit was on the disk.
    let state: SegmentState
    let index: [ShardRef: ShardIndex]
    /// A segment of this term keeps its size, so that it can be recycled; one that a crash left half full is cut.
    let isCut: Bool

    /// Puts the footer together and writes it: without the lock, for the segment may hold many shards. Returns the
    /// bytes of the file from then on.
    func perform(_ fileSystem: any FileSystem) throws(FileError) -> Int {
        let footer = self.footer
        let size = self.finalSize(footer)
        let file = try fileSystem.open(Segment.fileName(self.segment.header.file), .log)
        try footer.write(to: file, size: size, useCount: self.segment.header.useCount)
        return size
    }

    private var footer: SegmentFooter {
        SegmentFooter(
            firstPrevious: self.state.firstPrevious, last: self.state.last, endOffset: UInt64(self.state.durableEnd),
            timeMillis: self.state.timeMillis, acknowledged: self.state.acknowledged,
            shards: self.index.map {
                .init(stream: $0.key.stream, shard: $0.key.shard, index: $0.value)
            }.sorted { ($0.stream, $0.shard) < ($1.stream, $1.shard) })
    }

    private func finalSize(_ footer: SegmentFooter) -> Int {
        guard self.isCut else { return self.state.size }
        let entries = footer.shards.reduce(0) { $0 + $1.index.entries.count }
        let cut = self.state.durableEnd + SegmentFooter.diskBytes(shards: footer.shards.count, entries: entries)
        return min(cut, self.state.size)
    }
}

extension UpkeepTask: CustomStringConvertible {
    package var description: String {
        switch self {
        case .prepare(let preparation): "make \(preparation)"
        case .fill(let job):
            "\(job.fill.bytes) zeros at \(job.fill.offset) of \(Segment.fileName(job.fill.segment.header.file))"
        case .footer(let job):
            "footer of \(Segment.fileName(job.segment.header.file)), up to \(job.state.last.lsn)"
        case .snapshot(let snapshot): "snapshot of \(snapshot.lsn)"
        case .remove(let names): "remove \(names.joined(separator: ", "))"
        }
    }
}

extension UpkeepTask {
    /// What it is about: when a task with this subject succeeds, its earlier failures are over.
    var subject: String {
        switch self {
        case .prepare: "prepare"
        case .fill: "fill"
        case .footer(let job): "footer of \(Segment.fileName(job.segment.header.file))"
        case .snapshot: "snapshot"
        case .remove: "remove"
        }
    }

    /// Does the work on the calling thread.
    package func perform(_ fileSystem: any FileSystem) throws(FileError) -> UpkeepDone {
        switch self {
        case .prepare(let preparation): return .prepared(try preparation.perform(fileSystem))
        case .fill(let job):
            try job.perform()
            return .filled
        case .footer(let job):
            return .footer(size: try job.perform(fileSystem))
        case .snapshot(let snapshot): return .snapshot(checksum: try snapshot.perform(fileSystem))
        case .remove(let names):
            try Self.remove(names, fileSystem)
            return .removed
        }
    }

    /// One that cannot be unlinked holds up no other, and what has gone before is no failure.
    private static func remove(_ names: [String], _ fileSystem: any FileSystem) throws(FileError) {
        var failure: FileError?
        for name in names {
            do throws(FileError) {
                try fileSystem.remove(name)
            } catch {
                if error.kind != .notFound { failure = failure ?? error }
            }
        }
        try fileSystem.syncFolder()
        if let failure { throw failure }
    }

    /// As `perform`, with the failure as a value.
    package func result(_ fileSystem: any FileSystem) -> Result<UpkeepDone, FileError> {
        do throws(FileError) { return .success(try self.perform(fileSystem)) } catch { return .failure(error) }
    }
}

extension LogCore {
    /// Shards that one stay under the lock looks at for the sake of a segment that is full or dropped.
    static var shardsAtOnce: Int { 1024 }

    /// The most urgent upkeep, or nothing. One task at a time; `finished` reports it. Without a time nothing is filled
    /// ahead.
    package func nextUpkeep(nowNanos: UInt64? = nil) -> UpkeepTask? {
        switch self.state {
        case .stopped, .recovering: return nil
        case .serving, .closing: break
        }
        if let footer = self.takeFooter(shards: Self.shardsAtOnce) { return .footer(footer) }
        if let snapshot = self.snapshots.take() { return .snapshot(snapshot) }
        let old =
            self.snapshots.takeOld(durable: self.durableLSN)
            + self.files.takeUseless().map { Segment.fileName($0.file) }
        if !old.isEmpty { return .remove(old) }
        if let preparation = self.wantsPreparation() { return .prepare(preparation) }
        return nowNanos.flatMap { self.takeFill(nowNanos: $0) }.map { .fill($0) }
    }

    /// A task ended, well or not. It must be one of this core: what an earlier term began counts for nothing.
    package func finished(_ task: UpkeepTask, _ result: Result<UpkeepDone, FileError>) {
        self.commits.waitsForUpkeep = false
        switch (task, result) {
        case (.prepare(let preparation), .success(.prepared(let file))): self.prepared(preparation, .success(file))
        case (.prepare(let preparation), .failure(let error)): self.prepared(preparation, .failure(error))
        case (.fill(let job), let result): self.filled(job, result)
        case (.footer(let job), .success(.footer(let size))): self.footerDone(job.segment, size: size)
        case (.snapshot(let snapshot), .success(.snapshot(let checksum))):
            self.snapshotDone(snapshot, checksum: checksum)
        case (.snapshot, .failure): self.snapshots.failed()
        case (.footer(let job), .failure): self.upkeep.footers.failed(job.segment.header.order)
        case (.remove, .success):
            self.snapshots.oldRemoved()
            // An open file would keep its bytes on the disk.
            for file in self.files.removed() { self.reading.files.forget(file.file) }
        case (.remove, .failure):
            self.snapshots.oldNotRemoved()
            self.files.removeFailed()
        default: break
        }
    }

    /// Whether `retain` should be called: every second, and when a segment filled up.
    package func retentionIsDue(nowNanos: UInt64) -> Bool { self.retention.waits.isDue(nowNanos: nowNanos) }

    /// No more requests are taken; what was admitted becomes durable, with a snapshot that makes the next start short.
    package func beginClosing() {
        guard case .serving = self.state else { return }
        self.state = .closing
        self.snapshots.hurry()
        if self.activity.lastContent > (self.snapshots.kept.last?.lsn ?? .none) { self.snapshots.demand() }
        if !self.commits.open.isEmpty || self.snapshots.capturesNext { self.closeOpen() }
    }

    /// What came up while the log closed: it becomes durable before the commit that proves it.
    package func closeLast() {
        guard case .closing = self.state, !self.commits.open.isEmpty else { return }
        self.closeOpen()
    }

    /// The last commit of a clean stop: empty, it proves what was acknowledged.
    package func finishClosing() {
        guard case .closing = self.state else { return }
        self.closeOpen()
    }
}
