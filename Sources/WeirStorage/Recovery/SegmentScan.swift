// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirLog
import WeirModel

/// Reads a segment as it is on the disk, commit by commit, through a window of memory.
struct SegmentScan {
    let header: SegmentHeader
    let file: any File
    let size: Int
    private var window: AlignedMemory
    private var windowOffset = 0
    private var windowBytes = 0
    /// Bytes of blocks that the disk did not give; one that was asked for twice counts twice.
    private(set) var unreadableBytes = 0

    init(header: SegmentHeader, file: any File) {
        self.header = header
        self.file = file
        self.size = file.size / LogFormat.block * LogFormat.block
        self.window = AlignedMemory(uninitialized: 4 << 20)
    }

    /// What stands at a block: a whole commit of this use of the file, or not.
    enum Found {
        case commit(CommitHeader, UnsafeRawBufferPointer)
        case nothing
        case end
    }

    /// The commit at `offset`. The bytes are valid until the next call.
    mutating func commit(at offset: Int) throws(FileError) -> Found {
        guard offset + LogFormat.block <= self.size else { return .end }
        let head = try self.bytes(at: offset, count: LogFormat.block)
        guard let header = try? CommitHeader(reading: head), header.logID == self.header.logID,
            header.useCount == self.header.useCount, header.paddedLength <= LogFormat.commitBytesMax,
            offset + header.paddedLength <= self.size
        else { return .nothing }
        let whole = try self.bytes(at: offset, count: header.paddedLength)
        guard header.checksumMatches(whole) else { return .nothing }
        return .commit(header, whole)
    }

    private mutating func bytes(at offset: Int, count: Int) throws(FileError) -> UnsafeRawBufferPointer {
        if offset < self.windowOffset || offset + count > self.windowOffset + self.windowBytes {
            if count > self.window.raw.count { self.window = AlignedMemory(uninitialized: LogFormat.padded(count)) }
            self.windowOffset = offset
            let wanted = min(self.window.raw.count, self.size - offset)
            let target = UnsafeMutableRawBufferPointer(rebasing: self.window.raw[0..<wanted])
            let read = try self.file.readAround(at: offset, into: target)
            self.windowBytes = read.count
            self.unreadableBytes += read.unreadable
            guard self.windowBytes >= count else {
                throw FileError(.io, "\(Segment.fileName(self.header.file)) ends before byte \(offset + count)")
            }
        }
        return UnsafeRawBufferPointer(
            rebasing: self.window.raw[offset - self.windowOffset..<offset - self.windowOffset + count])
    }
}

/// Walks the batches of a commit that has passed its checksum.
enum CommitContents {
    /// Calls `body` with each placement and its offset in the commit; false when they do not fill the section.
    static func forEachBatch<E: Error>(
        _ header: CommitHeader, _ commit: UnsafeRawBufferPointer,
        _ body: (Placement, Int) throws(E) -> Void
    ) throws(E) -> Bool {
        var offset = header.batchesOffset
        let end = header.length
        var count = 0
        while offset < end {
            guard offset + Placement.bytes <= end,
                let placement = try? Placement(reading: commit.slice(offset, Placement.bytes)),
                offset + placement.totalLength <= end
            else { return false }
            try body(placement, offset)
            offset += placement.totalLength
            count += 1
        }
        return count == header.batchCount
    }
}
