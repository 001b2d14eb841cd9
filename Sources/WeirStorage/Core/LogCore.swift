// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel

/// One log as it runs: catalog, shards, the open commit, the pipeline, segments, index and memory tail.
///
/// It decides and keeps books; it does no I/O and reads no clock. Threads of the writers and of upkeep take work from
/// it and report back; the simulator does the same with one thread and a disk that forgets. Everything here runs under
/// the log's lock.
///
/// The machines run ahead of the disk. What is told to anybody carries a `Mark` and waits until a `Watermark` says that
/// it is reached.
package final class LogCore {
    let configuration: StorageConfiguration
    /// Where the state lies that is told of: log, term, and positions in it.
    var positions: TermPositions
    var state = State.serving
    /// The commits that are not acknowledged.
    var commits: CommitQueue
    /// The streams: as planned, as durable, and the changes between.
    var streams: Visibility<Catalog, CatalogChange>
    var shards = ShardTable()
    /// Runs ahead of the disk like the planned streams. Readers have no copy of it: what is told of it waits for
    /// `leaseLSN`.
    package internal(set) var leases: LeaseTable
    /// Those in use, in the order of replay.
    var segments: [Segment] = []
    var active: Segment?
    /// The files beside those in use, and whether there may be more.
    var files: SegmentPool<Segment, FileError>
    var reading: ReadMemory
    var snapshots: Snapshots<PendingSnapshot>
    /// Footers that are to be written, and what the start has not read.
    var upkeep = SegmentUpkeep()
    /// What has become durable, and what the disk proves of it.
    var activity: LogActivity
    /// What is hidden, and what may be deleted.
    var retention: Retention

    enum State {
        case serving
        case recovering
        case stopped(String)
        case closing
    }

    /// What a start has made of the folder.
    struct Start {
        let logID: UInt64
        let term: UInt64
        /// The last valid commit.
        let cut: CommitPoint
        /// The first number of the term.
        let firstLSN: LSN
        let catalog: Catalog
        let leases: LeaseTable
        let time: LogTime
        let files: SegmentPool<Segment, FileError>
        let snapshots: Snapshots<PendingSnapshot>
        let nowNanos: UInt64
    }

    init(_ configuration: StorageConfiguration, _ start: Start, pool: BufferPool) {
        self.configuration = configuration
        self.positions = TermPositions(log: start.logID, term: start.term, cut: start.cut)
        self.commits = CommitQueue(
            cut: start.cut.lsn, first: start.firstLSN, catalogVersion: start.catalog.version,
            bounds: configuration.commitBounds, buffers: pool)
        self.streams = Visibility(start.catalog)
        self.leases = start.leases
        self.files = start.files
        self.reading = ReadMemory(configuration)
        self.snapshots = start.snapshots
        self.activity = LogActivity(cut: start.cut.lsn, nowNanos: start.nowNanos)
        self.retention = Retention(time: start.time)
    }

    deinit {
        // Segments and shards name each other: without this a core that was replaced would keep its files open.
        for segment in self.segments + self.files.dropping.map(\.segment) { segment.forgetShards() }
    }

    var logID: UInt64 { self.positions.log }
    package var term: UInt64 { self.positions.term }
    /// The last valid commit when the term began.
    package var cut: CommitPoint { self.positions.cut }
    package var durableLSN: LSN { self.commits.pipeline.watermark }
    var pipeline: CommitPipeline { self.commits.pipeline }
    var time: LogTime { self.retention.time }

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
                verdict: .init(maybeStored: false, retry: .after(millis: 200)))
        case .stopped(let reason): WeirError(.unavailable, "the node has stopped: \(reason)")
        case .closing: WeirError(.unavailable, "the node is shutting down")
        }
    }

    package var counters: LogActivity.Counters { self.activity.counters }

    /// For the term after this one, when a write has failed.
    package var continuation: Recovery.Continuation {
        .init(logID: self.logID, lsn: self.commits.open.lsn, time: self.retention.time, end: self.watermark.end)
    }

    package func shard(_ ref: ShardRef) -> ShardState? { self.shards[ref] }

    /// Time that never falls: arrivals and events are stamped with it.
    func stamp(_ nowMillis: Int64) -> Int64 { self.retention.time.stamp(nowMillis) }
}
