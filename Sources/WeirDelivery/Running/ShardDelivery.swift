// SPDX-License-Identifier: Apache-2.0
import WeirConsumer
import WeirModel

/// Delivers one shard, for one holding of its lease: runs what `DeliveryProtocol` decides.
package actor ShardDelivery {
    nonisolated private let thread: FileThread
    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

    private struct Turns {
        var isBusy = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    let settings: DeliverySettings
    let destination: any Destination
    let board: DeliveryBoard
    let shard: ShardNumber
    private var lease: (any LeaseHandle)?
    var state: DeliveryProtocol
    var parts: [DeliveryMachine.Slot: PartFile] = [:]
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
        self.state = DeliveryProtocol(settings.rules(shard))
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
            switch self.state.end {
            case nil: break
            case .stopped: throw ProcessorStops()
            case .beginsAnew(let reason): throw ProcessorGivesUp(reason)
            case .failed(let error): throw ProcessorGivesUp("\(error)")
            }
            do {
                try await body()
            } catch {
                self.end(error)
                switch error as? DeliveryProtocol.End {
                case .stopped: throw ProcessorStops()
                case .beginsAnew(let reason): throw ProcessorGivesUp(reason)
                case .failed(let error): throw error
                case nil: throw error
                }
            }
            if self.state.end != nil { self.letGo() }
        }
    }

    private func end(_ error: any Error) {
        switch error {
        case let end as DeliveryProtocol.End: self.state.ends(end)
        case is ProcessorStops: self.state.ends(.stopped)
        case let error as WeirError: self.state.ends(.failed(error))
        default: self.state.ends(.failed(WeirError(.internalFailure, "\(error)")))
        }
        self.letGo()
        if case .beginsAnew(let reason) = self.state.end { self.board.beginAnew(reason) }
    }

    private func letGo() {
        self.timer?.task.cancel()
        self.timer = nil
        for part in self.parts.values {
            part.rest()
            // What cannot be removed now is removed by whoever holds the lease next.
            if !self.state.intended.contains(part.unfinished) { try? self.destination.discard(part.unfinished) }
        }
        self.parts = [:]
        self.board.shows(self.shard, [])
        self.board.waits(self.shard, nil)
    }

    // MARK: The calls of a processor

    package func begin(from checkpoint: LeaseCheckpoint, _ lease: any LeaseHandle) async throws {
        try await self.running {
            self.lease = lease
            try await self.reach(
                .takeOver(from: checkpoint, counter: lease.counter, life: self.settings.dice()))
        }
    }

    package func take(_ records: UserRecords) async throws {
        try await self.running {
            self.held += records
            let whole = (self.held.lastIndex(where: \.isLast) ?? -1) + 1
            let taken = self.held[..<whole]
            defer { self.held.removeFirst(whole) }
            try await self.write(taken)
            try await self.reach(.settle)
            self.show()
        }
    }

    /// Everything that was given gets its name.
    package func finish() async throws { try await self.running { try await self.reach(.finish) } }

    package func endShard() async throws { try await self.running { try await self.reach(.endShard) } }

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
                guard self.state.isReady else { return }
                try await self.nameDue()
                self.show()
            }
        } catch let error as WeirError where error.code != .leaseLost {
            // No call of the processor would tell it while nothing comes. The others have been told by then.
            self.board.beginAnew(error.message)
        } catch {}
    }

    func nameDue() async throws { try await self.reach(.due(now: self.settings.clock.monotonicNanos)) }

    /// Looks again when a file may be due although nothing comes.
    private func show() {
        self.board.shows(self.shard, Array(self.state.plan.open.values))
        guard let deadline = self.state.plan.nextDeadline else { return }
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

    // MARK: Effects

    func reach(_ goal: DeliveryProtocol.Goal) async throws {
        var step = self.state.begin(goal)
        while case .perform(let effect) = step { step = self.state.handle(try await self.perform(effect)) }
        if case .over(let end) = step { throw end }
    }

    private func perform(_ effect: DeliveryProtocol.Effect) async throws -> DeliveryProtocol.Event {
        let destination = self.destination
        switch effect {
        case .readState: return .state(try await self.told { try await $0.state() })
        case .saveState(let bytes, let before):
            do {
                try await self.told { try await $0.saveState(bytes, replacing: before) }
            } catch DeliveryProtocol.End.failed(let error) where error.code == .invalidArgument {
                return .displaced(error)
            }
        case .checkpoint(let number): try await self.told { try await $0.checkpoint(at: number) }
        case .checkpointEnd: try await self.told { try await $0.checkpointEnd() }
        case .exists(let path):
            return .exists(try await self.stored { () throws(DestinationError) in try destination.exists(path) })
        case .look(let name):
            return .found(try await self.stored { () throws(DestinationError) in try destination.look(at: name) })
        case .publish(let name, let path):
            return .published(
                try await self.stored { () throws(DestinationError) in try destination.publish(name, as: path) })
        case .discard(let name):
            try await self.stored { () throws(DestinationError) in try destination.discard(name) }
        case .settle(let paths):
            try await self.stored { () throws(DestinationError) in try destination.settle(paths) }
        case .settleUnfinished:
            try await self.stored { () throws(DestinationError) in try destination.settleUnfinished() }
        case .note(let name, let files):
            let bytes = FileNote.encode(files)
            try await self.stored { () throws(DestinationError) in try destination.keep(name, bytes) }
        case .list(let prefix):
            return .names(try await self.stored { () throws(DestinationError) in try destination.unfinished(prefix) })
        case .seal(let slot): return .sealed(try await self.seal(slot))
        case .tell(let news): self.tell(news)
        }
        return .done
    }

    private func seal(_ slot: DeliveryMachine.Slot) async throws -> DeliveryProtocol.Sealed? {
        guard let part = self.parts[slot] else { return nil }
        try part.endFrame()
        try await self.stored { () throws(DestinationError) in try part.write(isAll: true) }
        let stored = try await self.stored { () throws(DestinationError) in try part.sync() }
        part.rest()
        return DeliveryProtocol.Sealed(unfinished: part.unfinished, stored: stored, draw: self.settings.dice())
    }

    private func tell(_ news: DeliveryProtocol.News) {
        switch news {
        case .leaves(let reason): self.board.count { $0.unfinished[self.shard] = reason }
        case .recovered(let finished, let toMakeAgain):
            self.board.count { status in
                status.filesRecovered += UInt64(finished)
                status.filesMadeAgain += UInt64(toMakeAgain)
            }
        case .delivered(let files, let open):
            for file in open { self.parts[file.slot] = nil }
            let large = self.settings.files.fileBytes / 5 * 4
            self.board.count { status in
                status.files += UInt64(files.count)
                status.records += open.reduce(0) { $0 + $1.records }
                status.inputBytes += open.reduce(0) { $0 + $1.inputBytes }
                for file in files {
                    status.bytes += file.bytes
                    if file.bytes >= large { status.bytesInLargeFiles += file.bytes }
                    status.lastFile = file.path
                }
            }
        }
    }

    // MARK: Trying again

    /// Until it works, or nothing is done any more.
    func stored<R>(_ body: () throws(DestinationError) -> R) async throws -> R {
        var attempts = Attempts()
        while true {
            do throws(DestinationError) {
                let result = try body()
                if attempts.hasWaited { self.board.waits(self.shard, nil) }
                return result
            } catch {
                try await self.failed(.destination(error), &attempts)
            }
        }
    }

    /// The same, asked of the server.
    private func told<R>(_ body: (any LeaseHandle) async throws -> R) async throws -> R {
        guard let lease = self.lease else { throw DeliveryProtocol.End.beginsAnew("\(self.shard) has no lease") }
        var attempts = Attempts()
        while true {
            do {
                let result = try await body(lease)
                if attempts.hasWaited { self.board.waits(self.shard, nil) }
                return result
            } catch {
                try await self.failed((error as? WeirError).map { .server($0) } ?? .other("\(error)"), &attempts)
            }
        }
    }

    private func failed(_ refusal: Attempts.Refusal, _ attempts: inout Attempts) async throws {
        let wanted: Attempts.Wanted =
            self.isLost || Task.isCancelled ? .not : self.board.isStopping ? .ending : .still
        switch attempts.failed(refusal, wanted: wanted) {
        case .again(let nanos, let reason):
            self.board.waits(self.shard, reason)
            let clock = self.settings.clock
            try? await clock.sleep(until: clock.monotonicNanos + nanos)
        case .ends(let end, let leaves):
            if let leaves { self.board.count { $0.unfinished[self.shard] = leaves } }
            throw end
        }
    }
}
