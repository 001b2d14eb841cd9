// SPDX-License-Identifier: Apache-2.0
import CWeir
import Synchronization
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel

/// What the watermark did. Told on storage threads, never under the log's lock.
package enum Progress: Sendable {
    /// Everything up to here is on disk. `shards` have records, or an end, that became visible.
    case durable(Watermark, shards: [ShardRef])
    /// A write failed: everything of the term above the watermark has an unknown outcome. The node rebuilds itself.
    case failed(Watermark, reason: String)
    /// Serving again, in the term of the watermark. `ShardState`s from before are dead.
    case recovered(Watermark)
    /// Gave up; the process must end with this sentence.
    case stopped(String)
    /// A sentence for the operator's log.
    case notice(String)
}

/// The log on files: recovers it, then runs it with two writer threads, a thread for upkeep and reader threads.
///
/// Everything that is acknowledged, read or answered goes through `Progress.durable` first. `withLog` is the one way to
/// the state; it is short and does no I/O.
package final class Storage: Sendable {
    package let fileSystem: any FileSystem
    let configuration: StorageConfiguration
    let clock: any Clock
    let monitor: Monitor<Running>
    /// Held while a commit is taken and sealed, so that commits are chained in their order.
    let sealing: Mutex<SealState>
    let handler: @Sendable (Progress) -> Void
    let readers: ReaderPool
    let syncTimes = SyncTimes()
    let upkeepFailures = Mutex(ToldFailures())
    /// What the start said.
    package let recoveryReport: [String]
    private let pool: BufferPool

    struct SealState {
        var previous: CommitPoint
        /// Which core the chain belongs to: it begins anew with each term, at the term's cut.
        var term: UInt64
    }

    struct Running {
        var core: LogCore
        /// Tasks taken from the core and not yet reported: a recovery waits until there are none.
        var busy = 0
        var upkeep = 0
        var writers = 0
        var closing = false
        var failures = 0
        var shortage = ShortageWait()
        /// What the last recovery found, that of the start or a later one.
        var damaged: [DamagedRange]

        /// Whether nothing will come any more that a writer must take.
        var writersMayEnd: Bool {
            if case .stopped = self.core.state { return true }
            return self.closing && self.upkeep == 0 && !self.core.hasWork
        }
    }

    package static func open(
        _ configuration: StorageConfiguration, clock: any Clock, handler: @escaping @Sendable (Progress) -> Void
    ) throws(StorageError) -> Storage {
        try DataFolder.checkBeforeLocking(configuration.folder)
        let fileSystem: PosixFileSystem
        do throws(FileError) {
            fileSystem = try PosixFileSystem(folder: configuration.folder, mode: configuration.writeMode)
        } catch {
            throw StorageError(error.description)
        }
        return try Storage.open(configuration, on: fileSystem, clock: clock, handler: handler)
    }

    /// As above, on a file system that is there already: a simulated one, or a real folder that was opened before.
    package static func open(
        _ configuration: StorageConfiguration, on fileSystem: any FileSystem, clock: any Clock,
        handler: @escaping @Sendable (Progress) -> Void
    ) throws(StorageError) -> Storage {
        try Storage(fileSystem, configuration, clock: clock, handler: handler)
    }

    private init(
        _ fileSystem: any FileSystem, _ configuration: StorageConfiguration, clock: any Clock,
        handler: @escaping @Sendable (Progress) -> Void
    ) throws(StorageError) {
        self.fileSystem = fileSystem
        self.configuration = configuration
        self.clock = clock
        self.handler = handler
        self.pool = BufferPool(keep: 16)
        let recovered = try Recovery.run(
            fileSystem, configuration, clock: clock, pool: self.pool,
            start: .process(newLogID: UInt64.random(in: 1...UInt64.max)))
        self.recoveryReport = recovered.report.lines
        self.sealing = Mutex(SealState(previous: recovered.core.cut, term: recovered.core.term))
        self.monitor = Monitor(Running(core: recovered.core, damaged: recovered.report.damaged))
        self.readers = ReaderPool(threads: 2, queueMax: 4096)
        self.startThreads()
    }

    private func startThreads() {
        self.monitor.withLock { running in
            running.writers = LogFormat.depthMax
            running.upkeep = 1
        }
        for number in 0..<LogFormat.depthMax {
            Thread.start("weir-writer-\(number)") { [self] in self.runWriter() }
        }
        Thread.start("weir-upkeep") { [self] in self.runUpkeep() }
    }

    /// Runs `body` under the log's lock. Short, no I/O, no waiting. The writers are woken when there is work for them.
    package func withLog<R, E: Error>(_ body: (LogCore) throws(E) -> R) throws(E) -> R {
        var work = false
        defer { if work { self.monitor.wakeWorker() } }
        return try self.monitor.withLock { running throws(E) in
            defer { work = running.core.hasTask }
            return try body(running.core)
        }
    }

    /// As `withLog`, for one of many changes that come in a row: while they are too little for a write of their own the
    /// writers are not woken, so that one commit holds more of them. Then `owed` becomes true, and the caller owes
    /// `wakeWriter` behind the last change.
    package func withLog<R, E: Error>(
        owing owed: inout Bool, _ body: (LogCore) throws(E) -> R
    ) throws(E) -> R {
        var (work, isEnough) = (false, false)
        defer {
            if work, isEnough { self.wakeWriter() }
            owed = !isEnough && (owed || work)
        }
        return try self.monitor.withLock { running throws(E) in
            defer {
                work = running.core.hasTask
                isEnough = running.core.isWorthAWrite
            }
            return try body(running.core)
        }
    }

    package func wakeWriter() { self.monitor.wakeWorker() }

    /// Reads on a reader thread, from index, memory or disk.
    package func read(_ request: ReadRequest, completion: @escaping @Sendable (Result<ReadResult, WeirError>) -> Void) {
        let queued = self.readers.submit { [self] in completion(self.readNow(request)) }
        if !queued { completion(.failure(WeirError(.unavailable, "too many reads wait for the disk"))) }
    }

    /// Finds on a reader thread where an iterator begins.
    package func resolve(
        _ type: ShardIteratorType, in shard: ShardRef, nowMillis: Int64,
        completion: @escaping @Sendable (Result<UInt64, WeirError>) -> Void
    ) {
        let queued = self.readers.submit { [self] in
            completion(self.resolveNow(type, in: shard, nowMillis: nowMillis))
        }
        if !queued { completion(.failure(WeirError(.unavailable, "too many reads wait for the disk"))) }
    }

    /// Everything admitted becomes durable, a last empty commit proves it, threads end. Blocking; call it once.
    package func shutdown() {
        self.monitor.withLock { $0.closing = true }
        self.monitor.wakeAll()
        let ended: Void? = self.monitor.wait { running in
            running.writers == 0 && running.upkeep == 0 ? () : nil
        }
        precondition(ended != nil)
        self.readers.stop()
        self.fileSystem.release()
    }

    package func status() -> StorageStatus {
        let times = self.syncTimes.percentiles()
        return self.monitor.withLock { running in
            let core = running.core
            return StorageStatus(
                nodeID: core.logID, term: core.term, durableLSN: core.durableLSN, logBytes: core.logBytes,
                logBytesMax: core.files.bytesMax, freeBytes: core.files.disk.free, segments: core.segments.count,
                syncMicrosP50: times.p50, syncMicrosP99: times.p99, counters: core.counters,
                writeMode: (self.fileSystem as? PosixFileSystem)?.mode.rawValue ?? "simulated",
                damaged: running.damaged + core.foundDamage,
                heldBack: core.time.heldBack.map { ($0.sentence, core.time.trustedMillis - $0.sinceMillis) })
        }
    }

    // MARK: Recovery while running

    /// A write failed: forget the machines, read the disk again under a new term. Gives up after repeated failure.
    /// The core is in recovery already, so nobody takes a task; what is under way must end first, or it would write to
    /// files that the new term uses.
    func recoverFromFailure(_ reason: String) {
        self.handler(.failed(self.monitor.withLock { $0.core.watermark }, reason: reason))
        let _: Void? = self.monitor.wait { $0.busy == 0 ? () : nil }
        let failures = self.monitor.withLock { running in
            running.failures += 1
            return running.failures
        }
        let failed = self.monitor.withLock { $0.core.continuation }
        guard failures <= 3 else {
            self.stop("writing to \(self.fileSystem.name) failed \(failures) times: \(reason)")
            return
        }
        do throws(StorageError) {
            let (core, report) = try self.recover(from: failed)
            let watermark = core.watermark
            self.monitor.withLock { running in
                running.core = core
                running.damaged = report.damaged
            }
            for line in report.lines { self.handler(.notice(line)) }
            self.handler(.recovered(watermark))
            self.monitor.wakeAll()
        } catch {
            self.stop("after a failed write (\(reason)): \(error.message)")
        }
    }

    /// A recovery that the system refuses space or descriptors is tried again: nothing is wrong with the disk.
    private func recover(
        from failed: Recovery.Continuation
    ) throws(StorageError) -> (core: LogCore, report: RecoveryReport) {
        var isTold = false
        while true {
            do throws(StorageError) {
                return try Recovery.run(
                    self.fileSystem, self.configuration, clock: self.clock, pool: self.pool, start: .continuing(failed))
            } catch {
                guard let shortage = error.shortage, self.waitsOut(shortage) else { throw error }
                if !isTold { self.handler(.notice("the recovery waits, and is tried again: \(error.message)")) }
                isTold = true
            }
        }
    }

    func stop(_ sentence: String) {
        self.monitor.withLock { $0.core.state = .stopped(sentence) }
        self.handler(.stopped(sentence))
        self.monitor.wakeAll()
    }
}

package struct StorageStatus: Sendable {
    package let nodeID: UInt64
    package let term: UInt64
    package let durableLSN: LSN
    package let logBytes: Int64
    package let logBytesMax: Int64
    package let freeBytes: Int64
    package let segments: Int
    package let syncMicrosP50: Int
    package let syncMicrosP99: Int
    package let counters: LogActivity.Counters
    package let writeMode: String
    /// What the last recovery found, and what readers and the scrub have found since.
    package let damaged: [DamagedRange]
    /// What the clock holds back, and for how long already.
    package let heldBack: (sentence: String, millis: Int64)?
}
