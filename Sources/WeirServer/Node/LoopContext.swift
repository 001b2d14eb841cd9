// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage

/// What a node keeps on one event loop. Touched only there.
final class LoopContext {
    let node: NodeCore
    let eventLoop: any EventLoop
    let counters = Counters()
    let frames = FramePool()
    var puts: PutBatch
    /// How this loop last saw the shards of the streams that are put to.
    let routes = RouteCache()
    private var connections: [UInt64: Connection] = [:]
    /// How far the log is durable, as far as this loop knows: by this it judges what it may tell.
    private(set) var watermark: Watermark
    /// Why the last term ended that this loop knows of.
    private(set) var failureReason = "a write of the log failed"
    private var polls = LongPolls<Waiter>()
    /// Who waits for memory of reads, in the order in which they came.
    private var wantMemory = LongPolls<Waiter>()
    private var isMemoryAwaited = false
    private var afterDurable = AfterDurable<Deferred>()
    /// Connections with answers that wait for the log.
    private var awaiting: [Connection] = []
    /// Connections that have written and not flushed.
    private var unflushed: [Connection] = []
    /// Connections that can write again, to be served in the next turn.
    private var resuming: [Connection] = []
    private var isResumeScheduled = false
    private var timer: (task: Scheduled<Void>, nanos: UInt64)?
    private var inbox: LoopInbox?
    /// Puts of this turn are in the log, and its writers have not been woken for them.
    private var owesWaking = false
    private var isTurnsEndScheduled = false
    /// Made once, because it is given to the loop in most turns.
    private var turnsEnd: (@Sendable () -> Void)?

    /// Who waits for records or for a time.
    enum Waiter: Hashable, Sendable {
        case read(connection: UInt64, UInt64)
        case subscription(connection: UInt64, UInt32)
        case heartbeat(connection: UInt64, UInt64)

        var connection: UInt64 {
            switch self {
            case .read(let connection, _), .subscription(let connection, _), .heartbeat(let connection, _): connection
            }
        }
    }

    private struct Deferred {
        let done: () -> Void
        let failed: () -> Void
    }

    init(_ node: NodeCore, _ eventLoop: any EventLoop) {
        self.node = node
        self.eventLoop = eventLoop
        self.watermark = node.storage.withLog { $0.watermark }
        self.puts = PutBatch(counters: self.counters)
    }

    func attach(_ inbox: LoopInbox) { self.inbox = inbox }

    // MARK: Connections

    func add(_ connection: Connection) { self.connections[connection.id] = connection }

    func remove(_ connection: Connection) {
        self.connections[connection.id] = nil
        self.awaiting.removeAll { $0 === connection }
        self.unflushed.removeAll { $0 === connection }
        self.resuming.removeAll { $0 === connection }
    }

    func connection(_ id: UInt64) -> Connection? { self.connections[id] }

    func handle(of connection: Connection) -> ConnectionHandle? {
        self.inbox.map { ConnectionHandle(loop: $0.handle, id: connection.id) }
    }

    /// The older connection of the session of connection `id` is fenced.
    func fenced(_ id: UInt64) {
        self.connections[id]?.olderIsFenced()
        self.flush()
    }

    /// Deadlines of connections, a few times a second.
    func tick() {
        let now = self.node.nowMillis
        for connection in Array(self.connections.values) { connection.tick(nowMillis: now) }
        self.node.groups.tick()
        self.node.lookAtFullLog()
        self.flush()
    }

    func drain() {
        for connection in Array(self.connections.values) { connection.drain() }
        self.flush()
    }

    /// Closes every connection at once; the log's reports are not taken any more.
    func closeAll() {
        for connection in Array(self.connections.values) { connection.abandon() }
        self.inbox = nil
        self.turnsEnd = nil
    }

    func endAll(of stream: StreamID) {
        self.routes.forget(stream)
        for connection in Array(self.connections.values) { connection.streamDeleted(stream) }
        self.flush()
    }

    // MARK: What the log reports

    func takeReports() {
        guard let reports = self.inbox?.take() else { return }
        for report in reports.reports {
            switch report {
            case .durable(let watermark): self.learn(watermark)
            case .failed(let watermark, let reason):
                self.failureReason = reason
                self.learn(watermark)
            case .recovered(let watermark): self.learn(watermark)
            }
            self.settle()
            if case .recovered = report { self.wakeAll() }
        }
        if reports.allShards {
            self.wakeAll()
        } else if self.polls.count > 0 {
            for shard in reports.shards {
                for waiter in self.polls.wake(shard) { self.woken(waiter) }
            }
        }
        self.flush()
    }

    /// Looks at the log under its lock. What it shows and what may be told of it are read together, so that no answer
    /// waits for a commit that others make.
    func withLog<R, E: Error>(_ body: (LogCore) throws(E) -> R) throws(E) -> R {
        var watermark: Watermark?
        defer { self.learn(watermark) }
        return try self.node.storage.withLog { log throws(E) in
            defer { watermark = log.watermark }
            return try body(log)
        }
    }

    /// As `withLog`, for puts. The writers are woken for those of all sockets of a turn together, so that these lie in
    /// one commit; for as much as is worth a write of its own, at once.
    func withLogForPuts<R, E: Error>(_ body: (LogCore) throws(E) -> R) throws(E) -> R {
        var watermark: Watermark?
        defer {
            self.learn(watermark)
            if self.owesWaking { self.scheduleTurnsEnd() }
        }
        return try self.node.storage.withLog(owing: &self.owesWaking) { log throws(E) in
            defer { watermark = log.watermark }
            return try body(log)
        }
    }

