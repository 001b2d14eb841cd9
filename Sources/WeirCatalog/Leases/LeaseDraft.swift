// SPDX-License-Identifier: Apache-2.0
package import WeirModel

/// A change of as many rows as an application has, worked out beside the table and then put into it in one piece: an
/// application that comes, or a reset of all its leases.
///
/// It begins with copies of table and stream, which cost nothing, learns where the shards go on in parts, and finishes
/// without the log. What the log's lock is held for does not grow with the rows: the event with its bytes is ready, and
/// of the rows only those are done again that have changed meanwhile. Nothing of it is in the log before that, so a
/// crash leaves all of it or nothing, and nobody sees half of it.
package struct LeaseDraft: Sendable {
    private let command: LeaseCommand
    private let table: LeaseTable
    private let stream: StreamState
    private let nowMillis: Int64
    private var nextIndexes: [ShardNumber: UInt64] = [:]
    /// Shards whose next index is still to be learned.
    private var unknown: ArraySlice<ShardNumber>

    package init(_ command: LeaseCommand, _ table: LeaseTable, _ stream: StreamState, nowMillis: Int64) {
        self.command = command
        self.table = table
        self.stream = stream
        self.nowMillis = nowMillis
        self.unknown = command.needsIndexes ? stream.map.shards.map(\.number)[...] : []
    }

    package var isLearning: Bool { !self.unknown.isEmpty }

    /// The next ones whose next indexes are asked for.
    package func asks(atMost max: Int) -> ArraySlice<ShardNumber> { self.unknown.prefix(max) }

    /// The next indexes of those that it asks for.
    package mutating func learn(_ indexes: [UInt64]) {
        for (number, index) in zip(self.unknown, indexes) { self.nextIndexes[number] = index }
        self.unknown = self.unknown.dropFirst(indexes.count)
    }

    /// What the command means. As long as there are rows, and without the log's lock. `nil`: all is as asked.
    package func finish() throws(WeirError) -> Finished? {
        let indexes = self.nextIndexes
        let around = LeaseSurroundings(stream: self.stream, nowMillis: self.nowMillis) { indexes[$0] ?? 0 }
        guard let event = try self.table.plan(self.command, around) else { return nil }
        var table = self.table
        do {
            try table.apply(event)
        } catch {
            preconditionFailure("the lease table refuses its own plan: \(error)")
        }
        return Finished(
            command: self.command, event: event, payload: event.encode(), state: self.stream,
            counterUsed: self.table.countersUsed[self.stream.id] ?? 0,
            stateBytesAdded: table.stateBytes - self.table.stateBytes,
            before: self.rows(in: self.table), after: self.rows(in: table))
    }

    private func rows(in table: LeaseTable) -> LeaseRows {
        self.command.application.flatMap { table.application($0)?.rows } ?? LeaseRows()
    }

    package struct Finished: Sendable {
        fileprivate let command: LeaseCommand
        package var stream: StreamID { self.state.id }
        package let event: LeaseEvent
        package let payload: [UInt8]
        fileprivate let state: StreamState
        fileprivate let counterUsed: UInt64
        /// Bytes that workers keep with the leases: below zero where they go.
        fileprivate let stateBytesAdded: Int
        package let before: LeaseRows
        fileprivate let after: LeaseRows
    }
}

extension LeaseCommand {
    /// Whether it depends on where shards go on.
    fileprivate var needsIndexes: Bool {
        switch self {
        case .createApplication(_, .latest), .reset(_, _, .start(.latest), _, _), .reset(_, _, .sequenceNumber, _, _):
            true
        default: false
        }
    }

    /// The application all of whose rows it may be about.
    package var application: ApplicationRef? {
        switch self {
        case .createApplication(let ref, _), .reset(let ref, _, _, _, _): ref
        default: nil
        }
    }
}

extension LeaseTable {
    /// What a draft has become by the time at which it is put into the table.
    package enum Adoption: Sendable {
        /// The table or the stream has changed so that it would mean something else: it is drawn up anew.
        case outdated
        /// The rows that have changed since the draft was begun, as they are now: only they are done again.
        case fits(changed: [LeaseRows.Element])
    }

    /// Whether a draft can be put into the table now. Looks at what has changed since it was begun.
    package func judge(_ draft: LeaseDraft.Finished, of stream: StreamState) throws(WeirError) -> Adoption {
        guard draft.counterUsed == self.countersUsed[stream.id] ?? 0,
            draft.state.expiredCount == stream.expiredCount
        else { return .outdated }
        switch draft.command {
        case .createApplication(let ref, _):
            guard self.applications[ref] == nil, draft.state.map.version == stream.map.version else {
                return .outdated
            }
            try self.checkRoom(ref, shards: draft.after.count, of: stream)
            return .fits(changed: [])
        case .reset(let ref, _, _, let force, _):
            guard let rows = self.applications[ref]?.rows else { return .outdated }
            let changed = rows.apart(from: draft.before).filter { draft.before[$0.key] != $0.value }
            let isGone = draft.before.apart(from: rows).contains { rows[$0.key] == nil }
            guard !isGone else { return .outdated }
            try self.checkRows(adding: draft.after.count - draft.before.count)
            if !force { try Self.checkUnheld(changed, ref, "reset") }
            return .fits(changed: changed)
        default: return .outdated
        }
    }

    /// Puts the rows of a draft in the place of those that it began with; `changed` as judged, at this moment. Leaves
    /// what applying its event would leave.
    package mutating func adopt(_ draft: LeaseDraft.Finished, changed: [LeaseRows.Element]) {
        switch draft.event {
        case .applicationCreated(let event):
            self.applications[event.application] = Application(createdAtMillis: event.atMillis, rows: draft.after)
            self.rowCount += draft.after.count
        case .leasesReset(let event):
            let ref = event.application
            let before = self.applications[ref]?.rows.count ?? 0
            var rows = draft.after
            self.stateBytes += draft.stateBytesAdded
            for (shard, row) in changed {
                // A child that was opened meanwhile, and what the draft leaves alone, are as they are.
                let after = draft.after[shard].flatMap { $0 == draft.before[shard] ? nil : $0 }
                let now = after.map { row.reset(to: $0.checkpoint, by: event) } ?? row
                // In the place of what the draft counted.
                let counted = (draft.after[shard]?.state.count ?? 0) - (draft.before[shard]?.state.count ?? 0)
                self.stateBytes += now.state.count - row.state.count - counted
                rows[shard] = now
            }
            self.applications[ref]?.rows = rows
            self.rowCount += rows.count - before
            self.noteEverything(of: ref)
        default: preconditionFailure("\(draft.command) is no change of all rows")
        }
    }
}

extension LeaseRow {
    func reset(to checkpoint: LeaseCheckpoint, by event: LeasesReset) -> LeaseRow {
        var row = self
        row.owner = nil
        row.sessionTimeoutMillis = nil
        row.counter += 1
        row.checkpoint = checkpoint
        row.ownerSwitches = 0
        row.state = []
        row.reset = LeaseDescription.Reset(reason: event.reason, atMillis: event.atMillis)
        return row
    }
}

extension StreamState {
    /// Shards that it ever had and that are not listed any more.
    var expiredCount: Int { Int(self.nextShard) - self.shards.count }
}
