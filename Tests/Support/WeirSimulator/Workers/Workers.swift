// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// An application whose workers share the shards of the stream: they pause, die, come back and leave, while operators
/// reset leases and change the shards.
///
/// Who holds what is decided by the applications of the engine, and what a worker does by the real `WorkerMachine`.
/// Played are the network and the processors.
final class Workers: SimActor {
    unowned let simulation: Simulation
    let plan: WorkersPlan
    private let name: ApplicationName
    /// Puts what the workers process, beside whoever else does.
    private let client: LooseClient
    var workers: [SimWorker] = []
    var leases = LeaseAuditor()
    var records = RecordAuditor()
    var watchOfHolders = HolderWatch()
    /// The history is over, and nobody connects any more.
    private(set) var haveLeft = false
    private var term: UInt64 = 0

    init(_ simulation: Simulation, _ plan: WorkersPlan) {
        self.simulation = simulation
        self.plan = plan
        self.client = LooseClient(simulation)
        guard let name = try? ApplicationName("billing") else { preconditionFailure("the name is allowed") }
        self.name = name
    }

    var ref: ApplicationRef { ApplicationRef(stream: self.stream, name: self.name) }

    var node: SimNode { self.simulation.node }
    var core: LogCore { self.node.core }
    var now: UInt64 { self.simulation.now }
    var nanos: UInt64 { self.simulation.nanos }
    var era: Int { self.simulation.era }
    var stream: StreamID { self.simulation.stream }
    var breakage: Breakage? { self.simulation.breakage }
    var isEnding: Bool { self.simulation.isEnding }
    var isUp: Bool { self.simulation.process != nil }
    var isNodePaused: Bool { self.now < self.simulation.life.pausedUntil }
    var applications: Applications? { self.simulation.process?.engine.applications }

    func note(_ line: @autoclosure () -> String) { self.simulation.note(line()) }

    func after(
        _ millis: UInt64, at place: EventQueue.Place = .anywhere, _ run: @escaping () throws(Violation) -> Void
    ) {
        self.simulation.after(millis, at: place, run)
    }

    func within(_ range: ClosedRange<UInt64>) -> UInt64 { self.simulation.within(range) }

    // MARK: The history

    func begin() throws(Violation) {
        self.schedulePut()
        self.scheduleTrouble()
        for _ in 0..<self.plan.workers { self.scheduleWorker() }
    }

    private func schedulePut() {
        self.after(self.within(1...max(60, self.plan.session / 12)), at: .node) { () throws(Violation) in
            guard !self.isEnding else { return }
            if self.simulation.isServing, let stream = self.core.catalog.stream(self.stream) {
                try self.client.put(to: stream)
            }
            self.schedulePut()
        }
    }

    func nodeStarted(_ process: EngineProcess) throws(Violation) {
        self.client.connect(process)
        try self.recovered()
        // They learn of the owners in the table.
        try self.expire { process.engine.applications.tick() }
        try self.checkExpected(process)
        if self.breakage == .expiresAtRestart { try self.expireAtRestart() }
    }

    func nodeEnded() {
        self.client.disconnected()
        for worker in self.workers { self.cutOff(worker, processLives: false) }
    }

    func leave() {
        self.haveLeft = true
        self.client.leave()
        for worker in self.workers {
            self.cutOff(worker, processLives: true)
            worker.isAlive = false
        }
    }

    func afterEvent() throws(Violation) {
        if self.core.term != self.term {
            self.note("the node has recovered")
            try self.recovered()
        }
        self.leases.nowMillis = self.now
        try self.leases.becameDurable(self.core.durableLSN)
    }

    /// A start forgets nothing: whoever holds leases has as long to come back as it said.
    private func checkExpected(_ process: EngineProcess) throws(Violation) {
        let members = process.engine.applications.group(of: self.ref)?.members ?? [:]
        for member in members.values.sorted(by: { $0.owner.worker < $1.owner.worker })
        where member.timeoutNanos != self.plan.session * 1_000_000 {
            throw Violation("a start has forgotten the session timeout of \(member.owner)")
        }
    }

    private func recovered() throws(Violation) {
        self.term = self.core.term
        self.watchOfHolders.reset()
        try self.leases.recovered(self.core.leases.application(self.ref)?.rows ?? [:])
    }

    // MARK: The table

    /// Does something with the applications; afterwards the auditor looks at what became of the table.
    func observing<Value>(
        _ cause: LeaseAuditor.Cause, _ body: (Applications) -> Told<Value>
    ) throws(Violation) -> Told<Value> {
        guard let applications = self.applications else { preconditionFailure("the node is down") }
        let before = applications.group(of: self.ref)
        let told = body(applications)
        if case .success = told.value {
            try self.observe(cause, before)
        } else {
            try self.observe(.tick, before)
        }
        return told
    }

    /// The auditor looks at the lease table.
    func observe(_ cause: LeaseAuditor.Cause, _ group: Group? = nil) throws(Violation) {
        guard let rows = self.core.leases.application(self.ref)?.rows else { return }
        if self.leases.ahead.isEmpty || cause == .reset {
            for (shard, row) in rows where row != self.leases.ahead[shard] {
                self.records.skipped(shard, to: row.checkpoint)
            }
            if !self.leases.ahead.isEmpty { self.records.reset(self.leases.ahead, rows) }
        }
        if case .checkpoint(let hold, let position) = cause { try self.checkCovered(hold.shard, position) }
        try self.leases.observe(
            rows, cause, lsn: max(self.core.leaseLSN, self.core.catalogLSN), ancestors: self.ancestors(of:),
            isExcused: { owner, shard in
                // Not a member any more: whether that is right is judged when it expires.
                guard let group, group.member(owner) != nil,
                    self.applications?.group(of: self.ref)?.member(owner) != nil
                else { return true }
                return group.handOvers[shard].map { $0.deadlineNanos <= self.nanos } ?? false
            })
    }

    /// The lanes tick: workers expire, and shards are balanced.
    func tick(_ lanes: () -> Void) throws(Violation) {
        guard self.breakage != .neverExpires else { return try self.checkHolders() }
        try self.expire(lanes)
        try self.assignChildrenEarly()
        try self.checkHolders()
    }

    func expire(_ lanes: () -> Void) throws(Violation) {
        let before = self.applications?.group(of: self.ref)
        lanes()
        try self.observe(.tick, before)
        // A failed write may have taken the application itself: then nobody has expired, and all join anew.
        guard self.core.leases.application(self.ref) != nil else { return }
        let left = self.applications?.group(of: self.ref)?.members ?? [:]
        for member in (before?.members ?? [:]).values.sorted(by: { $0.owner.worker < $1.owner.worker })
        where left[member.owner.worker] == nil {
            self.simulation.tally[.expired] += 1
            self.note("\(member.owner) has expired")
            if let worker = self.workers.first(where: { $0.owner == member.owner }), self.isWell(worker) {
                throw Violation("\(member.owner) expires, which is there and was heard of all the time")
            }
        }
    }
}
