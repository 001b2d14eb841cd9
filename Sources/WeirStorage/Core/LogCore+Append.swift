// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// Where appended records will be, once commit `lsn` is durable.
package struct Appended: Sendable {
    package let firstIndex: UInt64
    package let arrivalMillis: Int64
    package let lsn: LSN
    /// From when on it may be told.
    package let mark: Mark
}

extension LogCore {
    /// Appends a client-framed body as one batch: one copy, straight into the open commit. The caller has verified
    /// checksum, sizes and routing, and has asked admission. Nothing is stored when it throws.
    package func append(
        _ shard: ShardState, body: UnsafeRawBufferPointer, count: Int, nowMillis: Int64
    ) throws(WeirError) -> Appended {
        try self.checkMayAppend(to: shard, bytes: body.count)
        let placementAt = Placement.bytes + body.count
        self.makeRoom(for: placementAt)
        let arrival = self.stamp(nowMillis)
        let first = shard.nextIndex
        self.commits.open.append(
            body: body,
            placement: Placement(
                stream: shard.ref.stream, shard: shard.ref.shard, firstIndex: first, count: count,
                arrivalMillis: arrival, bodyLength: body.count),
            shard: shard)
        shard.nextIndex = first + UInt64(count)
        return Appended(
            firstIndex: first, arrivalMillis: arrival, lsn: self.commits.open.lsn,
            mark: self.mark(self.commits.open.lsn))
    }

    /// Appends `count` records lying back to back in stored form. The server is their writer: it joins them with those
    /// of other requests for the same shard in this commit.
    package func appendRecords(
        _ shard: ShardState, records: UnsafeRawBufferPointer, count: Int, nowMillis: Int64
    ) throws(WeirError) -> Appended {
        try self.checkMayAppend(to: shard, bytes: records.count)
        self.makeRoom(for: self.commits.open.stagingNeed(records.count))
        let arrival = self.commits.open.stagedArrival(of: shard) ?? self.stamp(nowMillis)
        let first = shard.nextIndex
        self.commits.open.stage(
            records: records, count: count, shard: shard, firstIndex: first, arrivalMillis: arrival,
            pool: self.commits.buffers)
        shard.nextIndex = first + UInt64(count)
        return Appended(
            firstIndex: first, arrivalMillis: arrival, lsn: self.commits.open.lsn,
            mark: self.mark(self.commits.open.lsn))
    }

    /// Appends the events that `command` leads to. They open a commit, so that every batch in it was admitted after
    /// them. Returns no events when there is nothing to change.
    package func submit(
        _ command: CatalogCommand, nowMillis: Int64
    ) throws(WeirError) -> Submitted {
        if let error = self.unavailable() { throw error }
        try self.checkMayLog()
        guard !self.commits.open.hasBatches || self.commits.closed.count < Self.waitingCommitsMax else {
            throw self.tooMuchWaits("\(self.commits.closed.count) commits")
        }
        // Each that waits keeps what it has changed of a list of shards.
        guard self.streams.weight <= Self.waitingShardsMax else {
            throw WeirError(
                .unavailable,
                "\(self.streams.changes.count) changes of streams wait for the disk, and have changed lists of "
                    + "\(self.streams.weight) listed shards and attributes together; \(Self.waitingShardsMax) may wait",
                verdict: .init(maybeStored: false, retry: .after(millis: 20)))
        }
        return try self.log(command, nowMillis: nowMillis)
    }

    /// What a maximum size takes of a stream goes, however much waits for the disk: clients may keep that at its bounds
    /// for as long as they like, and the stream would grow all the while. Nothing piles up of it: a look at all caps
    /// closes one commit at most, and on a disk that stands still no segment fills up, so nothing more is taken.
    func cap(_ stream: StreamID, upTo position: LSN, nowMillis: Int64) throws(WeirError) {
        _ = try self.log(.capStream(stream, upTo: position.rawValue), nowMillis: nowMillis)
    }

