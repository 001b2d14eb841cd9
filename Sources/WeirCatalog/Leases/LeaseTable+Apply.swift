// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

extension LeaseTable {
    /// Changes the table by one event that `plan` returned or that the log replays. One that does not fit is refused
    /// with a sentence, and nothing changes.
    package mutating func apply(_ event: LeaseEvent) throws(CatalogMismatch) {
        switch event {
        case .applicationCreated(let event): try self.create(event)
        case .applicationDeleted(let ref): try self.delete(ref)
        case .leasesAssigned(let event): try self.assign(event)
        case .checkpointed(let event): try self.checkpoint(event)
        case .leasesReset(let event): try self.reset(event)
        case .stateSaved(let event): try self.saveState(event)
        case .consumerRegistered(let stream, let name, let atMillis):
            guard self.consumers[stream]?[name] == nil else {
                throw CatalogMismatch("consumer '\(name)' of \(stream) was registered twice")
            }
            self.consumers[stream, default: [:]][name] = Consumer(createdAtMillis: atMillis)
        case .consumerDeregistered(let stream, let name):
            guard let consumer = self.consumers[stream]?.removeValue(forKey: name) else {
                throw CatalogMismatch("consumer '\(name)' of \(stream) was never registered")
            }
            self.attributeBytes -= consumer.attributes.bytes
            if self.consumers[stream]?.isEmpty ?? false { self.consumers[stream] = nil }
        case .sessionTimeoutSet(let ref, let owner, let millis):
            guard let rows = self.applications[ref]?.rows else {
                throw CatalogMismatch("a session timeout of \(ref), which is not there")
            }
            for (shard, row) in rows where row.owner == owner {
                self.update(ref, shard) { $0.sessionTimeoutMillis = millis }
            }
        case .attributesChanged(let event): try self.change(event)
        }
    }

    private mutating func change(_ event: AttributesChanged) throws(CatalogMismatch) {
        guard var attributes = self.attributes(of: event.owner, event.stream) else {
            throw CatalogMismatch("attributes of \(event.owner) of \(event.stream), which is not there")
        }
        self.attributeBytes -= attributes.bytes
        for change in event.changes { attributes.apply(change) }
        self.attributeBytes += attributes.bytes
        switch event.owner {
        case .stream: break
        case .application(let name):
            self.applications[ApplicationRef(stream: event.stream, name: name)]?.attributes = attributes
        case .consumer(let name): self.consumers[event.stream]?[name]?.attributes = attributes
        }
    }

    /// Follows the shards, in the commit that changed them: children get rows, so that nobody can miss them.
    package mutating func follow(_ event: CatalogEvent) {
        switch event {
        case .resharded(let event): self.follow(event)
        case .shardsExpired(let event):
            for ref in self.applications(of: event.stream) {
                for shard in event.shards {
                    guard let row = self.row(ref, shard) else { continue }
                    self.applications[ref]?.rows[shard] = nil
                    self.rowCount -= 1
                    self.stateBytes -= row.state.count
                    self.note(shard, of: ref)
                }
            }
        case .streamDeleted(let event):
            for ref in self.applications(of: event.stream) { self.remove(ref) }
            let consumers = self.consumers.removeValue(forKey: event.stream) ?? [:]
            self.attributeBytes -= consumers.values.reduce(0) { $0 + $1.attributes.bytes }
            self.countersUsed[event.stream] = nil
        case .streamCreated, .streamUpdated, .horizonRaised, .streamCapped, .attributesChanged: break
        }
    }

    private mutating func follow(_ event: Resharding) {
        for ref in self.applications(of: event.stream) {
            for child in event.steps.flatMap(\.children) where self.row(ref, child.number) == nil {
                self.applications[ref]?.rows[child.number] = LeaseRow(checkpoint: .trimHorizon)
                self.rowCount += 1
                self.note(child.number, of: ref)
            }
        }
    }

