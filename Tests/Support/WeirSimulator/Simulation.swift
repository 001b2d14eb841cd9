// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// One history from one seed: clients, a node, its disk and its clocks, on one thread, with auditors after each step.
///
/// The node is the real one: `Recovery`, `LogCore`, its tasks and its readers. Only the threads are played: who takes a
/// task, when it touches the disk and when it reports is drawn from the seed.
package final class Simulation: @unchecked Sendable {
    // Unchecked: one thread; the file system calls back on it.
    let seed: UInt64
    let steps: Int
    let plan: Plan
    let breakage: Breakage?
    package let fileSystem: any FileSystem
    let disk: SimFileSystem
    let clock: ManualClock
    let pool: BufferPool
    var random: SplitMix64
    /// For what not every history has: without it the others are what they would be.
    var more: SplitMix64
    var trace: Trace
    var tally = Tally()

    // The node, as a process
    var core: LogCore!
    /// What the next commit of the term is chained to.
    var chain = CommitPoint.origin
    var chainTerm: UInt64 = 0
    /// Processes that were started.
    var boots = 0
    var writers: [Writer] = []
    var upkeep: Upkeep?
    var nextLogID: UInt64 = 1

    // What goes wrong
    /// Operations that change the disk until the fault.
    var armed: (countdown: Int, fault: DiskFault)?
    /// Faults that were played so far.
    var faults = 0
    /// Sentences about damage that a reader met.
    var damageTold: [String] = []
    var isRecovering = false
    var nesting = Nesting.forbidden
    var clockJumped = false
    var trueTime: TrueTime

    /// Who hears what the log reports, as the lanes of a server do.
    var report: ((Progress) -> Void)?

    // What anybody was told
    var checker = HistoryChecker()
    var told: Catalog
    var untold: [(lsn: LSN, catalog: Catalog)] = []
    var toldDeleted: Set<StreamID> = []
    var wantedDeleted: Set<StreamID> = []
    /// Records below were told to be trimmed.
    var toldTrimmed: [ShardRef: UInt64] = [:]
    var nextName = 0
    var leaseStates = LeaseStates()

    /// Whether other threads may touch the disk while one is in the midst of its operations.
    enum Nesting {
        case forbidden
        case allowed
        case underWay
    }

    struct Writer {
        let number: Int
        let job: WriteJob
        /// Written, and not yet synced.
        var isWritten = false
        var result: Result<Void, FileError>?
    }

    struct Upkeep {
        let task: UpkeepTask
        var result: Result<UpkeepDone, FileError>?
    }

    package convenience init(seed: UInt64, steps: Int, traces: Bool = false, breakage: Breakage? = nil) {
        var random = SplitMix64(seed: seed)
        var plan = Plan(&random)
        plan.drawBorders(seed)
        plan.drawCaps(seed)
        plan.drawFacts(seed)
        self.init(seed: seed, steps: steps, traces: traces, breakage: breakage, plan: plan, random: random)
    }

    init(seed: UInt64, steps: Int, traces: Bool, breakage: Breakage?, plan: Plan, random: SplitMix64) {
        self.seed = seed
        self.steps = steps
        self.breakage = breakage
        self.random = random
        self.more = SplitMix64(seed: seed &* 0xd134_2543_de82_ef95 &+ 5)
        self.plan = plan
        self.pool = BufferPool(keep: 4, bufferBytes: plan.configuration.commitBounds.bufferBytes)
        self.trace = Trace(isOn: traces)
        let disk = SimFileSystem(seed: seed &* 7919 &+ 1, direct: self.plan.direct, capacity: self.plan.capacity)
        self.disk = disk
        self.fileSystem = disk
        self.clock = ManualClock()
        self.clock.isSynchronized = plan.isSynchronized
        self.trueTime = TrueTime(isSynchronized: plan.isSynchronized)
        self.told = Catalog(bounds: self.plan.configuration.bounds)
    }

    package struct Outcome: Sendable {
        package let seed: UInt64
        package let violation: Violation?
        package let tally: Tally
        package let trace: [String]
    }

    /// Plays the history to its end, or to the first broken rule.
    package func run() -> Outcome {
        self.playDisk()
        var violation: Violation?
        do throws(Violation) {
            self.trace.note("seed \(self.seed): \(self.plan)")
            try self.boot()
            while self.tally.steps < self.steps {
                self.tally.steps += 1
                try self.step()
                try self.surviveCrash()
                try self.audit()
            }
            try self.end()
        } catch {
            violation = error
            self.trace.note("VIOLATION: \(error)")
        }
        self.disk.decideFaults(nil)
        self.tally.acknowledged = self.checker.acknowledged
        self.tally.observed = self.checker.observed
        self.tally.simulatedMillis = Int(self.clock.monotonicNanos / 1_000_000)
        return Outcome(seed: self.seed, violation: violation, tally: self.tally, trace: self.trace.lines)
    }

    /// The disk is of the plan's nature from now on, and asks for faults.
    func playDisk() {
        self.disk.ignoreAdvice(self.plan.ignoresAdvice)
        self.disk.decideFaults { [unowned self] in self.decide($0) }
    }

    private func step() throws(Violation) {
        self.armFaults()
        if self.plan.hasLeases, self.more.chance(1, of: 4) { try self.changeLeases() }
        try self.changeFacts()
        switch self.random.weighted([26, 80, 26, 8, 9, 4, 4, 10, 1, 1]) {
        case 0: try self.put()
        case 1: try self.write()
        case 2: try self.doUpkeep()
        case 3: try self.tick()
        case 4: try self.read()
        case 5: try self.resolve()
        case 6: try self.command()
        case 7: self.passTime()
        case 8: try self.fillDisk()
        default: if self.random.chance(1, of: 6) { try self.stopAndStart() }
        }
    }

    private func fillDisk() throws(Violation) {
        guard self.plan.fillsDisk else { return }
        if self.disk.capacity < self.plan.capacity {
            self.disk.capacity = self.plan.capacity
            self.trace.note("the disk has space again")
        } else {
            self.disk.capacity = self.disk.usedBytes + self.random.below(200 << 10)
            self.trace.note("the disk is full but for \(self.disk.capacity - self.disk.usedBytes) bytes")
        }
    }

    func armFaults() {
        guard self.armed == nil else { return }
        if self.plan.crashEvery > 0, self.random.chance(1, of: self.plan.crashEvery) {
            self.armed = (self.random.within(1...12), .crash)
        } else if self.plan.failEvery > 0, self.random.chance(1, of: self.plan.failEvery) {
            self.armed = (self.random.within(1...8), .failed)
        }
    }

    /// Asked by the disk before each operation.
    private func decide(_ operation: DiskOperation) -> DiskFault? {
        if let lie = self.lie(about: operation) { return lie }
        if self.nesting == .allowed, self.random.chance(1, of: 10) {
            self.nesting = .underWay
            self.stepBeside()
            self.nesting = .allowed
        }
        guard operation.changes, let (countdown, fault) = self.armed else { return nil }
        guard countdown <= 1 else {
            self.armed = (countdown - 1, fault)
            return nil
        }
        self.armed = nil
        self.faults += 1
        self.trace.note("\(fault == .crash ? "CRASH" : "FAULT") in \(operation)")
        return fault
    }

    /// Other threads touch the disk while one is in the midst of its operations.
    private func stepBeside() {
        if let position = self.writers.indices.first(where: { self.writers[$0].result == nil }) {
            self.touchDisk(position)
        }
    }

    func forgetFaults() { self.armed = nil }

    var now: Int64 { self.clock.wallMillis }
}
