// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirLog
import WeirModel

/// A segment to be made ready: a recycled file when there is one that fits, else a new one.
package struct SegmentPreparation {
    let header: SegmentHeader
    /// The file exists and was written over its whole length before.
    package let recycled: Bool
    /// Bytes over which zeros are written at once: only where no commit can come yet. Elsewhere they come in pieces,
    /// when the disk has time (`WriteAhead`).
    var filled = 0
}

extension LogCore {
    /// Bytes that all log files take on disk.
    package var logBytes: Int64 { self.files.bytes }

    /// Bytes of segments in use, as far as they matter for the size of the next one. What only waits to be dropped is
    /// no part of the log.
    private var usedBytes: Int {
        var used = 0
        for segment in self.segments.reversed() where !self.isBeyondCaps(segment) {
            used += segment.plannedEnd
            if used >= self.files.enough { break }
        }
        return used
    }

    /// What commits need beside them at the end of their segment.
    private var reserveBytes: Int { self.files.budget.segmentBytesMin / 4 + self.openFooterBytes }

    private func plannedSegmentBytes(atLeast bytes: Int) -> Int {
        let waiting =
            self.commits.closedBytes + self.commits.open.length + self.reserveBytes + LogBudget.segmentOverhead
        return self.files.plannedSegmentBytes(atLeast: bytes, waiting: waiting, used: self.usedBytes)
    }

    /// Whether a segment that is being made ahead will do, and there is no room for another one beside it.
    func waitsForPreparation(of bytes: Int) -> Bool {
        self.files.waitsForPreparation(of: bytes) { self.usedBytes }
    }

    /// Why `bytes` more in the open commit cannot be promised a place in the log; `nil` when they can.
    ///
    /// Asked for each put, so it reads stored values only: a computed one of a value that the log holds copies all of
    /// that value first.
    func noSpace(for bytes: Int) -> String? {
        if self.commits.pipeline.refusal != nil {
            return "the disk takes no more (\(self.commits.pipeline.refusal ?? "")): free some space"
        }
        let open = self.commits.open
        let entries = open.entryCount
        let more = LogFormat.padded(open.length + bytes)
        let closed = self.commits.pipeline.pendingBytes + self.commits.closed.count * LogFormat.block
        var (room, shards, planned) = (0, entries, entries)
        if let active = self.active {
            room = active.size - active.state.plannedEnd
            shards += active.state.plannedShards
            planned += active.state.plannedEntries
        }
        let reserve =
            self.files.budget.segmentBytesMin / 4 + SegmentFooter.diskBytes(shards: shards, entries: planned)
        let all = closed + more + reserve
        if all <= room { return nil }
        let largest = self.commits.closed.reduce(more) { max($0, LogFormat.padded($1.length)) } + reserve
        return self.files.refusal(of: Backlog(all: all, largest: largest, activeRoom: room)) { self.usedBytes }
    }

    private var openFooterBytes: Int {
        SegmentFooter.diskBytes(
            shards: self.commits.open.entryCount + (self.active?.state.plannedShards ?? 0),
            entries: self.commits.open.entryCount + (self.active?.state.plannedEntries ?? 0))
    }

    /// Plans the next segment and takes its numbers; the caller makes it and reports with `prepared`.
    /// `size` is that of a new file; `nil` lets the log choose.
    func planPreparation(atLeast bytes: Int, ahead: Bool, size wanted: Int? = nil) -> SegmentPreparation {
        let size = wanted ?? self.plannedSegmentBytes(atLeast: bytes)
        let plan = self.files.plan(atLeast: bytes, size: size, isAhead: ahead)
        let header = SegmentHeader(
            logID: self.logID, file: plan.file.file, useCount: plan.file.useCount, order: plan.order,
            size: UInt64(plan.file.size), term: self.term, cut: self.cut,
            trustedMillis: self.retention.time.trustedMillis)
        return SegmentPreparation(header: header, recycled: plan.isRecycled)
    }

    /// A planned segment was made, or could not be.
    func prepared(_ preparation: SegmentPreparation, _ result: Result<any File, FileError>) {
        let order = preparation.header.order
        switch result {
        case .success(let file):
            let segment = Segment(header: preparation.header, file: file)
            self.files.made(
                order, segment, size: segment.size,
                filledTo: preparation.recycled ? segment.size : max(SegmentHeader.bytes, preparation.filled),
                activeOrder: self.active?.header.order)
        case .failure(let error):
            let leftover: SegmentPool<Segment, FileError>.Leftover =
                switch error.kind {
                // It is opened before anything is written.
                case .noDescriptors: .untouched
                case .noSpace: .withoutSpace
                default: .failed
                }
            self.files.failed(order, error, file: leftover)
        }
    }

