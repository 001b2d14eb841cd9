// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

/// Judges the lease table of one application: every change of it, what is told of it, and what a recovery leaves.
///
/// It keeps the table twice: as the log's machine has it, which runs ahead of the disk, and as no crash can undo it.
struct LeaseAuditor {
    typealias Rows = LeaseRows

    /// What the change of the table that is looked at came from.
    enum Cause: Equatable {
        case checkpoint(LeaseHold, LeaseCheckpoint)
        case handOver(LeaseHold)
        case leave(LeaseOwner)
        case join(LeaseOwner)
        case reset
        case tick
        /// A split, a merge: rows come.
        case reshard
    }

    /// One time of holding a lease.
    struct Hold: Hashable {
        let shard: ShardNumber
        let counter: UInt64
    }

    struct Holding {
        let owner: LeaseOwner
        /// Where the row stood when it was given.
        let start: LeaseCheckpoint
    }

    /// Why workers lose leases that they take good care of; `nil`: no reason.
    typealias Excuse = (LeaseOwner, ShardNumber) -> Bool

    private(set) var ahead: Rows = [:]
    private(set) var durable: Rows = [:]
    /// The time, in milliseconds, and when the counter of each row became what it is.
    var nowMillis: UInt64 = 0
    private(set) var countedSince: [ShardNumber: UInt64] = [:]
    private var pending: [(lsn: LSN, changed: Rows)] = []
    /// All that became durable.
    private(set) var holdings: [Hold: Holding] = [:]
    /// Shards that were reset: those that came of them may be held by workers although they are not finished any more.
    private var wasReset: Set<ShardNumber> = []

    /// The table may have changed. `ancestors`: all shards that a shard came of, parents first, as far as they are
    /// there.
    mutating func observe(
        _ rows: Rows, _ cause: Cause, lsn: LSN, ancestors: (ShardNumber) -> [ShardNumber], isExcused: Excuse
    ) throws(Violation) {
        if case .checkpoint(let hold, let position) = cause { try self.checkAccepted(hold, position) }
        var changed: Rows = [:]
        for (shard, row) in rows.sorted(by: { $0.key < $1.key }) {
            guard let before = self.ahead[shard] else {
                changed[shard] = row
                if cause == .reset { self.wasReset.insert(shard) }
                continue
            }
            guard row != before else { continue }
            changed[shard] = row
            try self.check(shard, from: before, to: row, cause)
            if let owner = row.owner, owner != before.owner {
                try self.checkMayBegin(shard, owner, isMoved: before.owner != nil, ancestors(shard), rows)
            }
            if let owner = before.owner, owner != row.owner, !Self.explains(cause, owner, shard, row),
                !isExcused(owner, shard)
            {
                throw Violation("\(shard) is taken from \(owner), which is there and was not asked: \(cause)")
            }
        }
        for shard in self.ahead.keys where rows[shard] == nil { throw Violation("\(shard) has lost its row") }
        guard !changed.isEmpty else { return }
        self.ahead = rows
        self.pending.append((lsn, changed))
    }

    /// Nobody begins a shard before all that it came of is finished. One that is being processed goes on with another
    /// worker, also when an operator has taken an ancestor back meanwhile.
    private func checkMayBegin(
        _ shard: ShardNumber, _ owner: LeaseOwner, isMoved: Bool, _ ancestors: [ShardNumber], _ rows: Rows
    ) throws(Violation) {
        guard let unfinished = ancestors.first(where: { rows[$0].map { !$0.isFinished } ?? false }) else { return }
        if isMoved, ancestors.contains(where: self.wasReset.contains) { return }
        throw Violation("\(shard) goes to \(owner) before \(unfinished), which it came of, is finished")
    }

    /// A checkpoint was accepted: only from the one who holds the row, or held it until it was finished by the same.
    private func checkAccepted(_ hold: LeaseHold, _ position: LeaseCheckpoint) throws(Violation) {
        if position == .shardEnd, let row = self.ahead[hold.shard], row.isFinished, row.owner == nil,
            row.counter == hold.counter + 1
        {
            return
        }
        guard let row = self.ahead[hold.shard], row.owner == hold.owner, row.counter == hold.counter else {
            let row = self.ahead[hold.shard]
            let owner = row?.owner.map { "\($0)" } ?? "nobody"
            throw Violation(
                "a checkpoint of \(hold.owner) with counter \(hold.counter) is accepted; \(hold.shard) is held by "
                    + "\(owner), \(row?.counter ?? 0)")
        }
    }

