// SPDX-License-Identifier: Apache-2.0
package import WeirModel

extension LeaseTable {
    /// Decides what a command means now, and changes nothing. `nil`: all is already as asked.
    package func plan(_ command: LeaseCommand, _ around: LeaseSurroundings) throws(WeirError) -> LeaseEvent? {
        switch command {
        case .createApplication(let ref, let start): return try self.planCreate(ref, start, around)
        case .deleteApplication(let ref, let force):
            let application = try self.existing(ref, around)
            if !force { try Self.checkUnheld(application.rows, ref, "deleted") }
            return .applicationDeleted(ref)
        case .assign(let ref, let changes):
            guard !changes.isEmpty, self.applications[ref] != nil else { return nil }
            return .leasesAssigned(LeasesAssigned(application: ref, changes: changes))
        case .checkpoint(let ref, let hold, let checkpoint):
            return try self.planCheckpoint(ref, hold, checkpoint, around)
        case .saveState(let ref, let hold, let state, let replaces):
            return try self.planState(ref, hold, state: state, replaces: replaces, around)
        case .reset(let ref, let shard, let target, let force, let reason):
            return try self.planReset(ref, shard, target, force: force, reason: reason, around)
        case .registerConsumer(let stream, let name): return try self.planRegister(stream, name, around)
        case .deregisterConsumer(let stream, let name):
            guard self.isRegistered(name, of: stream) else { throw Self.noConsumer(name, around) }
            return .consumerDeregistered(stream, name)
        case .setSessionTimeout(let ref, let owner, let millis):
            guard let rows = self.applications[ref]?.rows.values else { return nil }
            let isNews = rows.contains { $0.owner == owner && $0.sessionTimeoutMillis != millis }
            return isNews ? .sessionTimeoutSet(ref, owner, millis: millis) : nil
        case .setAttributes(let stream, let owner, let changes):
            return try self.planAttributes(of: owner, in: stream, changes, around)
        }
    }

    private func planAttributes(
        of owner: AttributesChanged.Owner, in stream: StreamID, _ changes: [AttributeChange],
        _ around: LeaseSurroundings
    ) throws(WeirError) -> LeaseEvent? {
        let what: String
        switch owner {
        case .stream:
            throw WeirError(.internalFailure, "the lease table was asked for the attributes of a stream")
        case .application(let name):
            _ = try self.existing(ApplicationRef(stream: stream, name: name), around)
            what = "application '\(name)' of stream '\(around.stream.name)'"
        case .consumer(let name):
            guard self.isRegistered(name, of: stream) else { throw Self.noConsumer(name, around) }
            what = "consumer '\(name)' of stream '\(around.stream.name)'"
        }
        let changes = try (self.attributes(of: owner, stream) ?? Attributes()).plan(
            changes,
            room: Limits.attributeBytesOfNodeMax - self.attributeBytes - around.attributeBytesElsewhere, of: what)
        guard !changes.isEmpty else { return nil }
        return .attributesChanged(
            AttributesChanged(stream: stream, atMillis: around.nowMillis, owner: owner, changes: changes))
    }

    private static func noConsumer(_ name: ConsumerName, _ around: LeaseSurroundings) -> WeirError {
        WeirError(.consumerNotFound, "stream '\(around.stream.name)' has no registered consumer '\(name)'")
    }

    /// The application, or an error that names those there are.
    package func existing(
        _ ref: ApplicationRef, _ around: LeaseSurroundings
    ) throws(WeirError) -> Application {
        if let application = self.applications[ref] { return application }
        let others = self.applications(of: ref.stream).prefix(10).map { "'\($0.name)'" }
        throw WeirError(
            .applicationNotFound,
            "stream '\(around.stream.name)' has no application '\(ref.name)': "
                + (others.isEmpty ? "nobody has consumed it" : "there is \(others.joined(separator: ", "))"))
    }

