// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel

/// A log segment in use: its state, its file, and the index of what lies in it. Owned by the `LogCore`; readers hold it
/// to pin the file.
final class Segment: @unchecked Sendable {
    // Unchecked: all that changes is touched under the log's lock only; `header` never changes.
    let header: SegmentHeader
    /// How far it is planned and durable.
    var state: SegmentState
    /// Open as long as commits may go to it, so that a log of any number of segments holds few files. Whoever writes
    /// has taken it with the job.
    private(set) var file: (any File)?
    /// Whether a sync of the file has failed.
    private let syncFailed = Mutex(false)
    /// Found by readers and the scrub, beside what the start found.
    var damagedBytes = DamagedBytes()
    /// The finished index; `nil` while the shards still hold theirs, or when it was given up to save memory.
    var index: [ShardRef: ShardIndex]?
    /// Shards that have a stretch of records in it.
    private(set) var shards: [ShardState] = []
    /// Of so many of them the index was brought together.
    private var collected = 0
    /// Readers of the disk that hold the file.
    var pins = 0
    /// Position among indexes in memory, for giving up the oldest.
    var indexUse: UInt64 = 0

    /// One that was made to be written.
    convenience init(header: SegmentHeader, file: any File) {
        self.init(SegmentState(header: header, size: file.size))
        self.file = file
    }

    /// One that an earlier term has written.
    init(_ state: SegmentState) {
        self.header = state.header
        self.state = state
    }

    var size: Int { self.state.size }
    var isFull: Bool { self.state.stage != .growing }
    var footerWritten: Bool { self.state.stage == .footed }
    var isDamaged: Bool { self.state.isDamaged }
    var plannedEnd: Int { self.state.plannedEnd }
    var durableEnd: Int { self.state.durableEnd }
    var last: CommitPoint { self.state.last }
    var streams: [StreamID: SegmentState.Share] { self.state.streams }

    /// No commit goes to it any more.
    func closeFile() { self.file = nil }

    /// For a job that writes to a segment in use or ready for it.
    func fileForWriting() -> any File {
        guard let file else { preconditionFailure("nothing is written to a segment that is full") }
        return file
    }

    /// One sync at a time, and none after one that failed: the system may have given up the pages of the other commit
    /// in flight with those of the one that was told so, and would call the next sync a success.
    func sync(_ file: any File) throws(FileError) {
        try self.syncFailed.withLock { failed throws(FileError) in
            guard !failed else {
                throw FileError(.io, "an earlier sync of \(Self.fileName(self.header.file)) has failed")
            }
            do throws(FileError) {
                try file.sync()
            } catch {
                failed = true
                throw error
            }
        }
    }

    static func fileName(_ file: UInt64) -> String {
        let digits = String(file)
        return "segment-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits + ".log"
    }

    static func fileNumber(_ name: String) -> UInt64? {
        guard name.hasPrefix("segment-"), name.hasSuffix(".log") else { return nil }
        let digits = name.dropFirst(8).dropLast(4)
        guard digits.count >= 8, digits.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return UInt64(digits)
    }

    /// A shard has its first records in it.
    func begin(_ run: ShardState.Run, of shard: ShardState) {
        shard.runs.append(run)
        self.shards.append(shard)
    }

    /// The next shards, at most so many, whose index is to be brought together.
    func takeUncollected(_ max: Int) -> ArraySlice<ShardState> {
        let next = self.shards[self.collected...].prefix(max)
        self.collected = next.endIndex
        return next
    }

    var isCollected: Bool { self.collected == self.shards.count }

    /// No shard has records in it any more: it was dropped, or the log that it belonged to is gone.
    func forgetShards() {
        self.forgetShards(.max)
        self.index = nil
    }

    /// As above, for at most so many shards that still know of it.
    func forgetShards(_ max: Int) {
        let gone = Swift.min(max, self.shards.count)
        for shard in self.shards.suffix(gone) { shard.forget(self) }
        self.shards.removeLast(gone)
        self.collected = Swift.min(self.collected, self.shards.count)
    }
}

/// A shard as the log knows it: where it goes on, and where its records lie.
package final class ShardState {
    package let ref: ShardRef
    /// The term of the log that knows it: after a recovery every shard has a new state.
    let term: UInt64
    package let creationSecond: UInt64
    package let firstIndex: UInt64
    // Unchecked exclusivity, three times: touched for each routed record, under the log's lock and from no closure.

    /// The index that the next record gets; runs ahead of the disk.
    @exclusivity(unchecked) package internal(set) var nextIndex: UInt64
    /// The index after the last record that is on disk.
    package internal(set) var durableEnd: UInt64
    /// The commit that closed it; the closing is visible when that is durable.
    var closedLSN: LSN?
    package var isOpen: Bool { self.closedLSN == nil }
    /// Arrival of the last durable record.
    var lastArrivalMillis: Int64 = 0

    /// Its stretches of records by segment, oldest first.
    var runs: [Run] = []
    /// The index of the newest of them, as long as its segment is being written.
    var current = ShardIndex()
    var currentSegment: Segment?

    /// Records that damage has taken, as far as its size tells: each range ends where a stretch begins, or at the end.
    var lost: [Range<UInt64>] = []

    /// Where reading begins that finds nothing before `index`: there, or at what damage has taken in front of it.
    func beginning(before index: UInt64) -> UInt64 {
        self.lost.first { $0.upperBound == index }?.lowerBound ?? index
    }

    /// Where server-written records of the open commit are collected, valid while `stagedLSN` is that commit.
    @exclusivity(unchecked) var stagedLSN = LSN.none
    @exclusivity(unchecked) var stagedRun = 0

    /// Where it stands in the table of positions; `nil` before it was entered and when that it has gone is durable.
    var slot: PositionTable.Slot?

    /// It has no records in that segment any more.
    func forget(_ segment: Segment) {
        self.runs.removeAll { $0.segment === segment }
        guard self.currentSegment === segment else { return }
        self.currentSegment = nil
        self.current = ShardIndex()
    }

    struct Run {
        let segment: Segment
        var firstIndex: UInt64
        var endIndex: UInt64
        var lastArrivalMillis: Int64
    }

    init(ref: ShardRef, term: UInt64, creationSecond: UInt64, firstIndex: UInt64, nextIndex: UInt64) {
        self.ref = ref
        self.term = term
        self.creationSecond = creationSecond
        self.firstIndex = firstIndex
        self.nextIndex = nextIndex
        self.durableEnd = nextIndex
    }
}
