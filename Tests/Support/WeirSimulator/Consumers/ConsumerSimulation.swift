// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// One history of an application from one seed: workers that share the shards of a stream, the node that assigns them,
/// its disk, and the messages between, on one thread, with auditors after each event.
///
/// The node is the one of `Simulation` with its real log; who holds what is decided by the real `NodeGroups`, and what
/// a worker does by the real `WorkerMachine`. Played are the network, the processors, and time.
package final class ConsumerSimulation {
    let seed: UInt64
    let plan: ConsumerPlan
    let breakage: ConsumerBreakage?
    let node: Simulation
    var random: SplitMix64
    var queue = EventQueue()
    var tally = ConsumerTally()

    // The server, as a process
    var groups: NodeGroups<UInt64>
    var isUp = true
    /// How often it was started: messages do not outlive their connection.
    var era = 0
    var serverPausedUntil: UInt64 = 0
    var term: UInt64 = 0
    var boots = 0
    /// Wait until what they tell is durable.
    var answers: [PendingAnswer] = []
    var heartbeats: [UInt64: HeartbeatUnderWay] = [:]
    var lastHeartbeat: UInt64 = 0
    var isTurnScheduled = false

    var stream: StreamID!
    var ref: ApplicationRef!
    var workers: [SimWorker] = []
    var leases = LeaseAuditor()
    var records = RecordAuditor()
    var watch = HolderWatch()
    /// Nothing goes wrong any more.
    var isEnding = false
    var isOver = false
    /// When everything must have been processed, at the latest.
    var endBy: UInt64 = 0

    /// No history has more events: what goes round for ever is a fault too.
    private static let eventsMax = 400_000

    package init(seed: UInt64, traces: Bool = false, breakage: ConsumerBreakage? = nil) {
        self.seed = seed
        self.breakage = breakage
        var random = SplitMix64(seed: seed &* 0x5851_f42d_4c95_7f2d &+ 3)
        self.plan = ConsumerPlan(&random, seed: seed)
        self.groups = NodeGroups(slice: self.plan.slice)
        var plan = Plan(&random).forConsumers(&random)
        plan.drawBorders(seed)
        self.node = Simulation(
            seed: seed, steps: 0, traces: traces, breakage: nil, plan: plan, random: SplitMix64(seed: random.next()))
        self.random = random
    }

    package struct Outcome: Sendable {
        package let seed: UInt64
        package let violation: Violation?
        package let tally: ConsumerTally
        package let trace: [String]
    }

    /// Plays the history to its end, or to the first broken rule.
    package func run() -> Outcome {
        self.node.playDisk()
        var violation: Violation?
        do throws(Violation) {
            self.note("seed \(self.seed): \(self.plan); \(self.node.plan)")
            try self.setUp()
            try self.play()
            try self.checkEnd()
        } catch {
            violation = error
            self.note("VIOLATION: \(error)")
        }
        self.node.disk.decideFaults(nil)
        // What is left to happen names the simulation, which holds it.
        self.queue = EventQueue()
        self.answers.removeAll()
        self.heartbeats.removeAll()
        self.tally.acknowledged = self.node.checker.acknowledged
        self.tally.processed = self.records.processed
        self.tally.reads.repeated = self.records.repeated
        self.tally.powerCuts = self.node.tally.powerCuts
        self.tally.failures = self.node.tally.failures
        self.tally.simulatedMillis = Int(self.node.clock.monotonicNanos / 1_000_000)
        return Outcome(seed: self.seed, violation: violation, tally: self.tally, trace: self.node.trace.lines)
    }

    private func play() throws(Violation) {
        while !self.isOver, let event = self.queue.take() {
            if event.at > self.now { self.node.clock.advance(millis: Int64(event.at - self.now)) }
            switch event.place {
            case .anywhere: break
            case .server:
                if self.now < self.serverPausedUntil {
                    self.queue.postpone(event, to: self.serverPausedUntil)
                    continue
                }
            case .worker(let worker):
                guard worker.isAlive else { continue }
                if self.now < worker.pausedUntil {
                    self.queue.postpone(event, to: worker.pausedUntil)
                    continue
                }
            }
            self.tally.events += 1
            guard self.tally.events < Self.eventsMax else { throw Violation("the history does not come to an end") }
            try event.run()
            try self.afterEvent()
        }
        guard self.isOver else { throw Violation("nothing is left to happen") }
    }

    private func setUp() throws(Violation) {
        try self.node.boot()
        guard let name = try? StreamName("orders"), let application = try? ApplicationName("billing") else { return }
        let settings = StreamSettings(retentionMillis: 365 * 24 * 3_600_000, maxBytes: nil, limits: .open)
        // Faults begin later: until the stream is there nothing can be consumed.
        try self.node.submit(.createStream(name: name, shards: self.plan.shards, settings: settings))
        self.node.forgetFaults()
        try self.node.drain()
        guard let stream = self.node.told.streams(after: nil, limit: 1).first else {
            throw Violation("the stream was not made")
        }
        self.stream = stream.id
        self.ref = ApplicationRef(stream: stream.id, name: application)
        self.term = self.node.core.term
        self.boots = self.node.boots
        self.tally.serverStarts += 1
        self.schedulePut()
        self.scheduleTick()
        self.scheduleTrouble()
        for _ in 0..<self.plan.workers { self.scheduleWorker() }
        self.after(self.plan.trouble) { () throws(Violation) in try self.heal() }
    }

    // MARK: Time

    /// Milliseconds of the monotonic clock.
    var now: UInt64 { self.node.clock.monotonicNanos / 1_000_000 }
    var nanos: UInt64 { self.node.clock.monotonicNanos }
    var core: LogCore { self.node.core }

    func note(_ line: @autoclosure () -> String) { self.node.trace.note("\(self.now) \(line())") }

    func after(
        _ millis: UInt64, at place: EventQueue.Place = .anywhere, _ run: @escaping () throws(Violation) -> Void
    ) {
        self.queue.schedule(at: self.now + millis, place, run)
    }

    func within(_ range: ClosedRange<UInt64>) -> UInt64 {
        UInt64(self.random.within(Int(range.lowerBound)...Int(range.upperBound)))
    }

    // MARK: Puts and shards

    private func schedulePut() {
        self.after(self.within(1...max(60, self.plan.session / 12)), at: .server) { () throws(Violation) in
            guard !self.isEnding else { return }
            if self.isUp, self.core.unavailable() == nil { try self.node.put() }
            self.schedulePut()
        }
    }

    func reshard() throws(Violation) {
        guard self.isUp, let state = self.core.catalog.stream(self.stream) else { return }
        let open = state.map.shards
        let lsn = self.core.catalogLSN
        if open.count < 6, self.random.chance(2, of: 3) || open.count == 1 {
            try self.node.submit(.splitShard(self.stream, self.random.pick(open).number, at: nil))
        } else if open.count > 1 {
            let position = self.random.below(open.count - 1)
            try self.node.submit(.mergeShards(self.stream, open[position].number, open[position + 1].number))
        }
        if self.core.catalogLSN > lsn { self.tally.reshards += 1 }
        try self.observe(.reshard)
    }
}
