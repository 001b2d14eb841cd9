// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel

/// What a writer thread does next.
package enum WriterTask {
    case write(WriteJob)
    /// No segment has room and none is ready: make one now, then ask again.
    case prepare(SegmentPreparation)
    /// There is work and no segment can be made for it.
    case blocked(FileError)
}

/// A commit on its way to the disk. `seal` is called in order of LSN; `perform` then in parallel.
package final class WriteJob: Sendable, CustomStringConvertible {
    let commit: CommitInProgress
    let segment: Segment
    private let file: any File
    private let header: CommitHeader

    init(commit: CommitInProgress, segment: Segment, header: CommitHeader) {
        self.commit = commit
        self.segment = segment
        self.file = segment.fileForWriting()
        self.header = header
    }

    package var lsn: LSN { self.commit.lsn }
    package var description: String {
        "\(self.lsn) of term \(self.term), \(self.header.eventCount) events, \(self.header.batchCount) batches, "
            + "\(self.header.length) bytes, at \(self.commit.offset) of \(Segment.fileName(self.segment.header.file))"
    }
    package var term: UInt64 { self.segment.header.term }
    /// Whether it holds events or records.
    var hasContent: Bool { self.header.eventCount + self.header.batchCount > 0 }
    /// What the first commit of the job's term is chained to.
    package var cut: CommitPoint { self.segment.header.cut }

    /// Frames, checks and chains the commit; returns the point that the next one chains to.
    package func seal(previous: CommitPoint) -> CommitPoint {
        var header = self.header
        header.previous = previous
        return self.commit.seal(header: header)
    }

    /// What a start could not read of the sealed commit; `nil`: nothing. For the simulator and tests.
    package var fault: String? {
        guard let header = self.commit.header else { return "it is not sealed" }
        return SealedCommit.fault(in: self.commit.buffer.raw, header)
    }

    /// Writes and syncs. After success the commit is on disk.
    package func perform() throws(FileError) {
        try self.write()
        try self.sync()
    }

    /// The first half of `perform`.
    package func write() throws(FileError) {
        let length = self.commit.header?.paddedLength ?? 0
        let bytes = UnsafeRawBufferPointer(rebasing: self.commit.buffer.raw[0..<length])
        try self.file.write(bytes, at: self.commit.offset)
    }

    /// The second half.
    package func sync() throws(FileError) {
        try self.segment.sync(self.file)
        self.commit.shrink()
    }
}

/// What became visible with a write.
package struct Acknowledged {
    package let durable: LSN
    package let watermark: Watermark
    package let shards: [ShardRef]
}

extension LogCore {
    /// Whether a writer finds a task now. There may be work and none that can be begun: then whoever writes sleeps
    /// until the upkeep that stands in its way is over.
    package var hasTask: Bool { self.hasWork && !self.commits.waitsForUpkeep }

    /// Whether there is something to write and room in the pipeline. A log that ends ends when there is none.
    package var hasWork: Bool {
        if case .stopped = self.state { return false }
        if case .recovering = self.state { return false }
        if !self.commits.closed.isEmpty { return self.commits.pipeline.mayWrite }
        return !self.commits.open.isEmpty && self.commits.pipeline.mayWriteOpen(bytes: self.commits.open.length)
    }

    /// Whether what waits is enough for a write of its own, however many more puts are on their way: then a writer that
    /// sleeps loses time.
    var isWorthAWrite: Bool { !self.commits.closed.isEmpty || self.commits.open.length >= CommitPipeline.smallBytes }

