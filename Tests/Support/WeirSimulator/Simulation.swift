// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// One history from one seed: a node with its disk and its clocks, and the actors who use it or trouble it, on one
/// queue of events and one thread, with auditors after each event.
///
/// The engine, its lanes and its log are the real ones, and so are the machines of workers. Played are the doors, the
/// network, the threads, the disk and the time. Who acts in a history is drawn from its seed.
package final class Simulation: @unchecked Sendable {
    // Unchecked: one thread; what the engine gives to other threads comes back on this one.
    let seed: UInt64
    let plan: Plan
    let breakage: Breakage?
    let node: SimNode
    var random: SplitMix64
    var queue = EventQueue()
    var tally = Tally()
    /// What producers put to, and readers and workers read.
    private(set) var stream = StreamID(0)
    private(set) var actors: [any SimActor] = []
    var life = Life()
    private(set) var stage = Stage.trouble
    /// What other threads do before one of them gets the log's lock, where that matters most.
    var comeBetween: (() -> Void)?
    private var fault: Violation?

    private static let eventsMax = 400_000

    /// The node as processes, one after the other.
    struct Life {
        /// `nil` while the node is down.
        fileprivate(set) var process: EngineProcess?
        /// How many processes there were: nothing of one comes to the next.
        fileprivate(set) var era = 0
        fileprivate var boots = 0
        /// The process has run without a pause since then.
        fileprivate(set) var upSinceMillis: UInt64 = 0
        /// Until then the whole process stands still.
        fileprivate(set) var pausedUntil: UInt64 = 0
        /// Until then there may be no memory for reads.
        var memoryHeldUntil: UInt64 = 0
        fileprivate var lastCaller: UInt64 = 0
        fileprivate var isTurnScheduled = false
    }

    enum Stage {
        case trouble
        /// Nothing goes wrong any more, and nothing new is put.
        case ending
        case over
    }

    /// `mix`: who acts; without one the seed decides. `steps`: of the drill, where it acts alone.
    package init(
        seed: UInt64, mix: Mix? = nil, steps: Int = 150, traces: Bool = false, breakage: Breakage? = nil
    ) {
        self.seed = seed
        self.breakage = breakage
        var random = SplitMix64(seed: seed &* 0x2545_f491_4f6c_dd1d &+ 7)
        self.plan = Plan(&random, seed: seed, mix: mix ?? Mix(seed: seed), steps: steps)
        self.node = SimNode(self.plan.node, seed: random.next(), traces: traces, breakage: breakage)
        self.random = random
        if self.plan.mix.hasLoad { self.actors.append(Load(self)) }
        if let workers = self.plan.workers { self.actors.append(Workers(self, workers)) }
        if let drill = self.plan.drill { self.actors.append(Drill(self, drill)) }
    }

    package struct Outcome: Sendable {
        package let seed: UInt64
        package let violation: Violation?
        package let tally: Tally
        package let trace: [String]
    }

    /// Plays the history to its end, or to the first broken rule.
    package func run() -> Outcome {
        var violation: Violation?
        do throws(Violation) {
            self.note("seed \(self.seed): \(self.plan)")
            try self.setUp()
            try self.play()
            self.endProcess()
            for actor in self.actors { try actor.checkEnd() }
            try self.node.end()
        } catch {
            violation = error
            self.note("VIOLATION: \(error)")
        }
        self.node.disk.decideFaults(nil)
        self.node.report = nil
        self.endProcess()
        for actor in self.actors { actor.nodeEnded() }
        self.count()
        // What is left to happen names the simulation, which holds it.
        self.queue = EventQueue()
        self.actors.removeAll()
        return Outcome(seed: self.seed, violation: violation, tally: self.tally, trace: self.node.trace.lines)
    }

    private func count() {
        self.tally += self.node.tally
        self.tally[.histories] = 1
        self.tally[.simulatedMillis] = Int(self.node.clock.monotonicNanos / 1_000_000)
        self.tally[.acknowledged] = self.node.checker.acknowledged
        self.tally[.observed] = self.node.checker.observed
        self.tally[.processed] = self.workers?.records.processed ?? 0
        self.tally[.repeated] = self.workers?.records.repeated ?? 0
    }

    private func setUp() throws(Violation) {
        try self.node.boot()
        if self.plan.mix != .disk { try self.makeStream() }
        self.node.report = { [unowned self] in self.reported($0) }
        try self.started()
        for actor in self.actors { try actor.begin() }
        if !self.plan.isStepwise { self.scheduleTick() }
        if let trouble = self.plan.trouble { self.after(trouble) { () throws(Violation) in try self.heal() } }
    }

    /// Faults begin later: until the stream is there nobody can use it.
    private func makeStream() throws(Violation) {
        guard let name = try? StreamName("orders") else { return }
        let settings = StreamSettings(
            retentionMillis: 365 * 24 * 3_600_000, maxBytes: nil,
            limits: self.plan.mix.hasLoad ? .explicit(self.plan.load.limits) : .open)
        _ = try? self.node.core.submit(
            .createStream(name: name, shards: self.plan.shards, settings: settings), nowMillis: self.node.now)
        self.node.noteCatalog()
        self.node.forgetFaults()
        try self.node.drain()
        guard let stream = self.node.told.streams(after: nil, limit: 1).first else {
            throw Violation("the stream was not made")
        }
        self.stream = stream.id
    }

    private func play() throws(Violation) {
        while self.stage != .over, let event = self.queue.take() {
            if event.at > self.now { self.node.pass(Int64(event.at - self.now)) }
            switch event.place {
            case .anywhere: break
            case .node:
                if self.now < self.life.pausedUntil {
                    self.queue.postpone(event, to: self.life.pausedUntil)
                    continue
                }
            case .worker(let worker):
                guard worker.isAlive else { continue }
                if self.now < worker.pausedUntil {
                    self.queue.postpone(event, to: worker.pausedUntil)
                    continue
                }
            }
            self.tally[.events] += 1
            guard self.tally[.events] < Self.eventsMax else { throw Violation("the history does not come to an end") }
            try event.run()
            if let fault = self.fault { throw fault }
            try self.afterEvent()
            if let fault = self.fault { throw fault }
        }
        guard self.stage == .over else { throw Violation("nothing is left to happen") }
    }

    // MARK: Time

    /// Milliseconds of the monotonic clock.
    var now: UInt64 { self.node.clock.monotonicNanos / 1_000_000 }
    var nanos: UInt64 { self.node.clock.monotonicNanos }
    var process: EngineProcess? { self.life.process }
    var era: Int { self.life.era }
    var isEnding: Bool { self.stage != .trouble }
    /// Whether the node can do what it is asked.
    var isServing: Bool { self.process != nil && self.node.core.unavailable() == nil }

    func note(_ line: @autoclosure () -> String) { self.node.trace.note("\(self.now) \(line())") }

    func within(_ range: ClosedRange<UInt64>) -> UInt64 {
        UInt64(self.random.within(Int(range.lowerBound)...Int(range.upperBound)))
    }

    /// What one of the node's threads does then, if that process still lives.
    func at(_ millis: UInt64, inEra era: Int, _ run: @escaping () -> Void) {
        self.queue.schedule(at: max(millis, self.now), .node) { [unowned self] () throws(Violation) in
            if era == self.era, self.process != nil { run() }
        }
    }

    func after(
        _ millis: UInt64, at place: EventQueue.Place = .anywhere, _ run: @escaping () throws(Violation) -> Void
    ) {
        self.queue.schedule(at: self.now + millis, place, run)
    }

    /// Rules that are broken where nothing can be thrown.
    func guarded(_ body: () throws(Violation) -> Void) {
        do throws(Violation) {
            try body()
        } catch {
            self.fault = self.fault ?? error
        }
    }

    // MARK: The node's threads

    /// One of the node's threads does something, again and again while there is something to do.
    func scheduleTurn() {
        guard !self.life.isTurnScheduled, self.process != nil, !self.plan.isStepwise || self.isEnding,
            self.node.core.hasWork || !self.node.life.writers.isEmpty || self.node.life.upkeep != nil
        else { return }
        self.life.isTurnScheduled = true
        self.after(self.within(1...4), at: .node) { () throws(Violation) in
            self.life.isTurnScheduled = false
            guard self.process != nil else { return }
            if !self.isEnding { self.node.armFaults() }
            if self.node.life.upkeep != nil, self.random.chance(1, of: 3) {
                try self.node.doUpkeep()
            } else {
                try self.node.write()
            }
        }
    }

    private func scheduleTick() {
        self.after(self.plan.tick, at: .node) { () throws(Violation) in
            if let process = self.process {
                try self.tickLanes(process)
                try self.node.tick()
                if self.node.life.upkeep == nil || self.random.chance(1, of: 3) { try self.node.doUpkeep() }
            }
            if self.process != nil, !self.node.disk.isDown {
                for actor in self.actors { try actor.watch() }
            }
            self.scheduleTick()
        }
    }

    func tickLanes(_ process: EngineProcess) throws(Violation) {
        let tick = { for host in process.hosts { host.lane.tick() } }
        if let workers = self.workers { try workers.tick(tick) } else { tick() }
        _ = process.engine.lookAtFullLog()
    }

    private var workers: Workers? { self.actors.lazy.compactMap { $0 as? Workers }.first }

    /// The shards of the stream have changed.
    func resharded() throws(Violation) { try self.workers?.observe(.reshard) }

    /// A record was admitted to a shard.
    func admitted(to ref: ShardRef) throws(Violation) {
        guard ref.stream == self.stream, let load = self.actors.first as? Load else { return }
        try load.auditor.admitted(to: ref, rate: self.plan.load.limits.recordsIn, nowMillis: self.now)
    }

    private func reported(_ progress: Progress) {
        if case .recovered(let watermark) = progress {
            for actor in self.actors { actor.termEnded(watermark) }
        }
        self.process?.post(progress, breakage: self.breakage)
    }

    private func afterEvent() throws(Violation) {
        guard self.process != nil else { return }
        if self.node.disk.isDown { return try self.goDown("crashed", for: self.plan.downMillis) }
        if self.node.life.boots != self.life.boots {
            // It stopped in a recovery, and was started again at once.
            self.processEnded("stopped")
            try self.started()
        }
        for actor in self.actors { try actor.afterEvent() }
        if !self.plan.isStepwise, self.tally[.events].isMultiple(of: 128) { try self.node.audit() }
        self.scheduleTurn()
    }

    // MARK: Ends and beginnings of processes

    /// The machine or the process stops, and starts again later.
    func goDown(_ why: String, for millis: ClosedRange<UInt64>) throws(Violation) {
        guard self.process != nil else { return }
        self.processEnded(why)
        // A drill looks at nothing but the log, and makes the next step at once.
        guard millis.upperBound > 0 else { return try self.restart() }
        self.after(self.isEnding ? self.within(20...100) : self.within(millis)) { () throws(Violation) in
            try self.restart()
        }
    }

    private func restart() throws(Violation) {
        if self.isEnding { self.node.forgetFaults() }
        if !self.node.disk.isDown { try self.node.stopAndStart() }
        // Also one in the midst of the stop.
        try self.node.surviveCrash()
        try self.started()
    }

    /// The whole process stands still, as a machine does that is moved.
    func pauseNode(for millis: UInt64) {
        self.note("the node is paused for \(millis) ms")
        self.life.pausedUntil = self.now + millis
        self.life.upSinceMillis = self.life.pausedUntil
    }

    private func processEnded(_ why: String) {
        self.note("the node has \(why)")
        self.life.pausedUntil = 0
        self.endProcess()
        for actor in self.actors { actor.nodeEnded() }
    }

    private func endProcess() {
        self.life.process?.end()
        self.life.process = nil
    }

    private func started() throws(Violation) {
        self.note("the node has started")
        self.tally[.starts] += 1
        self.life.era += 1
        self.life.boots = self.node.life.boots
        self.life.upSinceMillis = self.now
        self.life.memoryHeldUntil = 0
        let process = EngineProcess(self)
        self.life.process = process
        for actor in self.actors { try actor.nodeStarted(process) }
    }

    /// A new connection to one of the lanes.
    func connect(_ process: EngineProcess) -> (lane: Lane, host: SimLaneHost, caller: LaneCaller) {
        self.life.lastCaller += 1
        let host = self.random.pick(process.hosts)
        return (host.lane, host, LaneCaller(id: self.life.lastCaller, on: process.engine))
    }

    // MARK: The end

    /// Nothing goes wrong any more: now everything must be done, in bounded time.
    func heal() throws(Violation) {
        guard self.stage == .trouble else { return }
        self.note("END OF TROUBLE")
        self.stage = .ending
        self.node.forgetFaults()
        self.node.disk.capacity = self.plan.node.capacity
        for actor in self.actors { try actor.heal() }
        if self.plan.isStepwise { self.scheduleTick() }
        self.scheduleEnd(by: self.now + self.plan.patience)
    }

    private func scheduleEnd(by end: UInt64) {
        self.after(self.plan.patience / 600) { () throws(Violation) in
            var late: String?
            for actor in self.actors where late == nil { late = try actor.unfinished() }
            if late == nil {
                late = self.isServing && self.node.core.durableLSN >= self.node.core.headLSN ? nil : "the log"
            }
            if let late {
                guard self.now < end else { throw Violation("this does not come to an end: \(late)") }
                return self.scheduleEnd(by: end)
            }
            for actor in self.actors { actor.leave() }
            // What is on its way to the disk or to a client is left to come to an end, and so is who holds memory.
            let era = self.era
            let held = self.life.memoryHeldUntil > self.now ? self.life.memoryHeldUntil - self.now : 0
            self.after(5000 + held) { () throws(Violation) in
                if let process = self.process, era == self.era { try self.checkBudgets(process.engine) }
                self.stage = .over
            }
        }
    }

    private func checkBudgets(_ engine: Engine) throws(Violation) {
        let (read, held) = (engine.readMemory.reservedBytes, engine.heldMemory.reservedBytes)
        guard read == 0, held == 0, engine.waiterCount == 0 else {
            throw Violation(
                "nobody is connected, and \(read) bytes of records, \(held) bytes that wait and \(engine.waiterCount) "
                    + "waiters are counted")
        }
    }
}
