// SPDX-License-Identifier: Apache-2.0
import WeirLog
import WeirModel

/// A segment to be made ready: a recycled file when there is one that fits, else a new one.
package struct SegmentPreparation {
    let header: SegmentHeader
    /// The file exists and was written over its whole length before.
    package let recycled: Bool
    /// No commit waits for it.
    let ahead: Bool
    /// Bytes over which zeros are written at once: only where no commit can come yet. Elsewhere they come in pieces,
    /// when the disk has time (`WriteAhead`).
    var filled = 0
}

extension LogCore {
    /// Bytes that all log files take on disk.
    package var logBytes: Int64 {
        var total: Int64 = 0
        for segment in self.segments { total += Int64(segment.size) }
        for segment in self.ready { total += Int64(segment.size) }
        for preparation in self.preparing where !preparation.recycled { total += Int64(preparation.header.size) }
        for file in self.recyclable + self.recycling + self.removing + self.setAside { total += Int64(file.size) }
        for item in self.dropping { total += Int64(item.segment.size) }
        return total
    }

    var logBytesMax: Int64 {
        self.configuration.logBytesMax ?? min(20 << 30, self.diskSpace.total / 5)
    }

    /// A part of the budget that puts cannot take: events that give space back must have a place in a full log.
    private var reservedBytes: Int64 {
        min(2 * Int64(self.configuration.segmentBytesMin), self.logBytesMax / 4)
    }

    /// The disk is full where not even this much can be had: a header, a few commits and a footer.
    static let segmentBytesLeast = 32 << 10

    var freeBytesFloor: Int64 {
        self.configuration.freeBytesFloor ?? min(2 << 30, self.diskSpace.total / 20)
    }

    /// Segments start small and grow with the log, to a quarter of it at most, from 4 to 256 MiB by default; where
    /// space is short they are smaller. Larger ones would feed themselves under a size cap: a whole segment goes when
    /// the next one holds the cap, and a log of two segments that asks for half of it doubles with each. What only
    /// waits to be dropped is no part of the log for the same reason.
    private func nextSegmentBytes(atLeast bytes: Int) -> Int {
        let enough = self.configuration.segmentBytesMax * 4
        var used = 0
        for segment in self.segments.reversed() where used < enough && !self.isBeyondCaps(segment) {
            used += segment.plannedEnd
        }
        var size = self.configuration.segmentBytesMin
        while size < used / 4, size < self.configuration.segmentBytesMax { size *= 2 }
        while size > self.configuration.segmentBytesMin, !self.mayGrow(by: size) { size /= 2 }
        // The disk has less than that: what there is must do.
        while Int64(size) > self.diskSpace.free, size / 2 >= Self.segmentBytesLeast { size /= 2 }
        while size < bytes { size *= 2 }
        return size
    }

    /// What waits for a place in the log, with what its segment needs beside it.
    private var waitingBytes: Int {
        let waiting = self.pipeline.pendingBytes + self.closed.count * LogFormat.block + self.open.length
        return waiting + self.configuration.segmentBytesMin / 4 + self.openFooterBytes + Self.segmentOverhead
    }

    private static let segmentOverhead = SegmentHeader.bytes + LogFormat.block * 4

    /// As `nextSegmentBytes`, and where the budget is short large enough for all that waits: puts were admitted because
    /// one segment more takes them all, so no smaller one may use up the budget.
    private func plannedSegmentBytes(atLeast bytes: Int) -> Int {
        let size = self.nextSegmentBytes(atLeast: bytes)
        let all = self.nextSegmentBytes(atLeast: max(bytes, self.waitingBytes))
        return all > size && !self.mayGrow(by: size + all) && self.mayGrow(by: all) ? all : size
    }

    /// Whether not even the smallest segment may be added.
    var isShortOfSpace: Bool { !self.mayGrow(by: self.configuration.segmentBytesMin) }

    /// Whether a segment that is being made ahead will do, and there is no room for another one beside it.
    func waitsForPreparation(of bytes: Int) -> Bool {
        self.preparing.contains { $0.header.size >= UInt64(bytes) }
            && !self.recyclable.contains { $0.size >= bytes }
            && !self.mayGrow(by: self.nextSegmentBytes(atLeast: bytes))
    }

