// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// One log as it runs: catalog, shards, the open commit, the pipeline, segments, index and memory tail.
///
/// It decides and keeps books; it does no I/O and reads no clock. Writer and background threads take work from it and
/// report back; the simulator does the same with one thread and a disk that forgets. Everything here runs under the
/// log's lock.
///
/// The machines run ahead of the disk. What is told to anybody carries a `Mark` and waits until a `Watermark` says that
/// it is reached.
package final class LogCore {
    let configuration: StorageConfiguration
    let logID: UInt64
    package let term: UInt64
    /// The last valid commit when the term began.
    package let cut: CommitPoint
    let pool: BufferPool

    /// The streams: as planned, as durable, and the changes between.
    var streams: Visibility<Catalog, CatalogChange>
    var shards = ShardTable()
    var pipeline: CommitPipeline
    var open: CommitInProgress
    /// Closed, in order, waiting for the disk or being written.
    var closed: [CommitInProgress] = []
    var writing: [CommitInProgress] = []
    /// Where the state lies that is told of.
    var positions: TermPositions
    /// Runs ahead of the disk like the catalog. Readers have no copy of it: what is told of it waits for `leaseLSN`.
    package internal(set) var leases: LeaseTable
    /// Changes of leases that the next commit opens with.
    var waitingEvents: WaitingEvents
    var time: LogTime
    var tail: MemoryTail

    var segments: [Segment] = []
    var active: Segment?
    /// The files beside those in use, and whether there may be more.
    var files: SegmentPool<Segment, FileError>
    let readFiles: ReadFiles

    var snapshots: Snapshots<PendingSnapshot>
    /// Footers that are to be written, and what the start has not read.
    var upkeep = SegmentUpkeep()
    var indexClock: UInt64 = 0
    /// What has become durable, and what the disk proves of it.
    var activity: LogActivity
    /// From when on the records of a stream may be deleted.
    package internal(set) var deletionWaits = DeletionWaits(found: [:], nanos: 0)
    /// What streams with a maximum size take.
    var capped = CappedStreams()
    var state = State.serving

    enum State {
        case serving
        case recovering
        case stopped(String)
        case closing
    }

    init(
        configuration: StorageConfiguration, logID: UInt64, term: UInt64, cut: CommitPoint, firstLSN: LSN,
        catalog: Catalog, leases: LeaseTable, time: LogTime, files: SegmentPool<Segment, FileError>,
        snapshots: Snapshots<PendingSnapshot>, nowNanos: UInt64, pool: BufferPool
    ) {
        self.configuration = configuration
        self.logID = logID
        self.term = term
        self.cut = cut
        self.pool = pool
        self.streams = Visibility(catalog)
        self.leases = leases
        self.pipeline = CommitPipeline(last: cut.lsn, next: firstLSN)
        self.open = CommitInProgress(
            lsn: firstLSN, catalogVersion: catalog.version, bounds: configuration.commitBounds, pool: pool)
        self.waitingEvents = WaitingEvents(configuration.commitBounds)
        self.positions = TermPositions(log: logID, term: term, cut: cut.lsn)
        self.time = time
        self.readFiles = ReadFiles(max: configuration.readFilesMax)
        self.tail = MemoryTail(bytesMax: configuration.tailBytes)
        self.files = files
        self.snapshots = snapshots
        self.activity = LogActivity(cut: cut.lsn, nowNanos: nowNanos)
    }

    deinit {
        // Segments and shards name each other: without this a core that was replaced would keep its files open.
        for segment in self.segments + self.files.dropping.map(\.segment) { segment.forgetShards() }
    }

    package var durableLSN: LSN { self.pipeline.watermark }

    /// Runs ahead of the disk: what puts and commands are judged by.
    package var catalog: Catalog { self.streams.planned }

    /// The catalog as of `durableLSN`, which no crash undoes: what readers see.
    package var durableCatalog: Catalog { self.streams.durable }

    /// Why requests cannot be taken now; `nil` when they can.
    package func unavailable() -> WeirError? {
        switch self.state {
        case .serving: nil
        case .recovering:
            WeirError(
                .unavailable, "the node is recovering from a failed write; try again",
                verdict: .init(maybeStored: false, retry: .after(200)))
        case .stopped(let reason): WeirError(.unavailable, "the node has stopped: \(reason)")
        case .closing: WeirError(.unavailable, "the node is shutting down")
        }
    }

    package var counters: LogActivity.Counters { self.activity.counters }

    /// For the term after this one, when a write has failed.
    package var continuation: Recovery.Continuation {
        .init(logID: self.logID, lsn: self.open.lsn, time: self.time, end: self.watermark.end)
    }

    package func shard(_ ref: ShardRef) -> ShardState? { self.shards[ref] }

    /// Time that never falls: arrivals and events are stamped with it.
    func stamp(_ nowMillis: Int64) -> Int64 { self.time.stamp(nowMillis) }
}
