// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirConsumer
import WeirIO
import WeirModel

/// What all shards of a delivery have in common.
package struct DeliverySettings: Sendable {
    package var stream: StreamName
    /// Tells the stream from all others whose files may come into the same folder, in names of unfinished files.
    package var streamTag: String
    package var application: ApplicationName
    package var pattern: PrefixPattern
    package var compression: Compression
    package var files: DeliveryMachine.Settings
    package var form: RecordForm
    package var clock: any Clock
    package var dice: Dice
    /// For tests: another order is a broken protocol.
    package var steps = NamingStep.order
    /// For tests: whoever ignores what its predecessor was about to do breaks the protocol.
    package var heedsIntents = true

    package init(
        stream: StreamName, streamTag: String, application: ApplicationName, pattern: PrefixPattern,
        compression: Compression, files: DeliveryMachine.Settings, form: RecordForm,
        clock: any Clock = SystemClock(), dice: @escaping Dice = systemDice
    ) {
        self.stream = stream
        self.streamTag = streamTag
        self.application = application
        self.pattern = pattern
        self.compression = compression
        self.files = files
        self.form = form
        self.clock = clock
        self.dice = dice
    }
}

/// How records stand in files.
package struct RecordForm: Sendable {
    /// Appends records.
    package let append: @Sendable (ArraySlice<UserRecord>, inout [UInt8]) -> Void

    package init(_ append: @escaping @Sendable (ArraySlice<UserRecord>, inout [UInt8]) -> Void) {
        self.append = append
    }

    /// The data, and `delimiter` behind it.
    package static func data(delimiter: [UInt8]) -> RecordForm {
        RecordForm { records, output in
            for record in records {
                record.withData { output.append(contentsOf: $0) }
                output.append(contentsOf: delimiter)
            }
        }
    }
}

/// The steps in which files get their names (docs/decisions/0013-files-by-intent.md).
package enum NamingStep: Hashable, Sendable {
    /// What was written survives a crash.
    case sync
    /// Whoever holds the lease next finds out what is about to happen.
    case intent
    case names
    /// Nothing of it has to be done again.
    case commit

    package static let order: [NamingStep] = [.sync, .intent, .names, .commit]
}