    /// The row that a worker says it holds, or an error that says who holds it.
    package func held(_ ref: ApplicationRef, _ hold: LeaseHold) throws(WeirError) -> LeaseRow {
        guard let row = self.row(ref, hold.shard) else {
            throw WeirError(
                .leaseLost, "application '\(ref.name)' has no lease of \(hold.shard): it was deleted, or has expired")
        }
        if row.owner == hold.owner, row.counter == hold.counter { return row }
        let now =
            switch row.owner {
            case nil where row.isFinished: "is finished"
            case nil: "is held by nobody"
            case hold.owner?: "was given to this worker anew"
            case let owner?: "is held by worker '\(owner.worker)'"
            }
        throw WeirError(
            .leaseLost,
            "the lease of \(hold.shard) \(now), with counter \(row.counter); worker '\(hold.owner.worker)' held it "
                + "with counter \(hold.counter)")
    }

    /// Why a reader under the lease with this counter must stop; `nil` while it need not.
    package func loss(_ ref: ApplicationRef, _ shard: ShardNumber, counter: UInt64) -> WeirError? {
        guard let row = self.row(ref, shard) else {
            return WeirError(.leaseLost, "application '\(ref.name)' has no lease of \(shard)")
        }
        if row.counter == counter, row.owner != nil { return nil }
        return WeirError(
            .leaseLost,
            "the lease of \(shard) is held by \(row.owner.map { "worker '\($0.worker)'" } ?? "nobody"), with counter "
                + "\(row.counter); the reader began with counter \(counter)")
    }

    // MARK: Applications

    /// Throws when the leases that an event brings to children are more than the node keeps.
    package func checkRoom(
        for event: CatalogEvent, of stream: StreamState, leasesMax: Int = Limits.leasesMax
    ) throws(WeirError) {
        guard case .resharded(let event) = event else { return }
        let children = event.steps.reduce(0) { $0 + $1.children.count }
        let applications = self.applications.count(of: stream.id)
        guard applications > 0, self.rowCount + children * applications > leasesMax else { return }
        throw WeirError(
            .limitExceeded,
            "the \(children) shards that this opens would bring the node to "
                + "\(self.rowCount + children * applications) leases, one for each of the \(applications) applications "
                + "of stream '\(stream.name)'; \(leasesMax) are allowed: delete one that is not used (weir lease "
                + "delete)"
        )
    }

    private func planCreate(
        _ ref: ApplicationRef, _ start: StreamStart, _ around: LeaseSurroundings
    ) throws(WeirError) -> LeaseEvent? {
        guard self.applications[ref] == nil else { return nil }
        let stream = around.stream
        let shards = stream.shards(start.shards)
        try self.checkRoom(ref, shards: shards.count, of: stream)
        var rows: [ApplicationCreated.Row] = []
        for shard in shards {
            rows.append(.init(shard: shard.number, checkpoint: try Self.resolve(start, shard, around)))
        }
        return .applicationCreated(
            ApplicationCreated(application: ref, atMillis: around.nowMillis, rows: rows))
    }

    /// Whether one more application may be there, with a row for each of so many shards.
    func checkRoom(_ ref: ApplicationRef, shards: Int, of stream: StreamState) throws(WeirError) {
        guard self.applications.count(of: ref.stream) < Limits.applicationsPerStream else {
            throw WeirError(
                .limitExceeded,
                "stream '\(stream.name)' has \(Limits.applicationsPerStream) applications; more are not allowed: "
                    + "delete one that is not used (weir lease delete)")
        }
        guard self.rowCount + shards <= Limits.leasesMax else { throw self.tooManyLeases(self.rowCount + shards) }
    }

    /// Whether a reset may add so many rows.
    func checkRows(adding rows: Int) throws(WeirError) {
        guard rows == 0 || self.rowCount + rows <= Limits.leasesMax else {
            throw self.tooManyLeases(self.rowCount + rows)
        }
    }