    /// The next commit for the disk: an older closed one, or the open one as it is.
    package func takeTask() -> WriterTask? {
        self.commits.waitsForUpkeep = false
        guard self.hasWork else { return nil }
        if self.commits.closed.isEmpty { self.closeOpen() }
        let commit = self.commits.closed[0]
        let bytes = LogFormat.padded(commit.length)
        let segment: Segment
        if let active = self.active, active.state.fits(bytes: bytes, entries: commit.entryCount) {
            segment = active
        } else {
            switch self.files.take(bytes: bytes, entries: commit.entryCount) {
            case .segment(let next):
                segment = next
                self.roll(to: segment)
            case .busy:
                self.commits.waitsForUpkeep = true
                return nil
            case .none:
                let need =
                    SegmentHeader.bytes + bytes
                    + SegmentFooter.diskBytes(shards: commit.entryCount, entries: commit.entryCount)
                if let failure = self.files.failure { return .blocked(failure) }
                if self.waitsForPreparation(of: need) {
                    self.commits.waitsForUpkeep = true
                    return nil
                }
                return .prepare(self.planPreparation(atLeast: need, ahead: false))
            }
        }
        self.commits.closed.removeFirst()
        guard self.commits.pipeline.startWriting() == commit.lsn else {
            preconditionFailure("commits are written in order")
        }
        commit.segment = segment
        commit.offset = segment.state.plan(bytes: bytes, entries: commit.entryCount)
        self.commits.writing.append(commit)
        return .write(
            WriteJob(commit: commit, segment: segment, header: self.header(of: commit, in: segment)))
    }

    private func header(of commit: CommitInProgress, in segment: Segment) -> CommitHeader {
        CommitHeader(
            logID: self.logID, term: self.term, lsn: commit.lsn, previous: .origin, acknowledged: self.durableLSN,
            length: commit.length, eventsLength: commit.eventsLength, catalogVersion: commit.catalogVersion,
            eventCount: commit.eventCount, batchCount: commit.entryCount,
            batchesLength: commit.length - CommitHeader.bytes - commit.eventsLength,
            useCount: segment.header.useCount, timeMillis: max(commit.timeMillis, 0),
            trustedMillis: self.retention.time.note())
    }

    private func roll(to segment: Segment) {
        self.active?.state.fill()
        if let active = self.active {
            self.snapshots.demand()
            if !self.commits.writes(to: active) { self.retire(active) }
        }
        self.active = segment
        self.segments.append(segment)
    }

    /// The last commit of a full segment is on the disk. What is written to it from now on is its footer, by a job that
    /// opens the file for itself.
    private func retire(_ segment: Segment) {
        segment.closeFile()
        self.upkeep.footers.demand(segment.header.order)
        self.noteSizes(of: segment, isFull: true)
    }

    /// The first segment of a term becomes the active one.
    func activateFirst() {
        guard case .segment(let segment) = self.files.take(bytes: 0, entries: 0) else {
            preconditionFailure("the first segment of a term was made")
        }
        self.active = segment
        self.segments.append(segment)
    }

    /// A write returned success. Publishes what is acknowledged by it, in order.
    package func written(_ job: WriteJob, nowNanos: UInt64) -> Acknowledged {
        self.activity.note(nowNanos: nowNanos)
        self.files.noteCommit(nowNanos: nowNanos)
        let acknowledged = self.commits.pipeline.written(job.lsn)
        var shards: [ShardRef] = []
        for _ in acknowledged {
            let commit = self.commits.writing.removeFirst()
            self.publish(commit, &shards)
        }
        if !acknowledged.isEmpty { self.reclaimDropped() }
        return Acknowledged(durable: self.durableLSN, watermark: self.watermark, shards: shards)
    }

    /// A term that follows a failed write begins with a commit of its own: that the log serves again is told by the log
    /// itself, and nobody waits for somebody else's put.
    func beginTerm(after end: Watermark.End) {
        self.positions.before = end
        self.closeOpen()
    }

    /// A write or a sync failed. Nothing above the watermark will be acknowledged; the owner recovers under a new term.
    package func failed() {
        self.commits.fail()
        self.state = .recovering
    }

