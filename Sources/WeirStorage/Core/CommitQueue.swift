// SPDX-License-Identifier: Apache-2.0
import WeirLog

/// The commits of a term from their opening to their acknowledgement: the pipeline says which may go, this holds them.
struct CommitQueue {
    var pipeline: CommitPipeline
    var open: CommitInProgress
    /// Closed, in order, waiting for the disk.
    var closed: [CommitInProgress] = []
    /// Being written, in order.
    var writing: [CommitInProgress] = []
    /// The next commit has its place in a segment that upkeep is at work on, and the end of that is told.
    var waitsForUpkeep = false
    /// Changes of leases that the next commit opens with.
    var waitingEvents: WaitingEvents
    let buffers: BufferPool

    init(cut: LSN, first: LSN, catalogVersion: UInt64, bounds: CommitBounds, buffers: BufferPool) {
        self.pipeline = CommitPipeline(last: cut, next: first)
        self.open = CommitInProgress(lsn: first, catalogVersion: catalogVersion, bounds: bounds, pool: buffers)
        self.waitingEvents = WaitingEvents(bounds)
        self.buffers = buffers
    }

    /// Bytes that wait for the disk, those of the open commit with them.
    var pendingBytes: Int { self.pipeline.pendingBytes + self.open.length }

    /// Closed commits that are not acknowledged, whole blocks each.
    var closedBytes: Int { self.pipeline.pendingBytes + self.closed.count * LogFormat.block }

    /// The commit that holds the last thing that was admitted.
    var head: LSN {
        if !self.waitingEvents.isEmpty { return self.open.lsn.next }
        if !self.open.isEmpty { return self.open.lsn }
        return self.closed.last?.lsn ?? self.writing.last?.lsn ?? self.pipeline.watermark
    }

    /// Whether a commit is on its way to the segment.
    func writes(to segment: Segment) -> Bool { self.writing.contains { $0.segment === segment } }

    /// A write has failed: nothing that is here will be acknowledged.
    mutating func fail() {
        _ = self.pipeline.failed()
        self.closed.removeAll()
        self.writing.removeAll()
    }
}