    private func log(_ command: CatalogCommand, nowMillis: Int64) throws(WeirError) -> Submitted {
        let now = self.stamp(nowMillis)
        let events = try self.catalog.plan(
            command, nowMillis: now, destroyMillis: self.retention.time.destroying(nowMillis),
            attributeBytesElsewhere: self.leases.attributeBytes
        ) { self.shards[$0]?.nextIndex ?? 0 }
        try self.checkLeases(events, of: command)
        for event in events {
            self.append(event: event.kind, payload: event.encode())
            let lsn = self.commits.open.lsn
            do {
                try self.streams.plan(for: lsn) { catalog throws(CatalogMismatch) in
                    // A deleted stream is asked for its shards before it goes.
                    var gone: StreamState?
                    if case .streamDeleted = event { gone = catalog.stream(event.stream) }
                    var change = CatalogChange(try catalog.step(by: event))
                    self.follow(event, of: gone, lsn: lsn, &change)
                    return change
                }
            } catch {
                preconditionFailure("the catalog refuses its own plan: \(error)")
            }
            self.leases.follow(event)
            self.leaseLSN = lsn
            self.noteDeletable(event, of: command)
            self.noteCap(event)
            self.catalogLSN = lsn
        }
        return Submitted(events: events, lsn: self.catalogLSN, mark: self.catalogMark)
    }

    /// Whether there is room for the leases of shards that open. An operator's renumbering of a restored folder is not
    /// stopped half way.
    private func checkLeases(_ events: [CatalogEvent], of command: CatalogCommand) throws(WeirError) {
        if case .renumber = command { return }
        for event in events {
            if let stream = self.catalog.stream(event.stream) { try self.leases.checkRoom(for: event, of: stream) }
        }
    }

    package struct Submitted: Sendable {
        package let events: [CatalogEvent]
        package let lsn: LSN
        /// From when on it may be told.
        package let mark: Mark
    }

    func append(event kind: UInt16, payload: [UInt8]) {
        if self.commits.open.hasBatches { self.closeOpen() }
        self.makeRoom(for: EventSection.paddedLength(ofPayload: payload.count))
        self.commits.open.append(event: kind, payload: payload, timeMillis: self.retention.time.lastStampMillis)
    }

    /// Brings the shards in step with the catalog after an event: those that the event names. `gone` is the stream that
    /// it deleted, `lsn` the commit that holds it. Shards go at once for puts, and for readers when that is durable.
    private func follow(_ event: CatalogEvent, of gone: StreamState?, lsn: LSN, _ change: inout CatalogChange) {
        let stream = event.stream
        switch event {
        case .streamUpdated, .horizonRaised, .streamCapped, .attributesChanged: return
        case .streamDeleted: self.take(gone?.shards.map(\.number) ?? [], of: stream, lsn: lsn, &change)
        case .streamCreated(let created):
            self.begin((0..<UInt32(created.shards)).map { ShardNumber($0) }, of: change.step)
        case .resharded(let resharding):
            for step in resharding.steps {
                self.begin(step.children.map(\.number), of: change.step)
                for parent in step.parents {
                    guard let shard = self.shards[ShardRef(stream: stream, shard: parent.number)] else { continue }
                    change.close(shard, lsn: lsn)
                }
            }
        case .shardsExpired(let expired): self.take(expired.shards, of: stream, lsn: lsn, &change)
        }
        self.shards.changed(stream)
    }

    private func begin(_ numbers: [ShardNumber], of step: Catalog.Step) {
        for number in numbers {
            let ref = ShardRef(stream: step.stream, shard: number)
            guard self.shards[ref] == nil, let shard = step.state?.shard(number) else { continue }
            self.shards.add(
                ShardState(
                    ref: ref, term: self.term, creationSecond: shard.creationSecond, firstIndex: shard.firstIndex,
                    nextIndex: shard.firstIndex))
        }
    }

    private func take(_ numbers: [ShardNumber], of stream: StreamID, lsn: LSN, _ change: inout CatalogChange) {
        for number in numbers {
            guard let shard = self.shards.take(ShardRef(stream: stream, shard: number)) else { continue }
            change.take(shard, lsn: lsn)
        }
    }

    private func checkMayAppend(to shard: ShardState, bytes: Int) throws(WeirError) {
        guard shard.term == self.term else {
            throw WeirError(
                .unavailable, "the node has recovered from a failed write; look up \(shard.ref.shard) again")
        }
        guard shard.isOpen else {
            throw WeirError(.wrongShard, "\(shard.ref.shard) is closed: it was split or merged; refresh the shard map")
        }
        try self.checkRoom(bytes: bytes)
    }