    /// Whether a new file of this size keeps budget and disk, and leaves what is reserved.
    private func mayGrow(by bytes: Int) -> Bool {
        self.logBytes + Int64(bytes) <= self.logBytesMax - self.reservedBytes
            && self.diskSpace.free - Int64(bytes) > self.freeBytesFloor
    }

    /// Why `bytes` more in the open commit cannot be promised a place in the log; `nil` when they can.
    func noSpace(for bytes: Int) -> String? {
        if let refusal = self.pipeline.refusal { return "the disk takes no more (\(refusal)): free some space" }
        let more = LogFormat.padded(self.open.length + bytes)
        let reserve = self.configuration.segmentBytesMin / 4 + self.openFooterBytes
        let waiting = self.pipeline.pendingBytes + self.closed.count * LogFormat.block
        let active = self.active.map { $0.size - $0.plannedEnd } ?? 0
        if waiting + more + reserve <= active { return nil }
        // A commit is not divided, so each segment may leave almost the largest one's room unused at its end.
        let largest = self.closed.reduce(more) { max($0, LogFormat.padded($1.length)) } + reserve
        let overhead = Self.segmentOverhead
        var room = largest
        var fits = false
        // Asked for each put: no arrays.
        func count(_ free: Int) {
            guard free >= largest else { return }
            room += free - largest
            fits = true
        }
        count(active)
        for segment in self.ready { count(segment.size - overhead) }
        for file in self.recyclable { count(file.size - overhead) }
        for file in self.recycling { count(file.size - overhead) }
        for one in self.preparing where !one.recycled { count(Int(one.header.size) - overhead) }
        if fits, room >= waiting + more + reserve { return nil }
        let next = self.nextSegmentBytes(atLeast: waiting + more + reserve + overhead)
        if self.mayGrow(by: next) { return nil }
        if self.logBytes + Int64(next) <= self.logBytesMax - self.reservedBytes {
            return "the disk has \(self.diskSpace.free) bytes free, the log needs \(next) of them and leaves "
                + "\(self.freeBytesFloor) alone: free some space"
        }
        return "the log takes \(self.logBytes) of the \(self.logBytesMax) bytes it may (log-max-bytes): "
            + "shorten a retention, set a maximum size, or raise the budget"
    }

    private var openFooterBytes: Int {
        SegmentFooter.diskBytes(
            shards: self.open.entryCount + (self.active?.plannedShards ?? 0),
            entries: self.open.entryCount + (self.active?.plannedEntries ?? 0))
    }

    /// Plans the next segment and takes its numbers; the caller makes it and reports with `prepared`.
    /// `size` is that of a new file; `nil` lets the log choose.
    func planPreparation(atLeast bytes: Int, ahead: Bool, size wanted: Int? = nil) -> SegmentPreparation {
        let preparation = self.plan(atLeast: bytes, ahead: ahead, size: wanted)
        self.preparing.append(preparation)
        return preparation
    }

    private func plan(atLeast bytes: Int, ahead: Bool, size wanted: Int?) -> SegmentPreparation {
        let size = wanted ?? self.plannedSegmentBytes(atLeast: bytes)
        let order = self.nextOrder
        self.nextOrder += 1
        if let position = self.recyclable.indices.filter({ self.recyclable[$0].size >= max(bytes, size / 4) })
            .max(by: { self.recyclable[$0].size < self.recyclable[$1].size })
        {
            let file = self.recyclable.remove(at: position)
            self.recycling.append(file)
            return SegmentPreparation(
                header: self.segmentHeader(file: file.file, useCount: file.useCount + 1, order: order, size: file.size),
                recycled: true, ahead: ahead)
        }
        let file = self.nextFile
        self.nextFile += 1
        // Known before the disk is asked again.
        self.diskSpace.free -= Int64(size)
        return SegmentPreparation(
            header: self.segmentHeader(file: file, useCount: 1, order: order, size: size), recycled: false,
            ahead: ahead)
    }

    private func segmentHeader(file: UInt64, useCount: UInt32, order: UInt64, size: Int) -> SegmentHeader {
        SegmentHeader(
            logID: self.logID, file: file, useCount: useCount, order: order, size: UInt64(size), term: self.term,
            cut: self.cut, trustedMillis: self.time.trustedMillis)
    }

