// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// Clocks that lie, by far more than any retention, and the judge of what that may cost: nothing that is not there
/// again when the clock is right.
extension SimNode {
    private static let hour: Int64 = 3_600_000
    private static let day: Int64 = 24 * hour

    /// The clocks as the node is shown them.
    var moment: LogTime.Moment {
        let moment = self.clock.moment
        switch self.breakage {
        case .neverDeletes: return .init(wallMillis: 0, nanos: moment.nanos, isSynchronized: false)
        default: return moment
        }
    }

    var truth: Int64 { self.now - self.trueTime.error }

    /// Time passes for everybody.
    func pass(_ millis: Int64) {
        self.clock.advance(millis: millis)
        self.trueTime.passed(millis)
    }

    /// The machine sleeps, or the history does.
    func passMuch() {
        let millis: Int64
        switch self.random.below(20) {
        case 0...1: millis = Int64(self.random.within(600_000...2_400_000))
        case 2...4: millis = Int64(self.random.within(1_000...60_000))
        default: millis = Int64(self.random.within(0...100))
        }
        // Mostly it is put right before anybody may believe it.
        if self.trueTime.mayBeBelieved(after: millis), self.random.chance(15, of: 16) { self.rightClock() }
        self.pass(millis)
        // As the upkeep does every second.
        self.core.watchClock(self.moment)
        if self.plan.clockJumps, self.random.chance(1, of: 6) { self.jumpClock() }
        self.trace.note("time: \(self.clock.wallMillis)")
    }

    /// Somebody sets the clock, wrong or right.
    func jumpClock() {
        if !self.trueTime.isRight, self.random.chance(2, of: 3) { return self.rightClock() }
        let size = self.random.pick([2_000, Self.hour, 2 * Self.hour, 30 * Self.hour, 400 * Self.day, 400 * Self.day])
        let jump = Int64(self.random.within(Int(size / 2)...Int(size)))
        self.setClock(by: self.random.chance(1, of: 3) ? -jump : jump)
    }

    func rightClock() {
        if !self.trueTime.isRight { self.setClock(by: -self.trueTime.error) }
    }

    func setClock(by millis: Int64) {
        self.clock.jump(millis: millis)
        self.trueTime.jumped(by: millis)
        self.trace.note("the wall clock jumps by \(millis) ms and is \(self.trueTime.error) ms ahead")
        self.life.core?.watchClock(self.moment)
    }

    /// What a command takes away for good, before it is known whether it will be there after a crash.
    func noteGivenUp(_ command: CatalogCommand) {
        switch command {
        case .trimStream(let stream, let before): self.trueTime.giveUp(stream, before: before)
        case .updateStream(let stream, let changes):
            guard let retention = changes.retentionMillis, let now = self.core.catalog.stream(stream) else { return }
            let shorter = min(retention, now.settings.retentionMillis)
            self.trueTime.giveUp(stream, before: self.trueTime.destroying(wallMillis: self.now) - shorter)
            // What a clock hides that is not believed is not stored, so a longer retention shows it again.
            if self.core.doubtsClock(self.now) {
                self.tellings.trimmed = self.tellings.trimmed.filter { $0.key.stream != stream }
            }
        default: break
        }
    }

    // MARK: The judge

    /// While the clock is right: whatever is younger than its retention, by the truth, is there, whatever clocks said
    /// before.
    func judgeKept(_ ref: ShardRef, indexes: Range<UInt64>) throws(Violation) {
        guard self.trueTime.isRight, let stream = self.tellings.told.stream(ref.stream) else { return }
        try self.checker.mustShow(
            ref, indexes: indexes, bornFrom: self.kept(stream), capped: stream.cappedPosition)
    }

    /// What was put from then on is there, by the truth.
    private func kept(_ stream: StreamState) -> Int64 {
        let coming = (self.tellings.untold.map(\.catalog) + [self.core.catalog]).compactMap { $0.stream(stream.id) }
        let retention = coming.reduce(stream.settings.retentionMillis) { min($0, $1.settings.retentionMillis) }
        return self.trueTime.kept(stream.id, retentionMillis: retention, wallMillis: self.now)
    }

    /// What arrived from then on must be readable. A clock that is behind shows again what it hid when it was right,
    /// and so does a longer retention that is set meanwhile, but not what was rightly destroyed.
    func visibleFrom(_ stream: StreamState) -> Int64 {
        let shown = max(stream.horizonMillis, self.now - stream.settings.retentionMillis)
        return max(shown, self.trueTime.error < 0 ? self.kept(stream) : self.trueTime.givenUp(stream.id))
    }

    /// Size caps hold whatever the clock says and however much waits for the disk, as far as full segments go: without
    /// the oldest of them a stream takes less than its cap. And a cap that took something left what fills it, or half
    /// of it in a full log.
    func judgeCaps() throws(Violation) {
        // Clients may keep the queue for the disk full for as long as they like.
        guard self.core.unavailable() == nil else { return }
        for stream in self.core.catalog.streams(after: nil, limit: .max) {
            let capped = stream.cappedPosition
            guard let cap = stream.settings.maxBytes else { continue }
            let shares = self.core.fullSegments.filter { $0.last.rawValue > capped }
                .compactMap { $0.shares[stream.id]?.bytes }
            let bytes = shares.dropFirst().reduce(0, +)
            guard bytes < cap else {
                throw Violation(
                    "\(stream.id) takes \(bytes) bytes beside its oldest segment, its cap is \(cap), and the clock is "
                        + "no excuse")
            }
            try self.checker.sizeCap(of: stream.id, tookUpTo: capped, leaving: cap / 2)
        }
    }

    /// The clock is right from now on, and everything expires: in the end the log gives its segments back.
    func judgeDeletion() throws(Violation) {
        self.rightClock()
        for _ in 0..<33 * 60 {
            self.pass(60_000)
            self.core.watchClock(self.moment)
        }
        for _ in 0..<4 {
            try self.tick()
            try self.drain()
            self.clock.advance(millis: 2_000)
        }
        for segment in self.core.fullSegments where segment.isCovered {
            let living = segment.shares.contains { id, share in
                guard let stream = self.core.catalog.stream(id) else { return false }
                return segment.last.rawValue > stream.cappedPosition
                    && share.lastArrivalMillis >= self.truth - stream.settings.retentionMillis - Self.hour
            }
            guard living else {
                throw Violation("\(segment.file) holds only what has expired, and the clock has been right for a day")
            }
        }
    }
}