    private func publish(_ commit: CommitInProgress, _ shards: inout [ShardRef]) {
        guard let segment = commit.segment, let header = commit.header else {
            preconditionFailure("an acknowledged commit was sealed and placed")
        }
        segment.state.publish(header, at: commit.offset)
        self.activity.acknowledged(header)
        var last: ShardRef?
        shards.reserveCapacity(shards.count + commit.entries.count)
        for entry in commit.entries {
            self.publish(entry, of: commit, in: segment)
            if entry.shard.ref != last {
                shards.append(entry.shard.ref)
                last = entry.shard.ref
            }
        }
        self.reading.tail.append(commit, segment: segment)
        if header.eventCount > 0 { shards += self.publishEvents(of: commit.lsn) }
        self.settlePendingSnapshot(at: commit.lsn, checksum: header.checksum)
        if segment.isFull, !self.commits.writes(to: segment) { self.retire(segment) }
    }

    private func publish(_ entry: CommitEntry, of commit: CommitInProgress, in segment: Segment) {
        self.add(
            IndexEntry(
                firstIndex: entry.firstIndex, arrivalMillis: entry.arrivalMillis,
                offset: UInt32(commit.offset + entry.offset), length: UInt32(entry.length), count: UInt32(entry.count)),
            to: entry.shard, in: segment)
        self.shards.publish(entry.shard, end: entry.firstIndex + UInt64(entry.count))
    }

    private func add(_ entry: IndexEntry, to shard: ShardState, in segment: Segment) {
        Self.index(entry, shard, segment)
    }

    /// Adds a durable batch to the index of its shard and segment.
    static func index(_ entry: IndexEntry, _ shard: ShardState, _ segment: Segment) {
        if shard.currentSegment !== segment {
            Self.retireCurrent(of: shard)
            shard.currentSegment = segment
            shard.current = ShardIndex()
            segment.begin(
                .init(
                    segment: segment, firstIndex: entry.firstIndex, endIndex: entry.firstIndex,
                    lastArrivalMillis: entry.arrivalMillis),
                of: shard)
        }
        shard.current.append(entry)
        let last = shard.runs.count - 1
        shard.runs[last].endIndex = entry.endIndex
        shard.runs[last].lastArrivalMillis = entry.arrivalMillis
        shard.lastArrivalMillis = max(shard.lastArrivalMillis, entry.arrivalMillis)
        segment.state.add(
            shard.ref.stream, bytes: Int64(entry.length), lastArrivalMillis: entry.arrivalMillis)
    }

    /// The index of a shard's older segment moves to that segment.
    private static func retireCurrent(of shard: ShardState) {
        guard let segment = shard.currentSegment else { return }
        segment.index = segment.index ?? [:]
        segment.index?[shard.ref] = shard.current
        shard.currentSegment = nil
        shard.current = ShardIndex()
    }

    /// Brings the index entries of a full segment together, of so many shards. Whether all are.
    func collectIndex(of segment: Segment, shards max: Int) -> Bool {
        for shard in segment.takeUncollected(max) where shard.currentSegment === segment {
            Self.retireCurrent(of: shard)
        }
        guard segment.isCollected else { return false }
        if segment.index == nil { segment.index = [:] }
        return true
    }

    /// The events of a commit are durable: readers see what they changed. Returns the shards that ended with them.
    private func publishEvents(of lsn: LSN) -> [ShardRef] {
        // Most events are of leases and change no stream.
        let changes = self.streams.settle(upTo: lsn) { $0.take($1.step) }
        for change in changes {
            for shard in change.leaving.values { self.shards.forget(shard) }
        }
        return changes.flatMap(\.ended)
    }

    /// By how much the trusted time may move in a quiet log before a commit carries it: a start that loses it holds
    /// deletion back for as long.
    private static let notedMillisMax: Int64 = 600_000

    /// When nothing happens for a while: one empty commit, so that the disk itself proves what was acknowledged, and
    /// now and then one that carries the trusted time.
    package func closeIdle(nowNanos: UInt64, after idleNanos: UInt64) {
        guard case .serving = self.state, self.commits.pipeline.isIdle, self.commits.open.isEmpty,
            self.activity.isUnproven || self.retention.time.unnotedMillis >= Self.notedMillisMax,
            self.activity.isQuiet(nowNanos: nowNanos, for: idleNanos)
        else { return }
        self.closeOpen()
    }
}
