// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What a log knows of one segment in use: how far it is planned, how far it is durable, and what lies in it. No I/O.
package struct SegmentState: Sendable {
    package enum Stage: Hashable, Sendable {
        /// Commits go to it.
        case growing
        /// Commits that were planned for it may still be on their way; no other one will go to it.
        case full
        /// The footer is on disk too, so the index may leave memory.
        case footed
    }

    /// What a stream takes in it.
    package struct Share: Hashable, Sendable {
        package var bytes: Int64 = 0
        package var lastArrivalMillis: Int64 = 0
    }

    package let header: SegmentHeader
    /// Bytes of the file; less once an unfinished one was cut.
    package private(set) var size: Int
    package private(set) var stage = Stage.growing
    /// Holds a range that cannot be read: it keeps its bytes as they are and gets no footer.
    package private(set) var isDamaged = false

    // Planned, not yet durable; entries and shards to reserve room for the footer.

    /// Where the next commit goes.
    package private(set) var plannedEnd = SegmentHeader.bytes
    package private(set) var plannedEntries = 0
    package private(set) var plannedShards = 0

    // Durable:

    /// Where the last commit ends.
    package private(set) var durableEnd = SegmentHeader.bytes
    package private(set) var firstPrevious = CommitPoint.origin
    package private(set) var last = CommitPoint.origin
    package private(set) var acknowledged = LSN.none
    package private(set) var timeMillis: Int64 = 0
    /// For retention and size caps.
    package private(set) var streams: [StreamID: Share] = [:]

    package init(header: SegmentHeader, size: Int) {
        self.header = header
        self.size = size
    }

    /// A full one that an earlier term has written, by its footer.
    package init(header: SegmentHeader, size: Int, footer: SegmentFooter) {
        self.init(header: header, size: size)
        self.stage = .footed
        self.durableEnd = Int(clamping: footer.endOffset)
        self.plannedEnd = self.durableEnd
        self.firstPrevious = footer.firstPrevious
        self.last = footer.last
        self.acknowledged = footer.acknowledged
        self.timeMillis = footer.timeMillis
        for shard in footer.shards {
            self.plannedEntries += shard.index.entries.count
            self.add(shard.stream, bytes: shard.index.bytes, lastArrivalMillis: shard.index.lastArrivalMillis)
        }
    }

    // MARK: Growing

    /// Whether a commit of so many bytes and entries fits, with the footer behind it.
    package func fits(bytes: Int, entries: Int) -> Bool {
        let footer = SegmentFooter.diskBytes(
            shards: self.plannedShards + entries, entries: self.plannedEntries + entries)
        return self.plannedEnd + bytes + footer <= self.size
    }

    /// A commit of so many bytes, in whole blocks, and entries goes to it. Returns where.
    package mutating func plan(bytes: Int, entries: Int) -> Int {
        precondition(self.stage == .growing, "no commit goes to a segment that is full")
        defer {
            self.plannedEnd += bytes
            self.plannedEntries += entries
            self.plannedShards += entries
        }
        return self.plannedEnd
    }

    /// No more commits go to it.
    package mutating func fill() { if self.stage == .growing { self.stage = .full } }

    // MARK: Durable

    /// A commit at `offset` is durable, behind those before it.
    package mutating func publish(_ header: CommitHeader, at offset: Int) {
        if self.durableEnd == SegmentHeader.bytes { self.firstPrevious = header.previous }
        self.last = header.point
        self.durableEnd = offset + header.paddedLength
        self.acknowledged = max(self.acknowledged, header.acknowledged)
        self.timeMillis = max(self.timeMillis, header.timeMillis)
    }

    /// A batch is durable. `bytes`: with its placement.
    package mutating func add(_ stream: StreamID, bytes: Int64, lastArrivalMillis: Int64) {
        var share = self.streams[stream] ?? Share()
        share.bytes += bytes
        share.lastArrivalMillis = max(share.lastArrivalMillis, lastArrivalMillis)
        self.streams[stream] = share
    }

    /// The footer is on disk, and the file has that many bytes now.
    package mutating func foot(size: Int) {
        self.stage = .footed
        self.size = size
    }

    // MARK: A start

    /// A start has read a commit and `batches` of it that count.
    package mutating func replay(_ header: CommitHeader, at offset: Int, batches: Int) {
        self.publish(header, at: offset)
        self.plannedEnd = self.durableEnd
        self.plannedEntries += batches
    }

    package mutating func damage() { self.isDamaged = true }

    /// A start has read a damaged one to its end: whatever was seen up to now may lie in it.
    package mutating func endDamaged(seen: LSN) { self.last = CommitPoint(lsn: max(self.last.lsn, seen), checksum: 0) }
}
