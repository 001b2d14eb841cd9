// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A file of the log that holds nothing any more.
package struct PoolFile: Hashable, Sendable {
    package let file: UInt64
    /// The last use that it was begun for.
    package let useCount: UInt32
    /// In bytes.
    package let size: Int

    package init(file: UInt64, useCount: UInt32, size: Int) {
        self.file = file
        self.useCount = useCount
        self.size = size
    }
}

/// A segment that is to be made: its file, its place in the log, and its size in bytes.
package struct SegmentPlan: Hashable, Sendable {
    package let file: PoolFile
    package let order: UInt64
    /// The file exists and was written over its whole length before.
    package let isRecycled: Bool
    /// No commit waits for it.
    package let isAhead: Bool
}

/// The files that a log has beside those it writes and reads: which of them are used next, which are given up, and
/// whether there may be another one. Each file has one use at a time:
///
/// ```
///  (new) ──plan──▶ preparing ──made──▶ ready ──take──▶ in use, not here ──drop──▶ dropping
///                     ▲   │ failed       │ passed over, or its filling failed        │ durable, and no reader
///                     │   ▼              ▼                                           ▼
///           free ──plan   set aside    free or set aside                           free ──useless──▶ removing ──▶ gone
/// ```
///
/// `Segment` is what the owner has made of a file, `Failure` why one could not be made; neither is looked into. No I/O,
/// no clock.
package struct SegmentPool<Segment, Failure> {
    /// A segment that was made and is not in use.
    package struct Ready {
        package let file: PoolFile
        package let order: UInt64
        package let segment: Segment
        /// Up to here the file was written before, with zeros or in an earlier use: a commit overwrites.
        package internal(set) var filledTo: Int
        /// A piece of zeros is on its way. Until it has ended nothing else may be written to the file.
        package internal(set) var isFilling = false

        /// Whether a first commit of so many bytes and entries fits, with the footer behind it.
        func fits(bytes: Int, entries: Int) -> Bool {
            SegmentHeader.bytes + bytes + SegmentFooter.diskBytes(shards: entries, entries: entries) <= self.file.size
        }
    }

    /// A piece of zeros for a segment that is ready.
    package struct Fill {
        package let segment: Segment
        package let order: UInt64
        package let offset: Int
        package let bytes: Int
    }

    /// What a commit finds for which the active segment has no room.
    package enum Next {
        case segment(Segment)
        /// Zeros are on their way to it.
        case busy
        case none
    }

    package let budget: LogBudget
    /// Of the disk, as far as is known.
    package var disk: DiskSpace
    package private(set) var nextOrder: UInt64
    package private(set) var nextFile: UInt64
    /// What all files of the log take on the disk, those in use among them.
    package private(set) var bytes: Int64 = 0
    /// Their records were dropped: they may be used again.
    package private(set) var free: [PoolFile] = []
    /// Being made, and not yet reported.
    package private(set) var preparing: [SegmentPlan] = []
    /// Prepared for use, oldest order first.
    package private(set) var ready: [Ready] = []
    /// Dropped by an event that is perhaps not yet durable.
    package private(set) var dropping: [(segment: Segment, lsn: LSN)] = []
    /// Free files that are unlinked.
    private var removals = Removals<PoolFile>()
    package var removing: [PoolFile] { self.removals.all }
    /// Files on which the disk failed: not used again by this process.
    package private(set) var setAside: [PoolFile] = []
    /// Whether segments can be made.
    private var making = SegmentMaking<Failure>()
    /// When zeros may be written into ready ones.
    private var zeros = WriteAhead()

    package init(budget: LogBudget, disk: DiskSpace, nextOrder: UInt64, nextFile: UInt64) {
        self.budget = budget
        self.disk = disk
        self.nextOrder = nextOrder
        self.nextFile = nextFile
    }

    /// What a start has found: files that may be used again, and bytes of segments in use.
    package mutating func adopt(free: [PoolFile], inUse: Int) {
        self.free += free
        self.bytes += free.reduce(Int64(inUse)) { $0 + Int64($1.size) }
    }

    /// A segment in use has got another size.
    package mutating func resize(from before: Int, to now: Int) { self.bytes += Int64(now - before) }

    // MARK: Making segments

    /// Another attempt at one that a commit waits for may be made.
    package mutating func unblock() { self.making.unblock() }

    /// Another attempt at one ahead may be made.
    package mutating func resume() { self.making.resume() }

    /// A while has passed.
    package mutating func tick() { self.removals.tick() }

    /// Why none can be made that a commit waits for.
    package var failure: Failure? { self.making.failure }

    /// Takes the numbers of the next segment, and a free file when one fits, else a new one of `size` bytes.
    package mutating func plan(atLeast bytes: Int, size: Int, isAhead: Bool) -> SegmentPlan {
        let order = self.nextOrder
        self.nextOrder += 1
        let plan: SegmentPlan
        let fitting = self.free.indices.filter { self.free[$0].size >= max(bytes, size / 4) }
        if let place = fitting.max(by: { self.free[$0].size < self.free[$1].size }) {
            let file = self.free.remove(at: place)
            plan = SegmentPlan(
                file: PoolFile(file: file.file, useCount: file.useCount + 1, size: file.size), order: order,
                isRecycled: true, isAhead: isAhead)
        } else {
            let file = PoolFile(file: self.nextFile, useCount: 1, size: size)
            self.nextFile += 1
            self.bytes += Int64(size)
            // Known before the disk is asked again.
            self.disk.free -= Int64(size)
            plan = SegmentPlan(file: file, order: order, isRecycled: false, isAhead: isAhead)
        }
        self.preparing.append(plan)
        return plan
    }

    /// A planned segment was made, of `size` bytes. `activeOrder`: of the one that commits go to.
    package mutating func made(_ order: UInt64, _ segment: Segment, size: Int, filledTo: Int, activeOrder: UInt64?) {
        let plan = self.takePlan(order)
        let file = PoolFile(file: plan.file.file, useCount: plan.file.useCount, size: size)
        self.bytes += Int64(size - plan.file.size)
        self.making.succeeded()
        if let activeOrder, order < activeOrder {
            // A writer could not wait for it and went on in one that was planned later. Nothing was written to it, so
            // its file may be used again, under a later order.
            self.free.append(file)
            return
        }
        self.ready.append(Ready(file: file, order: order, segment: segment, filledTo: filledTo))
        self.ready.sort { $0.order < $1.order }
    }

    /// What is known of a file of which no segment could be made.
    package enum Leftover: CaseIterable, Sendable {
        /// Nothing was written to it.
        case untouched
        /// There was no space for what was written. Its header may say the use that was planned, and no later one.
        case withoutSpace
        /// The disk failed on it.
        case failed
    }

    /// A planned segment could not be made.
    package mutating func failed(_ order: UInt64, _ failure: Failure, file: Leftover) {
        let plan = self.takePlan(order)
        // What was made ahead is made again later; only what a commit waits for is missed.
        if plan.isAhead { self.making.pause() } else { self.making.fail(failure) }
        guard plan.isRecycled else {
            self.bytes -= Int64(plan.file.size)
            self.disk.free += Int64(plan.file.size)
            return
        }
        switch file {
        case .untouched:
            self.free.append(
                PoolFile(file: plan.file.file, useCount: plan.file.useCount - 1, size: plan.file.size))
        // There will be space again, and the file is as good as it was.
        case .withoutSpace: self.free.append(plan.file)
        // A file on which the disk failed is not written to again.
        case .failed: self.setAside.append(plan.file)
        }
    }

    private mutating func takePlan(_ order: UInt64) -> SegmentPlan {
        guard let place = self.preparing.firstIndex(where: { $0.order == order }) else {
            preconditionFailure("segment \(order) was not planned, or was reported before")
        }
        return self.preparing.remove(at: place)
    }

    /// One could not be made ahead: the next attempt is with the next look at retention.
    package var isPausing: Bool { self.making.isPausing }

    // MARK: Taking them into use

    /// The next segment for a commit of so many bytes and entries. Those before it cannot follow any more: segments are
    /// replayed by their order, and a commit in an older one than the commit before it would count for nothing.
    package mutating func take(bytes: Int, entries: Int) -> Next {
        guard let place = self.ready.firstIndex(where: { $0.fits(bytes: bytes, entries: entries) }) else {
            return .none
        }
        // Those that are passed over are used again, so none of them may be written to either.
        guard !self.ready[...place].contains(where: \.isFilling) else { return .busy }
        let taken = self.ready[place]
        self.free += self.ready[..<place].map(\.file)
        self.ready.removeFirst(place + 1)
        return .segment(taken.segment)
    }

    // MARK: Zeros ahead

    /// A commit was handed to the disk or came back.
    package mutating func noteCommit(nowNanos: UInt64) { self.zeros.commit(nowNanos: nowNanos) }

    /// The next piece of zeros of at most `pieceMax` bytes, when the disk has time for one. `isIdle`: no commit is
    /// being written or waits for it.
    package mutating func takeFill(nowNanos: UInt64, isIdle: Bool, pieceMax: Int) -> Fill? {
        // One piece at a time.
        guard let place = self.ready.firstIndex(where: { $0.filledTo < $0.file.size }), !self.ready[place].isFilling,
            self.zeros.mayWrite(nowNanos: nowNanos, isIdle: isIdle)
        else { return nil }
        self.ready[place].isFilling = true
        let one = self.ready[place]
        return Fill(
            segment: one.segment, order: one.order, offset: one.filledTo,
            bytes: min(WriteAhead.pieceBytes, pieceMax, one.file.size - one.filledTo))
    }

    /// A piece of zeros is on the disk, up to `end`; `nil`: it could not be written.
    package mutating func filled(_ order: UInt64, upTo end: Int?) {
        guard let place = self.ready.firstIndex(where: { $0.order == order }) else {
            preconditionFailure("segment \(order) went while zeros were on their way to it")
        }
        self.ready[place].isFilling = false
        if let end {
            self.ready[place].filledTo = end
        } else {
            // A file on which the disk failed is not written to again, and the next one is not made at once: it would
            // fail as fast, and the one after it, until the log has no room.
            self.setAside.append(self.ready.remove(at: place).file)
            self.making.pause()
        }
    }

    // MARK: Giving files back

    /// Commit `lsn` says that nothing lives in the segment any more.
    package mutating func drop(_ segment: Segment, lsn: LSN) { self.dropping.append((segment, lsn)) }

    /// Segments whose dropping is durable and that no reader holds: their files may be used again. Until then readers
    /// find the records, hidden or not: what hides them may not be durable yet either.
    package mutating func reclaim(
        durable: LSN, isHeld: (Segment) -> Bool, file: (Segment) -> PoolFile
    ) -> [Segment] {
        guard self.dropping.contains(where: { $0.lsn <= durable && !isHeld($0.segment) }) else { return [] }
        var (kept, gone): ([(segment: Segment, lsn: LSN)], [Segment]) = ([], [])
        for item in self.dropping {
            if item.lsn <= durable, !isHeld(item.segment) { gone.append(item.segment) } else { kept.append(item) }
        }
        self.dropping = kept
        self.free += gone.map(file)
        return gone
    }

    /// Files that are unlinked now: free ones that are too small for the log as it is. They were dropped durably.
    package mutating func takeUseless() -> [PoolFile] {
        let useful = self.budget.segmentBytesMin
        let useless = self.free.filter { $0.size < useful }
        self.free.removeAll { $0.size < useful }
        self.removals.add(useless)
        return self.removals.take()
    }

    /// The useless files are unlinked. Returns them.
    package mutating func removed() -> [PoolFile] {
        let gone = self.removals.done()
        self.bytes -= gone.reduce(0) { $0 + Int64($1.size) }
        return gone
    }

    /// They could not be unlinked, and are tried again.
    package mutating func removeFailed() { self.removals.failed() }

    // MARK: Books

    /// For a snapshot: the files that were dropped, each in the last use that was. One that is being made again may be
    /// in use by the time that somebody reads this, so of it the use before counts.
    package var dropped: [PoolFile] {
        let again = self.preparing.filter(\.isRecycled).map(\.file).map {
            PoolFile(file: $0.file, useCount: $0.useCount - 1, size: $0.size)
        }
        return self.free + again + self.removing + self.setAside
    }

    /// Numbers of the files that are not in use by the log, each once.
    package var files: [UInt64] {
        (self.free + self.preparing.map(\.file) + self.ready.map(\.file) + self.removing + self.setAside).map(\.file)
    }

    /// Bytes of the files that are not in use by the log.
    package var bytesNotInUse: Int64 {
        (self.free + self.preparing.map(\.file) + self.ready.map(\.file) + self.removing + self.setAside)
            .reduce(0) { $0 + Int64($1.size) }
    }
}