    private func tooManyLeases(_ count: Int) -> WeirError {
        WeirError(.limitExceeded, "the node would keep \(count) leases; \(Limits.leasesMax) are allowed")
    }

    /// Where a shard begins. LATEST becomes the number of the last record now, so that what comes before the first
    /// worker reads is not missed.
    private static func resolve(
        _ position: StreamStart, _ shard: ShardDescription, _ around: LeaseSurroundings
    ) throws(WeirError) -> LeaseCheckpoint {
        switch position {
        case .trimHorizon: return .trimHorizon
        case .latest:
            let next = shard.closed?.endIndex ?? around.nextIndex(shard.number)
            return Self.before(next, shard, around)
        case .at(let time):
            let millis = time.millisecondsSince1970
            guard millis >= 0, millis <= around.nowMillis else {
                throw WeirError(
                    .invalidArgument,
                    "a start at \(millis) ms is not allowed: now is \(around.nowMillis) ms, and it lies between 0 and "
                        + "now")
            }
            return .at(time)
        }
    }

    /// The checkpoint of one who goes on with the record `index`.
    private static func before(
        _ index: UInt64, _ shard: ShardDescription, _ around: LeaseSurroundings
    ) -> LeaseCheckpoint {
        guard index > shard.firstIndex else { return .trimHorizon }
        return .sequenceNumber(
            SequenceNumber(
                shardCreationSecond: shard.creationSecond, shard: shard.number, index: index - 1,
                arrivalSecond: UInt64(around.nowMillis) / 1000),
            subSequence: nil)
    }

    // MARK: Checkpoints

    private func planCheckpoint(
        _ ref: ApplicationRef, _ hold: LeaseHold, _ checkpoint: LeaseCheckpoint, _ around: LeaseSurroundings
    ) throws(WeirError) -> LeaseEvent? {
        _ = try self.existing(ref, around)
        if checkpoint == .shardEnd, self.isFinishedAlready(ref, hold) { return nil }
        let row = try self.held(ref, hold)
        guard let shard = around.stream.shard(hold.shard) else {
            throw WeirError(.leaseLost, "\(hold.shard) of stream '\(around.stream.name)' has expired")
        }
        switch checkpoint {
        case .at, .trimHorizon:
            throw WeirError(
                .invalidArgument, "a checkpoint is a sequence number or SHARD_END, not \(checkpoint)")
        case .sequenceNumber(let number, _): try Self.check(number, shard, around)
        case .shardEnd:
            guard !shard.isOpen else {
                throw WeirError(.invalidArgument, "\(shard.number) is open: SHARD_END is for a shard that was closed")
            }
        }
        if checkpoint == row.checkpoint { return nil }
        guard checkpoint.isAtOrAfter(row.checkpoint) else {
            throw WeirError(
                .invalidArgument,
                "checkpoint \(checkpoint) of \(shard.number) lies before \(row.checkpoint), where it is: checkpoints "
                    + "only go forward (weir lease reset takes them back)")
        }
        return .checkpointed(Checkpointed(application: ref, shard: hold.shard, checkpoint: checkpoint))
    }

    /// The end of a shard is told once more, because nobody heard that it was stored: the lease ended with it.
    private func isFinishedAlready(_ ref: ApplicationRef, _ hold: LeaseHold) -> Bool {
        guard let row = self.row(ref, hold.shard), row.isFinished, row.owner == nil else { return false }
        return row.counter == hold.counter + 1
    }

    /// Whether the number is of a record of the shard.
    private static func check(
        _ number: SequenceNumber, _ shard: ShardDescription, _ around: LeaseSurroundings
    ) throws(WeirError) {
        guard number.shard == shard.number, number.shardCreationSecond == shard.creationSecond else {
            throw WeirError(.invalidArgument, "sequence number \(number) is of another shard than \(shard.number)")
        }
        let end = shard.closed?.endIndex ?? around.nextIndex(shard.number)
        guard number.index < end, number.index >= shard.firstIndex else {
            throw WeirError(
                .invalidArgument,
                "sequence number \(number) is beyond the records of \(shard.number): their indexes are "
                    + "\(shard.firstIndex) to \(end) (not included), its is \(number.index)")
        }
    }

