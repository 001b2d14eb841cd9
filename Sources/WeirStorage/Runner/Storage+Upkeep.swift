// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirLog

extension Storage {
    private static let tickMillis = 25
    private static let idleNanos: UInt64 = 50_000_000

    /// The upkeep thread: segments ahead, footers, snapshots, retention, the idle commit. Nothing here is on the way of
    /// a put.
    func runUpkeep() {
        var clock = ToldOfClock()
        var goodbye = false
        var scrubber = Scrubber()
        while true {
            let now = self.clock.monotonicNanos
            self.retain(now, &clock)
            let closing = self.monitor.withLock { $0.closing }
            if closing, !goodbye {
                goodbye = true
                self.sayGoodbye()
            }
            self.withLog { $0.closeIdle(nowNanos: now, after: Self.idleNanos) }
            if self.doUpkeep() { continue }
            if goodbye { break }
            self.scrub(&scrubber)
            // Sleeps a tick; shutting down wakes it.
            let woken: Bool? = self.monitor.wait(milliseconds: Self.tickMillis) { $0.closing ? true : nil }
            if woken == true, goodbye { break }
        }
        self.monitor.withLock { $0.upkeep -= 1 }
        self.monitor.wakeAll()
    }

    private func retain(_ now: UInt64, _ told: inout ToldOfClock) {
        guard self.monitor.withLock({ $0.core.retentionIsDue(nowNanos: now) }) else { return }
        let space = try? self.fileSystem.space()
        let moment = self.clock.moment
        let (held, stampsAhead) = self.withLog {
            ($0.retain(moment, space: space), $0.time.stampsAheadMillis(moment.wallMillis))
        }
        for sentence in told.news(held, stampsAheadMillis: stampsAhead) { self.handler(.notice(sentence)) }
    }

    /// No more requests; a snapshot makes the next start short, an empty commit proves what was acknowledged.
    private func sayGoodbye() {
        self.withLog { $0.beginClosing() }
        self.monitor.wakeAll()
        self.awaitDurable()
        while self.doUpkeep() {}
        // That the snapshot was taken is an event of its own: what ends the log proves it too.
        self.withLog { $0.closeLast() }
        self.monitor.wakeAll()
        self.awaitDurable()
        self.withLog { $0.finishClosing() }
        self.monitor.wakeAll()
        self.awaitDurable()
    }

    private func awaitDurable() {
        _ = self.monitor.wait { running -> Bool? in
            if case .closing = running.core.state { return running.core.pipeline.isIdle ? true : nil }
            return true
        }
    }

    /// Does one task; false when there is none.
    private func doUpkeep() -> Bool {
        let now = self.clock.monotonicNanos
        let task = self.monitor.withLock { running -> UpkeepTask? in
            guard let task = running.core.nextUpkeep(nowNanos: running.closing ? nil : now) else { return nil }
            running.busy += 1
            return task
        }
        guard let task else { return false }
        let result = task.result(self.fileSystem)
        self.tell(result, of: task)
        // A recovery waits for what is under way, so the core is still the one that gave the task.
        self.monitor.withLock { running in
            running.core.finished(task, result)
            running.busy -= 1
        }
        self.monitor.wakeAll()
        return true
    }
}

/// What the operator was told of the clock, and what is news.
struct ToldOfClock {
    private var held: LogTime.HeldBack?
    private var stampsAreAhead = false

    mutating func news(_ held: LogTime.HeldBack?, stampsAheadMillis: Int64?) -> [String] {
        var news: [String] = []
        switch (self.held, held) {
        case (nil, let now?): news.append(now.sentence)
        case (.some, nil): news.append("the clock is believed again: expired records are deleted")
        case (let before?, let now?) where before.sinceMillis != now.sinceMillis: news.append(now.sentence)
        default: break
        }
        if let stampsAheadMillis, !self.stampsAreAhead, held == nil { news.append(Self.ahead(stampsAheadMillis)) }
        self.held = held
        // While the clock itself is doubted nobody knows which of the two is wrong.
        self.stampsAreAhead = stampsAheadMillis != nil && (self.stampsAreAhead || held == nil)
        return news
    }

    private static func ahead(_ millis: Int64) -> String {
        "records get arrival times \(millis / 1000) s ahead of the wall clock, because the clock was so far ahead once "
            + "and arrival times never fall: until the clock has caught up such records stay that much longer than "
            + "their retention, and readers from a time find them that much later; size caps, trims and deletions of "
            + "streams take them as ever"
    }
}

extension Storage {
    /// Tells the operator of a failure once, and that it is over where puts may have waited for it.
    func tell(_ result: Result<UpkeepDone, FileError>, of task: UpkeepTask) {
        switch result {
        case .success:
            guard self.upkeepFailures.withLock({ $0.succeeded(task.subject) }), case .prepare = task else { return }
            self.handler(.notice("log segments can be made again"))
        case .failure(let error):
            // Each attempt may be for another file, and says its name.
            let failure = error.isShortage ? "\(error.kind)" : error.description
            guard self.upkeepFailures.withLock({ $0.failed(task.subject, failure) }) else { return }
            switch task {
            case .prepare:
                self.handler(.notice("a log segment could not be made, and it is tried again: \(error)"))
            case .fill, .footer, .snapshot, .remove:
                self.handler(.notice("upkeep failed and is tried again: \(error)"))
            }
        }
    }
}

extension LogTime.HeldBack {
    /// For the operator.
    var sentence: String {
        let (seconds, minutes) = (self.aheadMillis.magnitude / 1000, (self.neededMillis + 59_999) / 60_000)
        return "the wall clock is \(seconds) s \(self.aheadMillis < 0 ? "behind" : "ahead of") the time that the log "
            + "trusts: records that have expired by it are hidden, and are deleted when it has run steadily for "
            + "\(minutes) min; size caps, trims and deletions of streams go on. If the clock is right, a start with "
            + "--trust-clock deletes them at once"
    }
}