    private mutating func create(_ event: ApplicationCreated) throws(CatalogMismatch) {
        guard self.applications[event.application] == nil else {
            throw CatalogMismatch("\(event.application) was created twice")
        }
        var rows = LeaseRows()
        let counter = self.countersUsed[event.application.stream] ?? 0
        for row in event.rows { rows[row.shard] = LeaseRow(checkpoint: row.checkpoint, counter: counter) }
        self.applications[event.application] = Application(createdAtMillis: event.atMillis, rows: rows)
        self.rowCount += rows.count
    }

    private mutating func delete(_ ref: ApplicationRef) throws(CatalogMismatch) {
        guard self.applications[ref] != nil else { throw CatalogMismatch("\(ref) was deleted and is not there") }
        self.remove(ref)
    }

    private mutating func remove(_ ref: ApplicationRef) {
        guard let application = self.applications[ref] else { return }
        self.applications[ref] = nil
        let rows = application.rows
        self.rowCount -= rows.count
        self.stateBytes -= rows.values.reduce(0) { $0 + $1.state.count }
        self.attributeBytes -= application.attributes.bytes
        let highest = rows.values.reduce(self.countersUsed[ref.stream] ?? 0) { max($0, $1.counter) }
        if highest > 0 { self.countersUsed[ref.stream] = highest }
    }

    private mutating func assign(_ event: LeasesAssigned) throws(CatalogMismatch) {
        for change in event.changes where self.row(event.application, change.shard) == nil {
            throw CatalogMismatch("\(change.shard) of \(event.application) was assigned and has no lease")
        }
        for change in event.changes {
            self.update(event.application, change.shard) { row in
                row.owner = change.owner
                row.sessionTimeoutMillis = change.sessionTimeoutMillis
                row.counter += 1
                if change.owner != nil { row.ownerSwitches &+= 1 }
            }
        }
    }

    private mutating func checkpoint(_ event: Checkpointed) throws(CatalogMismatch) {
        guard let row = self.row(event.application, event.shard) else {
            throw CatalogMismatch("\(event.shard) of \(event.application) was checkpointed and has no lease")
        }
        guard event.checkpoint.isAtOrAfter(row.checkpoint) else {
            throw CatalogMismatch(
                "\(event.shard) of \(event.application) went back from \(row.checkpoint) to \(event.checkpoint)")
        }
        self.update(event.application, event.shard) { row in
            row.checkpoint = event.checkpoint
            row.ownerSwitches = 0
            // Nothing is left to do: nobody needs to hold it.
            if event.checkpoint == .shardEnd {
                row.owner = nil
                row.sessionTimeoutMillis = nil
                row.counter += 1
                row.state = []
            }
        }
    }

    private mutating func saveState(_ event: LeaseStateSaved) throws(CatalogMismatch) {
        guard self.row(event.application, event.shard) != nil else {
            throw CatalogMismatch("\(event.shard) of \(event.application) was given a state and has no lease")
        }
        self.update(event.application, event.shard) { $0.state = event.state }
    }

    private mutating func reset(_ event: LeasesReset) throws(CatalogMismatch) {
        guard self.applications[event.application] != nil else {
            throw CatalogMismatch("\(event.application) was reset and is not there")
        }
        let counter = self.countersUsed[event.application.stream] ?? 0
        for change in event.rows {
            // A shard that was closed before the application began.
            if self.row(event.application, change.shard) == nil {
                self.applications[event.application]?.rows[change.shard] = LeaseRow(
                    checkpoint: change.checkpoint, counter: counter)
                self.rowCount += 1
                self.note(change.shard, of: event.application)
            }
            self.update(event.application, change.shard) { $0 = $0.reset(to: change.checkpoint, by: event) }
        }
    }

    private mutating func update(_ ref: ApplicationRef, _ shard: ShardNumber, _ change: (inout LeaseRow) -> Void) {
        guard let before = self.applications[ref]?.rows[shard] else { return }
        var row = before
        change(&row)
        self.applications[ref]?.rows[shard] = row
        self.stateBytes += row.state.count - before.state.count
        if row.owner != before.owner || row.isFinished != before.isFinished || row.counter != before.counter {
            self.note(shard, of: ref)
        }
    }
}