    // MARK: Operators

    private func planReset(
        _ ref: ApplicationRef, _ number: ShardNumber?, _ target: ResetTarget, force: Bool, reason: String,
        _ around: LeaseSurroundings
    ) throws(WeirError) -> LeaseEvent? {
        let application = try self.existing(ref, around)
        let numbers = try Self.resetShards(application, ref, number, target, around)
        try self.checkRows(adding: numbers.count { application.rows[$0] == nil })
        if !force {
            try Self.checkUnheld(numbers.lazy.compactMap { n in application.rows[n].map { (n, $0) } }, ref, "reset")
        }
        var rows: [ApplicationCreated.Row] = []
        for number in numbers {
            guard let shard = around.stream.shard(number) else { continue }
            let checkpoint: LeaseCheckpoint
            switch target {
            case .start(.latest) where !shard.isOpen: checkpoint = .shardEnd
            case .start(let start): checkpoint = try Self.resolve(start, shard, around)
            case .sequenceNumber(let number):
                try Self.check(number, shard, around)
                checkpoint = Self.before(number.index, shard, around)
            }
            rows.append(.init(shard: number, checkpoint: checkpoint))
        }
        return .leasesReset(
            LeasesReset(application: ref, atMillis: around.nowMillis, reason: reason, rows: rows))
    }

    /// What a reset is of: whatever the target makes the application process, which can be shards that were closed
    /// before it began.
    private static func resetShards(
        _ application: Application, _ ref: ApplicationRef, _ number: ShardNumber?, _ target: ResetTarget,
        _ around: LeaseSurroundings
    ) throws(WeirError) -> [ShardNumber] {
        if let number {
            guard application.rows[number] != nil || around.stream.shard(number) != nil else {
                throw WeirError(.shardNotFound, "application '\(ref.name)' has no lease of \(number)")
            }
            return [number]
        }
        let lineage: [ShardDescription] =
            switch target {
            // Closed shards have nothing behind the latest record.
            case .start(.latest), .sequenceNumber: []
            case .start(let start): around.stream.shards(start.shards)
            }
        return Set(application.rows.keys).union(lineage.map(\.number)).sorted()
    }

    static func checkUnheld(
        _ rows: some Sequence<LeaseRows.Element>, _ ref: ApplicationRef, _ what: String
    ) throws(WeirError) {
        let held = rows.filter { $0.value.owner != nil }
        guard let first = held.first, let owner = first.value.owner else { return }
        throw WeirError(
            .resourceInUse,
            "workers hold \(held.count) of the leases of application '\(ref.name)', among them '\(owner.worker)' "
                + "\(first.key): stop them, or say --force, and they are told; nothing was \(what)",
            verdict: .init(maybeStored: false, retry: .never))
    }

    private func planRegister(
        _ stream: StreamID, _ name: ConsumerName, _ around: LeaseSurroundings
    ) throws(WeirError) -> LeaseEvent? {
        let registered = self.consumers[stream]?.count ?? 0
        guard !self.isRegistered(name, of: stream) else {
            throw WeirError(
                .resourceInUse, "stream '\(around.stream.name)' has a registered consumer '\(name)' already",
                verdict: .init(maybeStored: false, retry: .never))
        }
        guard registered < Limits.consumersPerStream else {
            throw WeirError(
                .limitExceeded,
                "stream '\(around.stream.name)' has \(registered) registered consumers; "
                    + "\(Limits.consumersPerStream) are allowed")
        }
        return .consumerRegistered(stream, name, atMillis: around.nowMillis)
    }
}