    /// A planned segment was made, or could not be.
    func prepared(_ preparation: SegmentPreparation, _ result: Result<any File, FileError>) {
        self.preparing.removeAll { $0.header.order == preparation.header.order }
        self.recycling.removeAll { $0.file == preparation.header.file }
        switch result {
        case .success(let file):
            self.making.succeeded()
            let segment = Segment(header: preparation.header, file: file)
            segment.filledTo = preparation.recycled ? segment.size : max(SegmentHeader.bytes, preparation.filled)
            if let active, preparation.header.order < active.header.order {
                // A writer could not wait for it and went on in one that was planned later.
                self.passOver(segment)
                return
            }
            self.ready.append(segment)
            self.ready.sort { $0.header.order < $1.header.order }
        case .failure(let error):
            // What was made ahead is made again later; only what a commit waits for is missed.
            if preparation.ahead { self.making.pause() } else { self.making.fail(error) }
            guard preparation.recycled else {
                self.diskSpace.free += Int64(preparation.header.size)
                return
            }
            let (file, useCount) = (preparation.header.file, preparation.header.useCount)
            let size = Int(preparation.header.size)
            if error.kind == .noDescriptors {
                // It is opened before anything is written: as it was.
                self.recyclable.append(RecyclableFile(file: file, useCount: useCount - 1, size: size))
            } else {
                // A file on which the disk failed is not written to again.
                self.setAside.append(RecyclableFile(file: file, useCount: useCount, size: size))
            }
        }
    }

    /// Takes a ready segment into use. Those before it cannot follow any more: segments are replayed by their order,
    /// and a commit in an older one than the commit before it would count for nothing.
    func takeReady(_ position: Int) -> Segment {
        for segment in self.ready[..<position] { self.passOver(segment) }
        let segment = self.ready[position]
        self.ready.removeFirst(position + 1)
        return segment
    }

    /// Nothing was written to it, so its file may be used again, under a later order.
    private func passOver(_ segment: Segment) {
        self.recyclable.append(
            RecyclableFile(file: segment.header.file, useCount: segment.header.useCount, size: segment.size))
    }

    /// Another attempt at making a segment may be made: there may be space again.
    package func unblock() { self.making.unblock() }

    /// Whether another segment should be prepared in the background: one ahead, a second when the log is busy.
    func wantsPreparation() -> SegmentPreparation? {
        guard case .serving = self.state, self.preparing.isEmpty, !self.making.isPausing, self.ready.count < 2,
            let active = self.active
        else { return nil }
        // A log that hardly moves needs nothing ahead.
        guard active.plannedEnd > active.size / 2 || self.segments.count > 2 else { return nil }
        let size = self.plannedSegmentBytes(atLeast: 0)
        guard self.recyclable.contains(where: { $0.size >= size / 4 }) || self.mayGrow(by: size) else { return nil }
        return self.planPreparation(atLeast: 0, ahead: true)
    }
}

extension LogCore {
    /// The next piece of zeros, when the disk has time for one.
    func takeFill(nowNanos: UInt64) -> FillJob? {
        guard let segment = self.ready.first(where: { $0.filledTo < $0.size }),
            self.writeAhead.mayWrite(nowNanos: nowNanos, isIdle: self.pipeline.isIdle && self.open.isEmpty)
        else { return nil }
        segment.isFilling = true
        let piece = min(WriteAhead.pieceBytes, LogFormat.padded(self.configuration.segmentBytesMin / 4))
        return FillJob(
            segment: segment, file: segment.fileForWriting(), offset: segment.filledTo,
            bytes: min(piece, segment.size - segment.filledTo))
    }

    func filled(_ job: FillJob, _ result: Result<UpkeepDone, FileError>) {
        job.segment.isFilling = false
        switch result {
        case .success: job.segment.filledTo = job.offset + job.bytes
        case .failure:
            // A file on which the disk failed is not written to again.
            self.ready.removeAll { $0 === job.segment }
            self.setAside.append(
                RecyclableFile(
                    file: job.segment.header.file, useCount: job.segment.header.useCount, size: job.segment.size))
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
