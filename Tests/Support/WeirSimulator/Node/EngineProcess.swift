// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirIO
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// The engine as one process runs it: its lanes live on the queue of the simulation.
final class EngineProcess {
    let engine: Engine
    let clock: SimClock
    private(set) var hosts: [SimLaneHost] = []
    private var inboxes: [LaneInbox] = []

    init(_ simulation: Simulation) {
        self.clock = SimClock(simulation.node.clock, factor: simulation.breakage == .admitsTooMuch ? 4 : 1)
        self.engine = Engine(
            SimEngineLog(simulation, era: simulation.era), clock: self.clock, limits: simulation.plan.engineLimits)
        for _ in 0..<simulation.plan.load.lanes {
            let host = SimLaneHost(simulation, era: simulation.era)
            host.lane = Lane(self.engine, on: host)
            self.hosts.append(host)
        }
        self.inboxes = self.hosts.map { LaneInbox($0) }
        self.engine.attach(self.hosts)
    }

    /// Nothing of it stays: engine and lanes name each other.
    func end() {
        self.engine.attach([])
        for host in self.hosts { host.lane = nil }
        self.hosts.removeAll()
        self.inboxes.removeAll()
    }

    func post(_ progress: Progress, breakage: Breakage?) {
        var progress = progress
        if breakage == .neverWakesPolls, case .durable(let watermark, _) = progress {
            progress = .durable(watermark, shards: [])
        }
        for inbox in self.inboxes { inbox.post(progress) }
    }
}

/// A lane's thread: the queue of the simulation.
final class SimLaneHost: LaneHost, @unchecked Sendable {
    // Unchecked: one thread.
    private unowned let simulation: Simulation
    private let era: Int
    private var lastMillis: UInt64 = 0
    private var wakeMillis: UInt64?
    var lane: Lane!

    init(_ simulation: Simulation, era: Int) {
        self.simulation = simulation
        self.era = era
    }

    func run(_ body: @escaping @Sendable (Lane) -> Void) {
        // What comes to a lane keeps its order.
        self.lastMillis = max(self.lastMillis, self.simulation.now + self.simulation.within(0...2))
        self.simulation.at(self.lastMillis, inEra: self.era) { body(self.lane) }
    }

    func endTurn() {
        self.simulation.at(self.simulation.now + self.simulation.within(0...1), inEra: self.era) {
            self.lane.turnEnded()
        }
    }

    func wake(atNanos nanos: UInt64) {
        if self.simulation.breakage == .forgetsDeadlines { return }
        let millis = max(self.simulation.now, nanos / 1_000_000 + (nanos % 1_000_000 == 0 ? 0 : 1))
        if let wakeMillis, wakeMillis <= millis { return }
        self.wakeMillis = millis
        self.simulation.at(millis, inEra: self.era) {
            if self.wakeMillis == millis { self.wakeMillis = nil }
            self.lane.timeCame()
        }
    }
}

/// The simulated node's log. Whoever reads the disk is a thread of its own, and takes its time.
final class SimEngineLog: EngineLog, @unchecked Sendable {
    // Unchecked: one thread.
    private unowned let simulation: Simulation
    private let era: Int

    init(_ simulation: Simulation, era: Int) {
        self.simulation = simulation
        self.era = era
    }

    func withLog<R, E: Error>(_ body: (LogCore) throws(E) -> R) throws(E) -> R {
        self.simulation.comeBetween?()
        defer { self.simulation.node.noteCatalog() }
        return try body(self.simulation.node.core)
    }

    func withLog<R, E: Error>(owing owed: inout Bool, _ body: (LogCore) throws(E) -> R) throws(E) -> R {
        owed = true
        return try self.withLog(body)
    }

    func wakeWriter() { self.simulation.scheduleTurn() }

    func read(_ request: ReadRequest, completion: @escaping @Sendable (Result<ReadResult, WeirError>) -> Void) {
        self.simulation.at(self.simulation.now + self.simulation.within(1...8), inEra: self.era) {
            completion(self.simulation.node.readNow(request))
        }
    }

    func resolve(
        _ type: ShardIteratorType, in shard: ShardRef, nowMillis: Int64,
        completion: @escaping @Sendable (Result<UInt64, WeirError>) -> Void
    ) {
        self.simulation.at(self.simulation.now + self.simulation.within(1...8), inEra: self.era) {
            completion(self.simulation.node.resolveNow(type, in: shard, nowMillis: nowMillis))
        }
    }
}

/// The clock of a process. Broken engines have one that runs too fast, or take another time for now.
final class SimClock: Clock, @unchecked Sendable {
    // Unchecked: one thread.
    private let clock: ManualClock
    private let factor: UInt64
    private var pretended: UInt64?

    init(_ clock: ManualClock, factor: UInt64) {
        self.clock = clock
        self.factor = factor
    }

    var wallMillis: Int64 { self.clock.wallMillis }
    var monotonicNanos: UInt64 { self.pretended ?? self.clock.monotonicNanos * self.factor }
    var isSynchronized: Bool { self.clock.isSynchronized }
    func schedule(at nanos: UInt64, _ body: @escaping @Sendable () -> Void) {
        self.clock.schedule(at: nanos / self.factor, body)
    }

    func pretend(_ nanos: UInt64, _ body: () throws(Violation) -> Void) throws(Violation) {
        self.pretended = nanos
        defer { self.pretended = nil }
        try body()
    }
}
