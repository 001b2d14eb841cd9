// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage

/// The engine on one thread: how far the log is durable as that thread knows it, who waits there, and the puts that it
/// gathers. Touched only on its thread; several lanes share nothing but the engine.
package final class Lane {
    package let engine: Engine
    package let counters = Counters()
    /// Puts that have been gathered and not committed.
    package var puts: PutBatch
    /// How this lane last saw the shards of the streams that are put to.
    let routes = RouteCache()
    unowned let host: any LaneHost
    var durability: LaneDurability
    var waits = LongPolls<LaneWait>()
    private var callers: [UInt64: LaneCaller] = [:]
    var reads: [UInt64: ReadTask] = [:]
    /// Positions that are being looked up.
    var lookups: [UInt64: Lookup] = [:]
    /// The newest id of a read or a lookup.
    var lastRead: UInt64 = 0
    /// Puts of this turn are in the log, and its writers have not been woken for them.
    private var owesWaking = false
    private var isTurnsEndScheduled = false

    package init(_ engine: Engine, on host: any LaneHost) {
        self.engine = engine
        self.host = host
        self.durability = LaneDurability(engine.log.withLog { $0.watermark })
        self.puts = PutBatch(counters: self.counters)
    }

    // MARK: Callers

    /// `member` is told what concerns the caller, until it is removed.
    package func add(_ caller: LaneCaller, _ member: any LaneMember) {
        caller.member = member
        self.callers[caller.id] = caller
    }

    /// The caller is gone: nothing waits for it any more.
    package func remove(_ caller: LaneCaller) {
        self.endAllReads(of: caller)
        caller.member = nil
        self.callers[caller.id] = nil
        self.durability.awaiting.removeAll { $0 === caller }
    }

    package func caller(_ id: UInt64) -> LaneCaller? { self.callers[id] }

    // MARK: The log

    /// Looks at the log under its lock. What it shows and what may be told of it are read together, so that no answer
    /// waits for a commit that others make.
    package func withLog<R, E: Error>(_ body: (LogCore) throws(E) -> R) throws(E) -> R {
        var watermark: Watermark?
        defer { self.learn(watermark) }
        return try self.engine.log.withLog { log throws(E) in
            defer { watermark = log.watermark }
            return try body(log)
        }
    }

    /// As `withLog`, for puts. The writers are woken for those of all callers of a turn together, so that these lie in
    /// one commit; for as much as is worth a write of its own, at once.
    private func withLogForPuts<R, E: Error>(_ body: (LogCore) throws(E) -> R) throws(E) -> R {
        var watermark: Watermark?
        defer {
            self.learn(watermark)
            if self.owesWaking, !self.isTurnsEndScheduled {
                self.isTurnsEndScheduled = true
                self.host.endTurn()
            }
        }
        return try self.engine.log.withLog(owing: &self.owesWaking) { log throws(E) in
            defer { watermark = log.watermark }
            return try body(log)
        }
    }

    /// All that the thread had to do is done: the writers are woken for the puts of this turn.
    package func turnEnded() {
        self.isTurnsEndScheduled = false
        guard self.owesWaking else { return }
        self.owesWaking = false
        self.engine.log.wakeWriter()
    }

    /// Takes over what was read together with an answer, or was reported. When a term is over its callers are told at
    /// once: nothing of the next one may come before. Other news settle with the next report.
    package func learn(_ watermark: Watermark?) {
        guard let watermark, self.durability.watermark.advance(to: watermark) == .ended else { return }
        // Ordered puts behind those that were lost are refused until the client has seen it.
        for caller in self.callers.values { caller.ordered.skipped() }
        self.settle()
    }

    /// What the log has reported since the last time.
    func take(_ reports: LaneInbox.Reports) {
        for report in reports.reports {
            switch report {
            case .durable(let watermark): self.learn(watermark)
            case .failed(let watermark, let reason):
                self.durability.failureReason = reason
                self.learn(watermark)
            case .recovered(let watermark): self.learn(watermark)
            }
            self.settle()
            if case .recovered = report { self.wakeAll() }
        }
        if reports.allShards { return self.wakeAll() }
        guard self.waits.count > 0 else { return }
        for shard in reports.shards {
            for wait in self.waits.wake(shard) { self.woken(wait) }
        }
    }

    // MARK: Puts

    /// Appends the puts that have been gathered; afterwards `puts` says what became of each, until `puts.removeAll`.
    /// False: a write of the log has failed, and nothing was done.
    package func commitPuts(of caller: LaneCaller) -> Bool {
        self.puts.route(self.routes)
        var isSettled = self.appendPuts(of: caller)
        if !isSettled {
            // A write has failed since, and the look at the log has told this lane's callers: now order holds.
            isSettled = self.appendPuts(of: caller)
        }
        if !isSettled { caller.ordered.skipped() }
        Counters.add(self.puts.requests.count, to: self.counters.putRequests)
        return isSettled
    }

    /// False when a failed write had not been told to the callers of this lane: nothing was done then.
    private func appendPuts(of caller: LaneCaller) -> Bool {
        let clock = self.engine.clock
        let around = PutSurroundings(
            engine: self.engine, routes: self.routes, nowMillis: clock.wallMillis, nowNanos: clock.monotonicNanos)
        return self.withLogForPuts { log in
            guard log.unavailable() != nil || self.durability.watermark.isInStep(with: log.watermark) else {
                return false
            }
            self.puts.commit(log, around, ordered: &caller.ordered)
            return true
        }
    }

    // MARK: What concerns everybody

    /// Called a few times a second.
    package func tick() { self.engine.applications.tick() }

    func endAll(of stream: StreamID) {
        self.routes.forget(stream)
        self.endReads(of: stream)
    }
}