/// Delivers one shard, for one holding of its lease.
package actor ShardDelivery {
    nonisolated private let thread: FileThread
    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

    enum Phase {
        case idle
        case running
        /// Nothing is written any more; why, and whether records have to be read again for it.
        case over(any Error)
    }

    /// What this holding of the lease keeps with it.
    struct Kept {
        /// Drawn by each holding, so that nothing of an earlier one can take its place.
        var life: UInt64 = 0
        var patterns: PatternEras
        /// All of it as it is stored, as far as that is known.
        var stored: [UInt8] = []
    }

    private struct Turns {
        var isBusy = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    let settings: DeliverySettings
    let destination: any Destination
    let board: DeliveryBoard
    let shard: ShardNumber
    var phase = Phase.idle
    var lease: (any LeaseHandle)?
    var machine: DeliveryMachine
    var kept: Kept
    var parts: [DeliveryMachine.Slot: PartFile] = [:]
    /// Unfinished files that an intent names, or may name: they are its next holder's too.
    var intended: Set<String> = []
    private var made: UInt64 = 0
    /// User records of a record that is not here whole: files are cut between records only.
    private var held: [UserRecord] = []
    private var timer: (at: UInt64, task: Task<Void, Never>)?
    private var turns = Turns()
    private var isLost = false

    package init(
        _ shard: ShardNumber, _ settings: DeliverySettings, _ destination: any Destination, _ board: DeliveryBoard
    ) {
        self.shard = shard
        self.settings = settings
        self.destination = destination
        self.board = board
        self.thread = FileThread("weir-deliver-\(shard.rawValue)")
        self.machine = DeliveryMachine(settings.files, from: nil)
        self.kept = Kept(patterns: PatternEras(settings.pattern))
    }

    // MARK: One thing at a time

    /// The processor's calls and the timer's take turns: a call waits for the disk and the server in between.
    private func alone<R>(_ body: () async throws -> R) async throws -> R {
        if self.turns.isBusy {
            await withCheckedContinuation { self.turns.waiting.append($0) }
        }
        self.turns.isBusy = true
        defer {
            if self.turns.waiting.isEmpty {
                self.turns.isBusy = false
            } else {
                self.turns.waiting.removeFirst().resume()
            }
        }
        return try await body()
    }

    /// What fails half-way cannot go on: files and machine may say different things.
    private func running(_ body: () async throws -> Void) async throws {
        try await self.alone {
            if case .over(let error) = self.phase { throw error }
            do {
                try await body()
            } catch {
                self.end(error)
                throw error
            }
        }
    }

    private func end(_ error: any Error) {
        self.phase = .over(error is ProcessorStops ? error : ProcessorGivesUp("\(error)"))
        self.timer?.task.cancel()
        self.timer = nil
        self.discard()
        if let again = error as? BeginAnew { self.board.beginAnew(again.reason) }
    }

    /// Records have to be read again from the checkpoint on.
    struct BeginAnew: Error, CustomStringConvertible {
        let reason: String
        var description: String { self.reason }
    }

    func discard() {
        for part in self.parts.values {
            part.rest()
            // What cannot be removed now is removed by whoever holds the lease next.
            if !self.intended.contains(part.unfinished) { try? self.destination.discard(part.unfinished) }
        }
        self.parts = [:]
        self.board.shows(self.shard, [])
        self.board.waits(self.shard, nil)
    }

    // MARK: The calls of a processor

    package func begin(from checkpoint: LeaseCheckpoint, _ lease: any LeaseHandle) async throws {
        try await self.running {
            self.lease = lease
            try await self.takeOver(from: checkpoint)
            self.phase = .running
        }
    }

    package func take(_ records: UserRecords) async throws {
        try await self.running {
            self.held += records
            let whole = (self.held.lastIndex(where: \.isLast) ?? -1) + 1
            let taken = self.held[..<whole]
            defer { self.held.removeFirst(whole) }
            try await self.write(taken)
            try await self.commitIdle()
            self.show()
        }
    }

    /// Everything that was given gets its name.
    package func finish() async throws {
        try await self.running {
            try await self.nameRest()
            if !self.machine.open.isEmpty {
                let reason = "files of an earlier run have to be made again first, and not all of them could be read"
                self.board.count { $0.unfinished[self.shard] = reason }
            }
            self.end(ProcessorStops())
        }
    }

    package func endShard() async throws {
        try await self.running {
            if self.machine.again != nil { try await self.makeAgainEnds() }
            try await self.nameRest()
            // Nobody looks for unfinished files of this shard any more, so none may come back after a power cut.
            let destination = self.destination
            try await self.stored { () throws(DestinationError) in try destination.settleUnfinished() }
            try await self.told { try await $0.checkpointEnd() }
            self.end(ProcessorStops())
        }
    }

    /// The lease is another's. Returns when nothing of this is under way any more.
    package func lose() async {
        self.isLost = true
        try? await self.alone { self.end(ProcessorStops()) }
    }

    // MARK: Time

    private func tick() async {
        self.timer = nil
        do {
            try await self.running {
                guard case .running = self.phase else { return }
                try await self.nameDue()
                self.show()
            }
        } catch let error as WeirError where error.code != .leaseLost {
            // No call of the processor would tell it while nothing comes. The others have been told by then.
            self.board.beginAnew(error.message)
        } catch {}
    }

    /// Looks again when a file may be due although nothing comes.
    private func show() {
        self.board.shows(self.shard, Array(self.machine.open.values))
        guard let deadline = self.machine.nextDeadline else { return }
        if let timer, timer.at <= deadline { return }
        self.timer?.task.cancel()
        let clock = self.settings.clock
        self.timer = (
            deadline,
            Task { [weak self] in
                guard (try? await clock.sleep(until: deadline)) != nil else { return }
                await self?.tick()
            }
        )
    }

    // MARK: Trying again

    /// Pauses between attempts, in nanoseconds.
    private static let firstPause: UInt64 = 50_000_000
    private static let longestPause: UInt64 = 1_000_000_000

    /// Until it works. A full disk is told and waited for; what was lost has to be read again.
    func stored<R>(_ body: () throws(DestinationError) -> R) async throws -> R {
        var pause = Self.firstPause
        while true {
            do throws(DestinationError) {
                let result = try body()
                if pause > Self.firstPause { self.board.waits(self.shard, nil) }
                return result
            } catch {
                guard error.kind == .later else { throw BeginAnew(reason: error.description) }
                try await self.pause(&pause, error.description)
            }
        }
    }

    /// Until the server has answered. What it refuses for good ends this holding of the lease.
    func told<R>(_ body: (any LeaseHandle) async throws -> R) async throws -> R {
        guard let lease = self.lease else { throw BeginAnew(reason: "\(self.shard) has no lease") }
        var pause = Self.firstPause
        while true {
            do {
                let result = try await body(lease)
                if pause > Self.firstPause { self.board.waits(self.shard, nil) }
                return result
            } catch let error as WeirError where error.code == .leaseLost || error.verdict.retry == .never {
                throw error
            } catch {
                try await self.pause(&pause, (error as? WeirError)?.message ?? "\(error)")
            }
        }
    }

    private func pause(_ nanos: inout UInt64, _ reason: String) async throws {
        self.board.waits(self.shard, reason)
        if self.board.isStopping { self.board.count { $0.unfinished[self.shard] = reason } }
        guard !self.isLost, !Task.isCancelled, !self.board.isStopping else { throw ProcessorStops() }
        let clock = self.settings.clock
        try? await clock.sleep(until: clock.monotonicNanos + nanos)
        nanos = min(nanos * 2, Self.longestPause)
    }

    func nextUnfinished() -> String {
        self.made += 1
        return FileName.unfinished(
            self.settings.streamTag, self.settings.application, self.shard, counter: self.lease?.counter ?? 0,
            number: self.made, life: self.kept.life)
    }
}
