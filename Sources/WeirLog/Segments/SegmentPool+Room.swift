// SPDX-License-Identifier: Apache-2.0

/// What a log may take of the disk, in bytes.
package struct LogBudget: Hashable, Sendable {
    package let segmentBytesMin: Int
    package let segmentBytesMax: Int
    /// All files together; `nil`: a fifth of the disk, and at most 20 GiB.
    package let logBytesMax: Int64?
    /// What is left alone of the disk; `nil`: a twentieth of it, and at most 2 GiB.
    package let freeBytesFloor: Int64?

    /// The disk is full where not even this much can be had: a header, a few commits and a footer.
    package static let segmentBytesLeast = 32 << 10
    /// What a segment needs beside its commits.
    package static let segmentOverhead = SegmentHeader.bytes + LogFormat.block * 4

    package init(segmentBytesMin: Int, segmentBytesMax: Int, logBytesMax: Int64?, freeBytesFloor: Int64?) {
        self.segmentBytesMin = segmentBytesMin
        self.segmentBytesMax = segmentBytesMax
        self.logBytesMax = logBytesMax
        self.freeBytesFloor = freeBytesFloor
    }
}

package struct DiskSpace: Hashable, Sendable {
    /// In bytes; below zero when more was planned than there is.
    package var free: Int64
    package var total: Int64

    package init(free: Int64, total: Int64) {
        self.free = free
        self.total = total
    }
}

/// Commits that wait for a place in the log, in bytes.
package struct Backlog: Hashable, Sendable {
    /// All of them, with what their segment needs at its end.
    package let all: Int
    /// The largest of them, with the same.
    package let largest: Int
    /// Left in the active segment.
    package let activeRoom: Int

    package init(all: Int, largest: Int, activeRoom: Int) {
        self.all = all
        self.largest = largest
        self.activeRoom = activeRoom
    }
}

/// How large segments are, and whether there is room for another one. `used` are the bytes of the segments in use that
/// are not beyond a size cap, as far as `enough` asks for them.
extension SegmentPool {
    package var bytesMax: Int64 { self.budget.logBytesMax ?? min(20 << 30, self.disk.total / 5) }

    package var freeBytesFloor: Int64 { self.budget.freeBytesFloor ?? min(2 << 30, self.disk.total / 20) }

    /// A part of the budget that puts cannot take: events that give space back must have a place in a full log.
    private var reservedBytes: Int64 { min(2 * Int64(self.budget.segmentBytesMin), self.bytesMax / 4) }

    /// More used bytes do not change the size of a segment.
    package var enough: Int { self.budget.segmentBytesMax * 4 }

    /// Whether a new file of this size keeps budget and disk, and leaves what is reserved.
    package func mayGrow(by bytes: Int) -> Bool {
        self.bytes + Int64(bytes) <= self.bytesMax - self.reservedBytes
            && self.disk.free - Int64(bytes) > self.freeBytesFloor
    }

    /// Whether not even the smallest segment may be added.
    package var isShortOfSpace: Bool { !self.mayGrow(by: self.budget.segmentBytesMin) }

    /// Segments start small and grow with the log, to a quarter of it at most, from 4 to 256 MiB by default; where
    /// space is short they are smaller. Larger ones would feed themselves under a size cap: a whole segment goes when
    /// the next one holds the cap, and a log of two segments that asks for half of it doubles with each. What only
    /// waits to be dropped is no part of the log for the same reason.
    package func nextSegmentBytes(atLeast bytes: Int, used: Int) -> Int {
        let (least, most) = (self.budget.segmentBytesMin, self.budget.segmentBytesMax)
        var size = least
        while size < used / 4, size < most { size *= 2 }
        while size > least, !self.mayGrow(by: size) { size /= 2 }
        // The disk has less than that: what there is must do.
        while Int64(size) > self.disk.free, size / 2 >= LogBudget.segmentBytesLeast { size /= 2 }
        while size < bytes { size *= 2 }
        return size
    }

    /// As `nextSegmentBytes`, and where the budget is short large enough for all that waits: puts were admitted because
    /// one segment more takes them all, so no smaller one may use up the budget.
    package func plannedSegmentBytes(atLeast bytes: Int, waiting: Int, used: Int) -> Int {
        let size = self.nextSegmentBytes(atLeast: bytes, used: used)
        let all = self.nextSegmentBytes(atLeast: max(bytes, waiting), used: used)
        return all > size && !self.mayGrow(by: size + all) && self.mayGrow(by: all) ? all : size
    }

    /// Whether a segment that is being made ahead will do, and there is no room for another one beside it.
    package func waitsForPreparation(of bytes: Int, used: () -> Int) -> Bool {
        self.preparing.contains { $0.file.size >= bytes } && !self.free.contains { $0.size >= bytes }
            && !self.mayGrow(by: self.nextSegmentBytes(atLeast: bytes, used: used()))
    }

    /// Whether another segment may be prepared beside the commits: one ahead, a second when the log is busy.
    package var takesOneAhead: Bool { self.preparing.isEmpty && !self.isPausing && self.ready.count < 2 }

    /// Whether there is a file or room for one ahead of so many bytes.
    package func hasRoomAhead(of size: Int) -> Bool {
        self.free.contains { $0.size >= size / 4 } || self.mayGrow(by: size)
    }

    /// Why commits that wait cannot be promised a place in the log; `nil` when they can. Asked for each put that the
    /// active segment has no room for.
    package func refusal(of backlog: Backlog, used: () -> Int) -> String? {
        // A commit is not divided, so each segment may leave almost the largest one's room unused at its end.
        let overhead = LogBudget.segmentOverhead
        var room = backlog.largest
        var fits = false
        // No arrays.
        func count(_ free: Int) {
            guard free >= backlog.largest else { return }
            room += free - backlog.largest
            fits = true
        }
        count(backlog.activeRoom)
        for one in self.ready { count(one.file.size - overhead) }
        for file in self.free { count(file.size - overhead) }
        for one in self.preparing { count(one.file.size - overhead) }
        if fits, room >= backlog.all { return nil }
        let next = self.nextSegmentBytes(atLeast: backlog.all + overhead, used: used())
        if self.mayGrow(by: next) { return nil }
        if self.bytes + Int64(next) <= self.bytesMax - self.reservedBytes {
            return "the disk has \(self.disk.free) bytes free, the log needs \(next) of them and leaves "
                + "\(self.freeBytesFloor) alone: free some space"
        }
        return "the log takes \(self.bytes) of the \(self.bytesMax) bytes it may (log-max-bytes): "
            + "shorten a retention, set a maximum size, or raise the budget"
    }
}
