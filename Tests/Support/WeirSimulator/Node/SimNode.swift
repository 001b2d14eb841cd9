// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// The log of a node with its disk and its clocks, through as many processes as a history has, and the judges of what
/// anybody is told of it.
///
/// The log is the real one: `Recovery`, `LogCore`, its tasks and its readers. Only the threads are played: who takes a
/// task, when it touches the disk and when it reports is drawn from the seed.
final class SimNode: @unchecked Sendable {
    // Unchecked: one thread; the file system calls back on it.
    let plan: NodePlan
    let breakage: Breakage?
    let disk: SimFileSystem
    let clock = ManualClock()
    let pool: BufferPool
    var random: SplitMix64
    var trace: Trace
    var tally = Tally()
    var life = Life()
    var trouble = Trouble()
    var trueTime: TrueTime
    /// Who hears what the log reports, as the lanes of a server do.
    var report: ((Progress) -> Void)?
    var checker = HistoryChecker()
    var tellings: Tellings

    /// The node as a process.
    struct Life {
        var core: LogCore!
        /// What the next commit of the term is chained to.
        var chain = CommitPoint.origin
        var chainTerm: UInt64 = 0
        /// Processes that were started.
        var boots = 0
        var writers: [Writer] = []
        var upkeep: Upkeep?
        var nextLogID: UInt64 = 1
    }

    /// What goes wrong.
    struct Trouble {
        /// Operations that change the disk until the fault.
        var armed: (countdown: Int, fault: DiskFault)?
        /// Faults that were played so far.
        var count = 0
        /// Sentences about damage that a reader met.
        var damageTold: [String] = []
        var isRecovering = false
        var nesting = Nesting.forbidden
    }

    /// What anybody was told beside records.
    struct Tellings {
        var told: Catalog
        var untold: [(lsn: LSN, catalog: Catalog)] = []
        var deleted: Set<StreamID> = []
        var wantedDeleted: Set<StreamID> = []
        /// Records below were told to be trimmed.
        var trimmed: [ShardRef: UInt64] = [:]
        var leases = LeaseStates()
    }

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

    init(_ plan: NodePlan, seed: UInt64, traces: Bool, breakage: Breakage?) {
        self.plan = plan
        self.breakage = breakage
        self.random = SplitMix64(seed: seed)
        self.pool = BufferPool(keep: 4, bufferBytes: plan.configuration.commitBounds.bufferBytes)
        self.trace = Trace(isOn: traces)
        self.disk = SimFileSystem(seed: seed &* 7919 &+ 1, direct: plan.direct, capacity: plan.capacity)
        self.clock.isSynchronized = plan.isSynchronized
        self.trueTime = TrueTime(isSynchronized: plan.isSynchronized)
        self.tellings = Tellings(told: Catalog(bounds: plan.configuration.bounds))
        self.disk.ignoreAdvice(plan.ignoresAdvice)
        self.disk.decideFaults { [unowned self] in self.decide($0) }
    }

    var core: LogCore { self.life.core }
    /// The catalog as anybody was told it.
    var told: Catalog { self.tellings.told }
    var now: Int64 { self.clock.wallMillis }

    // MARK: The disk

    /// It becomes full, or has space again.
    func fillDisk() {
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
        guard self.trouble.armed == nil else { return }
        if self.plan.crashEvery > 0, self.random.chance(1, of: self.plan.crashEvery) {
            self.trouble.armed = (self.random.within(1...12), .crash)
        } else if self.plan.failEvery > 0, self.random.chance(1, of: self.plan.failEvery) {
            self.trouble.armed = (self.random.within(1...8), .failed)
        }
    }

    func forgetFaults() { self.trouble.armed = nil }

    /// Asked by the disk before each operation.
    private func decide(_ operation: DiskOperation) -> DiskFault? {
        if let lie = self.lie(about: operation) { return lie }
        if self.trouble.nesting == .allowed, self.random.chance(1, of: 10) {
            self.trouble.nesting = .underWay
            self.stepBeside()
            self.trouble.nesting = .allowed
        }
        guard operation.changes, let (countdown, fault) = self.trouble.armed else { return nil }
        guard countdown <= 1 else {
            self.trouble.armed = (countdown - 1, fault)
            return nil
        }
        self.trouble.armed = nil
        self.trouble.count += 1
        self.trace.note("\(fault == .crash ? "CRASH" : "FAULT") in \(operation)")
        return fault
    }

    /// Other threads touch the disk while one is in the midst of its operations.
    private func stepBeside() {
        if let position = self.life.writers.indices.first(where: { self.life.writers[$0].result == nil }) {
            self.touchDisk(position)
        }
    }
}