    private mutating func check(
        _ shard: ShardNumber, from before: LeaseRow, to row: LeaseRow, _ cause: Cause
    ) throws(Violation) {
        if row.owner != before.owner, row.counter <= before.counter {
            throw Violation("\(shard) changes its owner and its counter does not rise: \(row.counter)")
        }
        if row.counter < before.counter { throw Violation("the counter of \(shard) falls to \(row.counter)") }
        if cause == .reset {
            self.wasReset.insert(shard)
            guard row.counter > before.counter else { throw Violation("\(shard) is reset and keeps its counter") }
            return
        }
        guard row.checkpoint != before.checkpoint else { return }
        guard row.checkpoint.isAtOrAfter(before.checkpoint) else {
            throw Violation("\(shard) goes back from \(before.checkpoint) to \(row.checkpoint)")
        }
        guard case .checkpoint(let hold, let position) = cause, hold.shard == shard, position == row.checkpoint else {
            throw Violation("\(shard) goes on to \(row.checkpoint), and nobody asked for it: \(cause)")
        }
    }

    /// Whether the worker itself gave the lease up, or an operator took it.
    private static func explains(_ cause: Cause, _ owner: LeaseOwner, _ shard: ShardNumber, _ row: LeaseRow) -> Bool {
        switch cause {
        case .checkpoint(let hold, let position):
            hold.shard == shard && hold.owner == owner && position == .shardEnd && row.owner == nil
        case .handOver(let hold): hold.shard == shard && hold.owner == owner
        case .leave(let leaving): leaving == owner
        case .join(let joining): joining.worker == owner.worker && joining != owner
        case .reset: true
        case .tick, .reshard: false
        }
    }

    // MARK: The disk

    mutating func becameDurable(_ lsn: LSN) throws(Violation) {
        while let first = self.pending.first, first.lsn <= lsn {
            self.pending.removeFirst()
            try self.settle(first.changed)
        }
    }

    private mutating func settle(_ changed: Rows) throws(Violation) {
        for (shard, row) in changed {
            if row.counter != self.durable[shard]?.counter { self.countedSince[shard] = self.nowMillis }
            self.durable[shard] = row
            guard let owner = row.owner else { continue }
            let hold = Hold(shard: shard, counter: row.counter)
            if let known = self.holdings[hold] {
                guard known.owner == owner else {
                    throw Violation("\(shard) is held by \(known.owner) and by \(owner), both with \(row.counter)")
                }
            } else {
                self.holdings[hold] = Holding(owner: owner, start: row.checkpoint)
            }
        }
    }

    /// After a recovery: all that was durable is there, and of the rest what came first.
    mutating func recovered(_ rows: Rows) throws(Violation) {
        let pending = self.pending
        self.pending.removeAll()
        for change in pending {
            if self.durable == rows { break }
            try self.settle(change.changed)
        }
        guard self.durable == rows else {
            let shard = Set(rows.keys).union(self.durable.keys).sorted().first { rows[$0] != self.durable[$0] }
            throw Violation(
                "a recovery leaves a lease table that never was, for one \(shard.map { "\($0)" } ?? "none"): "
                    + "\(shard.flatMap { rows[$0] }.map { "\($0)" } ?? "no row")")
        }
        self.ahead = rows
    }

    // MARK: What is told

    func told(_ leases: [AssignedLease], to owner: LeaseOwner) throws(Violation) {
        for lease in leases {
            guard let holding = self.holdings[Hold(shard: lease.shard, counter: lease.counter)] else {
                throw Violation("\(owner) is told to hold \(lease.shard), \(lease.counter), which a crash can undo")
            }
            guard holding.owner == owner else {
                throw Violation(
                    "\(owner) is told to hold \(lease.shard) with counter \(lease.counter), as \(holding.owner) was")
            }
            guard let row = self.durable[lease.shard],
                row.counter > lease.counter
                    || row.checkpoint.isAtOrAfter(lease.checkpoint)
            else {
                throw Violation("\(owner) is told to begin \(lease.shard) at \(lease.checkpoint), where nobody was")
            }
        }
    }

    /// That a checkpoint is stored.
    func told(_ hold: LeaseHold, _ checkpoint: LeaseCheckpoint) throws(Violation) {
        guard let row = self.durable[hold.shard] else { throw Violation("\(hold.shard) has no row") }
        guard row.checkpoint.isAtOrAfter(checkpoint) || self.wasReset.contains(hold.shard) else {
            throw Violation(
                "\(hold.owner) is told that \(checkpoint) of \(hold.shard) is stored; a crash leaves \(row.checkpoint)")
        }
    }
}