    /// Whether so many bytes more may be admitted at all.
    func checkRoom(bytes: Int) throws(WeirError) {
        if case .serving = self.state {} else if let error = self.unavailable() { throw error }
        guard bytes <= CommitBounds.requestBytesMax else {
            throw WeirError(
                .limitExceeded, "a put of \(bytes) bytes in one commit, which takes \(CommitBounds.requestBytesMax)")
        }
        // The stored values of `CommitQueue.pendingBytes`: asked for each put.
        let pending = self.commits.pipeline.pendingBytes + self.commits.open.length
        guard pending + bytes <= self.configuration.pendingBytesMax else {
            throw WeirError(
                .unavailable, "\(pending) bytes wait for the disk, at most \(self.configuration.pendingBytesMax) may",
                verdict: .init(maybeStored: false, retry: .after(millis: 20)))
        }
        if let reason = self.noSpace(for: bytes) { throw WeirError(.storageFull, reason) }
    }

    /// Commits that may wait for the disk when an event closes one more. Each holds its buffers, however little is in
    /// it.
    package static let waitingCommitsMax = 256

    /// Listed shards and attributes in all states of the catalog that wait for the disk, about 64 MiB.
    package static let waitingShardsMax = 512 << 10

    /// Whether one more event may be logged: on a disk that stands still, changes would pile up like puts.
    package func checkMayLog() throws(WeirError) {
        guard self.commits.pendingBytes <= self.configuration.pendingBytesMax else {
            throw self.tooMuchWaits("\(self.commits.pendingBytes) bytes")
        }
    }

    private func tooMuchWaits(_ what: String) -> WeirError {
        WeirError(
            .unavailable,
            "\(what) wait for the disk; a change is taken while at most \(self.configuration.pendingBytesMax) bytes "
                + "and \(Self.waitingCommitsMax) commits do",
            verdict: .init(maybeStored: false, retry: .after(millis: 20)))
    }

    /// Why the log has no room for a request of so many parts and bytes of records, in a sentence that says what helps;
    /// `nil` when it has.
    package func refusalOfFullLog(forParts parts: Int, recordBytes: Int) -> WeirError? {
        self.noSpace(for: recordBytes + parts * Staging.runHeaderBytes).map { WeirError(.storageFull, $0) }
    }

    /// Before the parts of one request are appended one after the other: closes the open commit when not all of them
    /// fit it, so that they lie in one commit. `parts` are batches, `recordBytes` all their records in stored form.
    package func makeRoom(forParts parts: Int, recordBytes: Int) {
        let need = recordBytes + parts * Staging.runHeaderBytes
        self.makeRoom(for: need)
        self.commits.open.promise(need)
    }

    /// Closes the open commit when it does not take `bytes` more, so that what belongs together is not divided. The
    /// next one takes them, whatever waited for it: a commit makes room for what is appended to it.
    func makeRoom(for bytes: Int) {
        if !self.commits.open.takes(bytes) { self.closeOpen() }
    }

    /// The open commit takes no more; another opens.
    func closeOpen() {
        let commit = self.commits.open
        let lsn = self.commits.pipeline.close(bytes: commit.length)
        precondition(lsn == commit.lsn, "commits close in order")
        precondition(commit.length <= LogFormat.commitBytesMax, "a start reads no commit of \(commit.length) bytes")
        // Waiting events have changed the lease table already and are of the next commit.
        if self.snapshots.capturesNext, self.commits.waitingEvents.isEmpty {
            self.snapshots.capture(lsn, self.captureSnapshot(lsn: lsn))
        }
        self.commits.closed.append(commit)
        self.commits.open = CommitInProgress(
            lsn: self.commits.pipeline.open, catalogVersion: self.catalog.version,
            bounds: self.configuration.commitBounds,
            pool: self.commits.buffers)
        self.commits.open.expect(batches: min(commit.entryCount, 256))
        for event in self.commits.waitingEvents.takeAll() {
            self.commits.open.append(
                event: event.kind, payload: event.payload, timeMillis: self.retention.time.lastStampMillis)
        }
    }
}