    /// Another attempt at making a segment may be made: there may be space again.
    package func unblock() { self.files.unblock() }

    /// Whether another segment should be prepared beside the commits: one ahead, a second when the log is busy.
    func wantsPreparation() -> SegmentPreparation? {
        guard case .serving = self.state, self.files.takesOneAhead, let active = self.active,
            // A log that hardly moves needs nothing ahead.
            active.plannedEnd > active.size / 2 || self.segments.count > 2,
            self.files.hasRoomAhead(of: self.plannedSegmentBytes(atLeast: 0))
        else { return nil }
        return self.planPreparation(atLeast: 0, ahead: true)
    }

    /// The next piece of zeros, when the disk has time for one.
    func takeFill(nowNanos: UInt64) -> FillJob? {
        let fill = self.files.takeFill(
            nowNanos: nowNanos, isIdle: self.commits.pipeline.isIdle && self.commits.open.isEmpty,
            pieceMax: LogFormat.padded(self.files.budget.segmentBytesMin / 4))
        return fill.map { FillJob(fill: $0, file: $0.segment.fileForWriting()) }
    }

    func filled(_ job: FillJob, _ result: Result<UpkeepDone, FileError>) {
        switch result {
        case .success: self.files.filled(job.fill.order, upTo: job.fill.offset + job.fill.bytes)
        case .failure: self.files.filled(job.fill.order, upTo: nil)
        }
    }
}

extension SegmentPreparation: CustomStringConvertible {
    package var description: String {
        "\(Segment.fileName(self.header.file)), use \(self.header.useCount), order \(self.header.order), "
            + "\(self.header.size) bytes"
    }

    /// Makes the file, or the old one new: header copies one after the other with a sync between, so that a crash
    /// leaves one that is whole, of the old use or of the new one.
    func perform(_ fileSystem: any FileSystem) throws(FileError) -> any File {
        let name = Segment.fileName(self.header.file)
        let size = Int(self.header.size)
        let file: any File
        if self.recycled {
            file = try fileSystem.open(name, .log)
        } else {
            file = try fileSystem.open(name, .create(bytes: size))
            try self.writeZeros(file, min(size, self.filled))
        }
        let first = self.recycled ? try self.makeOneCopyDurable(fileSystem, file) : 0
        let block = AlignedMemory(bytes: LogFormat.block)
        self.header.write(to: block.raw)
        for copy in [first, 1 - first] {
            try file.write(UnsafeRawBufferPointer(block.raw), at: copy * LogFormat.block)
            try file.sync()
        }
        if !self.recycled { try fileSystem.syncFolder() }
        return file
    }

    /// Returns the header copy that can be spared: not the newest whole one, which a crash may have left alone.
    ///
    /// The other one is written again and synced first. An earlier attempt may have ended in a sync that failed, and
    /// the system may go on showing from its memory what is torn on the disk; overwriting the second copy then would
    /// leave none. Where the disk holds the copy, writing the same bytes over it tears nothing.
    private func makeOneCopyDurable(_ fileSystem: any FileSystem, _ target: any File) throws(FileError) -> Int {
        let blocks = AlignedMemory(bytes: SegmentHeader.bytes)
        let file = try fileSystem.open(Segment.fileName(self.header.file), .readDisk)
        _ = try file.read(at: 0, into: blocks.raw)
        let copies = [0, 1].map { UnsafeRawBufferPointer(blocks.raw).slice($0 * LogFormat.block, LogFormat.block) }
        let uses = copies.map { (try? SegmentHeader(reading: $0))?.useCount ?? 0 }
        let kept = uses[0] > uses[1] ? 0 : 1
        if uses[kept] > 0 {
            try target.write(copies[kept], at: kept * LogFormat.block)
            try target.sync()
        }
        return 1 - kept
    }

    private func writeZeros(_ file: any File, _ size: Int) throws(FileError) {
        guard size > SegmentHeader.bytes else { return }
        let zeros = AlignedMemory(bytes: min(size, 1 << 20))
        var offset = SegmentHeader.bytes
        while offset < size {
            let count = min(zeros.raw.count, size - offset)
            try file.write(UnsafeRawBufferPointer(rebasing: zeros.raw[0..<count]), at: offset)
            offset += count
        }
        try file.sync()
    }
}
