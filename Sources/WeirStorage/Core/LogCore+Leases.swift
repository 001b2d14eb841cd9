// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

extension LogCore {
    /// Logs what a command on leases leads to, and returns the position at which it may be told. Commands on leases
    /// ride with the group commit: they never close one that puts are filling.
    @discardableResult
    package func submit(_ command: LeaseCommand, nowMillis: Int64) throws(WeirError) -> LSN {
        if let error = self.unavailable() { throw error }
        guard let stream = self.catalog.stream(command.stream) else {
            throw self.catalog.missing(command.stream)
        }
        guard let event = try self.leases.plan(command, self.surroundings(stream, nowMillis: nowMillis)) else {
            return self.leaseLSN
        }
        try self.checkMayLog()
        self.leaseLSN = try self.append(event.kind, event.encode())
        do {
            try self.leases.apply(event)
        } catch {
            preconditionFailure("the lease table refuses its own plan: \(error)")
        }
        return self.leaseLSN
    }

    /// As above, of a draft, for whose event and rows nothing is left to be worked out. `nil`: the table has changed
    /// meanwhile so that it is to be drawn up anew. Returns the rows that were done again.
    package func submit(_ draft: LeaseDraft.Finished) throws(WeirError) -> [LeaseRows.Element]? {
        if let error = self.unavailable() { throw error }
        guard let stream = self.catalog.stream(draft.stream) else { throw self.missing(draft.stream) }
        guard case .fits(let changed) = try self.leases.judge(draft, of: stream) else { return nil }
        try self.checkMayLog()
        self.leaseLSN = try self.append(draft.event.kind, draft.payload)
        self.leases.adopt(draft, changed: changed)
        return changed
    }

    /// What leases of a stream are planned by.
    package func surroundings(_ stream: StreamState, nowMillis: Int64) -> LeaseSurroundings {
        LeaseSurroundings(
            stream: stream, nowMillis: self.stamp(nowMillis), attributeBytesElsewhere: self.catalog.attributeBytes
        ) { number in
            guard let shard = self.shards[ShardRef(stream: stream.id, shard: number)] else { return 0 }
            if shard.nextIndex != shard.durableEnd { self.positions.look(at: self.commits.head) }
            return shard.nextIndex
        }
    }

    /// The commit that will hold the event.
    private func append(_ kind: UInt16, _ payload: [UInt8]) throws(WeirError) -> LSN {
        // A snapshot is due: it is taken of a moment at which no event waits.
        if self.commits.open.hasBatches, !self.snapshots.capturesNext {
            if self.commits.waitingEvents.add(kind: kind, payload: payload) { return self.commits.open.lsn.next }
            guard self.commits.waitingEvents.isEmpty else {
                throw WeirError(
                    .unavailable,
                    "\(self.commits.waitingEvents.count) changes of leases wait for the disk, at most "
                        + "\(self.commits.waitingEvents.bytesMax) bytes of them may; try again",
                    verdict: .init(maybeStored: false, retry: .after(millis: 20)))
            }
            // One that is too large to wait is not put off for ever.
        }
        self.append(event: kind, payload: payload)
        return self.commits.open.lsn
    }

    /// What is still to be processed of a lease: records, and the age of the first of them.
    package func lag(
        of row: LeaseRow, _ shard: ShardDescription, in stream: StreamID, nowMillis: Int64
    ) -> LeaseDescription.Lag {
        guard let state = self.shards[ShardRef(stream: stream, shard: shard.number)] else { return .none }
        var next = state.firstIndex
        switch row.checkpoint {
        case .shardEnd: return .none
        case .sequenceNumber(let number, let sub): next = sub == nil ? number.index + 1 : number.index
        case .trimHorizon, .at: break
        }
        var hidden = Hidden(arrivedBefore: 0, upTo: .none)
        if let visible = self.catalog.stream(stream) { hidden = self.hidden(of: visible, nowMillis: nowMillis) }
        if case .at(let time) = row.checkpoint {
            hidden.arrivedBefore = max(hidden.arrivedBefore, time.millisecondsSince1970)
        }
        // What was hidden since is no lag. Where the index is not in memory the stretch of the segment says enough.
        guard let run = state.runs.first(where: { $0.endIndex > next && !hidden.hides($0) }) else {
            return .none
        }
        next = max(next, run.firstIndex)
        var arrival = run.lastArrivalMillis
        if let index = run.segment.index?[state.ref] ?? (state.currentSegment === run.segment ? state.current : nil),
            !index.entries.isEmpty
        {
            let visible = min(index.position(ofArrival: hidden.arrivedBefore), index.entries.count - 1)
            let position = max(index.position(ofIndex: next), visible)
            next = max(next, index.entries[position].firstIndex)
            arrival = index.entries[position].arrivalMillis
        }
        guard state.durableEnd > next else { return .none }
        return LeaseDescription.Lag(records: state.durableEnd - next, millis: max(0, nowMillis - arrival))
    }
}

extension LeaseDescription.Lag {
    static let none = LeaseDescription.Lag(records: 0, millis: 0)
}