    /// The loop does what it was given behind all that its sockets had for it.
    private func scheduleTurnsEnd() {
        guard !self.isTurnsEndScheduled else { return }
        self.isTurnsEndScheduled = true
        let turnsEnd: @Sendable () -> Void
        if let known = self.turnsEnd {
            turnsEnd = known
        } else {
            let bound = NIOLoopBound(self, eventLoop: self.eventLoop)
            turnsEnd = { bound.value.turnEnded() }
            self.turnsEnd = turnsEnd
        }
        self.eventLoop.execute(turnsEnd)
    }

    private func turnEnded() {
        self.isTurnsEndScheduled = false
        guard self.owesWaking else { return }
        self.owesWaking = false
        self.node.storage.wakeWriter()
    }

    /// Takes over what was read together with an answer, or was reported. When a term is over its clients are told at
    /// once: nothing of the next one may come before. Other news settle with the next report.
    func learn(_ watermark: Watermark?) {
        guard let watermark, self.watermark.advance(to: watermark) == .ended else { return }
        // Ordered puts behind those that were lost are refused until the client has seen it.
        for connection in self.connections.values { connection.ordered.skipped() }
        self.settle()
    }

    /// Does and tells what the log has decided about.
    private func settle() {
        while let (action, isReached) = self.afterDurable.popSettled(self.watermark) {
            if isReached { action.done() } else { action.failed() }
        }
        let awaiting = self.awaiting
        self.awaiting.removeAll(keepingCapacity: true)
        for connection in awaiting where !connection.releaseAnswers() { self.awaiting.append(connection) }
    }

    /// Runs `done` when `mark` is reached, perhaps at once; `onFailure` when it is lost.
    func whenDurable(_ mark: Mark, _ done: @escaping () -> Void, onFailure: @escaping () -> Void) {
        switch self.watermark.judge(mark) {
        case .reached: done()
        case .lost: onFailure()
        case .pending: self.afterDurable.add(mark, Deferred(done: done, failed: onFailure))
        }
    }

    /// The connection has an answer that waits for the log; it is asked for it when the log has moved on.
    func awaitDurable(_ connection: Connection) { self.awaiting.append(connection) }

    // MARK: Waiting

    /// `shard`: until it has something new; `deadlineNanos`: not longer than that.
    func wait(_ waiter: Waiter, for shard: ShardRef?, until deadlineNanos: UInt64?) {
        self.polls.add(waiter, shard: shard, deadlineNanos: deadlineNanos)
        if deadlineNanos != nil { self.setTimer() }
    }

    func stopWaiting(_ waiter: Waiter) {
        self.polls.remove(waiter)
        self.wantMemory.remove(waiter)
    }

    /// Reserves memory for a read. False: `waiter` is woken when somebody has released some.
    func reserveReadMemory(_ bytes: Int, for waiter: Waiter) -> Bool {
        let memory = self.node.readMemory
        if memory.reserve(bytes) { return true }
        self.polls.remove(waiter)
        self.wantMemory.add(waiter, shard: nil, deadlineNanos: nil)
        if !self.isMemoryAwaited, let handle = self.inbox?.handle {
            self.isMemoryAwaited = true
            memory.whenReleased(Int(bitPattern: ObjectIdentifier(self))) { handle.run { $0.memoryWasReleased() } }
        }
        // Something may have been released before anybody was to be told.
        guard memory.reserve(bytes) else { return false }
        self.wantMemory.remove(waiter)
        return true
    }

    /// In their order: those for whom there is still too little wait on.
    private func memoryWasReleased() {
        self.isMemoryAwaited = false
        for waiter in self.wantMemory.wakeAll() { self.woken(waiter) }
        self.flush()
    }

    private func woken(_ waiter: Waiter) { self.connections[waiter.connection]?.woken(waiter) }

    /// Everybody who waits looks whether it may go on.
    func lookAgain() {
        self.wakeAll()
        self.flush()
    }

    private func wakeAll() {
        for waiter in self.polls.wakeAll() { self.woken(waiter) }
    }

    private func setTimer() {
        guard let next = self.polls.nextDeadlineNanos else { return }
        if let timer {
            if timer.nanos <= next { return }
            timer.task.cancel()
        }
        let now = self.node.clock.monotonicNanos
        // A millisecond at least, so that a clock that stands still does not keep the loop busy.
        let delay = max(1_000_000, next > now ? next - now : 0)
        let bound = NIOLoopBound(self, eventLoop: self.eventLoop)
        let task = self.eventLoop.scheduleTask(in: .nanoseconds(Int64(clamping: delay))) { bound.value.timerFired() }
        self.timer = (task, next)
    }

    private func timerFired() {
        self.timer = nil
        for waiter in self.polls.expire(nowNanos: self.node.clock.monotonicNanos) { self.woken(waiter) }
        self.setTimer()
        self.flush()
    }

    // MARK: Writing

    /// The connection has written; one flush follows for all it wrote in this turn.
    func willFlush(_ connection: Connection) { self.unflushed.append(connection) }

    func flush() {
        // A flush may lead to more writes; those have their own.
        while let connection = self.unflushed.popLast() { connection.flushNow() }
    }

    /// The connection can write again: it is served in a turn of its own, so that one fast reader leaves time to
    /// others.
    func resumeSoon(_ connection: Connection) {
        self.resuming.append(connection)
        guard !self.isResumeScheduled else { return }
        self.isResumeScheduled = true
        let bound = NIOLoopBound(self, eventLoop: self.eventLoop)
        self.eventLoop.execute { bound.value.resume() }
    }

    private func resume() {
        self.isResumeScheduled = false
        let connections = self.resuming
        self.resuming.removeAll(keepingCapacity: true)
        for connection in connections { connection.resume() }
        self.flush()
    }
}
