// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirTestKit

/// A record as a consumer sees it.
struct SeenRecord {
    let index: UInt64
    let id: Int
    let key: String
    let arrivalMillis: Int64
    let number: SequenceNumber
}

/// Judges what processors were given: everything, in order, and nothing again that was checkpointed.
struct RecordAuditor {
    /// Indexes that were processed, by shard.
    private(set) var done: [ShardNumber: Set<UInt64>] = [:]
    private var doneIDs: Set<Int> = []
    /// The record of each key that was processed first last.
    private var newest: [String: Int] = [:]
    /// What operators and the initial position skip: nobody has to process it.
    private var skippedIndexes: [ShardNumber: UInt64] = [:]
    private var skippedMillis: [ShardNumber: Int64] = [:]
    /// What resets gave to the application that it never had, oldest first.
    private var additions: [Addition] = []
    private(set) var processed = 0
    private(set) var repeated = 0

    /// Shards older than where the application began, which a reset took it back to. What came of them may have been
    /// processed already, but nobody may begin it from then on before they are finished.
    private struct Addition {
        var shards: Set<ShardNumber>
        /// Up to which counter a holding of a row was under way at the reset and may end what it has in hand.
        let underWay: [ShardNumber: UInt64]
        /// The record of each key that was processed first last, by those who began after the reset.
        var newest: [String: Int] = [:]
    }

    /// The row was set to this position by an operator, or made with it.
    mutating func skipped(_ shard: ShardNumber, to position: LeaseCheckpoint) {
        switch position {
        case .trimHorizon: break
        case .at(let time):
            self.skippedMillis[shard] = max(time.millisecondsSince1970, self.skippedMillis[shard] ?? 0)
        case .sequenceNumber(let number, _):
            self.skippedIndexes[shard] = max(number.index + 1, self.skippedIndexes[shard] ?? 0)
        case .shardEnd: self.skippedIndexes[shard] = .max
        }
    }

    /// A reset turned the rows `before` into `after`, and may have given the application shards that it never had: all
    /// of them must be processed, though perhaps after what came of them.
    mutating func reset(_ before: LeaseAuditor.Rows, _ after: LeaseAuditor.Rows) {
        let added = Set(after.keys).subtracting(before.keys)
        guard !added.isEmpty else { return }
        // One that is added again was lost in between, with the reset.
        for index in self.additions.indices { self.additions[index].shards.subtract(added) }
        let underWay = before.reduce(into: [ShardNumber: UInt64]()) { counters, row in
            counters[row.key] = after[row.key] == row.value ? .max : row.value.counter
        }
        self.additions.append(Addition(shards: added, underWay: underWay))
    }

    func isSkipped(_ record: SeenRecord, of shard: ShardNumber) -> Bool {
        record.index < self.skippedIndexes[shard] ?? 0 || record.arrivalMillis < self.skippedMillis[shard] ?? .min
    }

    /// A processor is done with a record of a lease that began at `start`.
    mutating func processed(
        _ record: SeenRecord, of hold: LeaseAuditor.Hold, start: LeaseCheckpoint, by worker: String
    ) throws(Violation) {
        let shard = hold.shard
        self.processed += 1
        if start == .shardEnd { throw Violation("\(worker) processes \(shard), which was finished") }
        if case .sequenceNumber(let number, _) = start, record.index <= number.index {
            throw Violation(
                "\(worker) processes index \(record.index) of \(shard); it was given the lease at \(number.index)")
        }
        self.done[shard, default: []].insert(record.index)
        guard self.doneIDs.insert(record.id).inserted else {
            self.repeated += 1
            return
        }
        guard !self.isSkipped(record, of: shard) else { return }
        let addition = self.additions.firstIndex { $0.shards.contains(shard) }
        let newest = addition.map { self.additions[$0].newest } ?? self.newest
        if let other = newest[record.key], other > record.id {
            throw Violation(
                "record \(record.id) of '\(record.key)', index \(record.index) of \(shard), is processed for the first "
                    + "time after record \(other) of the same key")
        }
        if addition == nil { self.newest[record.key] = record.id }
        for index in self.additions.indices where hold.counter > self.additions[index].underWay[shard] ?? 0 {
            self.additions[index].newest[record.key] = max(record.id, self.additions[index].newest[record.key] ?? 0)
        }
    }

    /// All of `records`, which a checkpoint covers or which are all there are, must have been processed.
    func check(_ records: [SeenRecord], of shard: ShardNumber, _ what: String) throws(Violation) {
        for record in records where !(self.done[shard]?.contains(record.index) ?? false) {
            guard !self.isSkipped(record, of: shard) else { continue }
            throw Violation("record \(record.id), index \(record.index) of \(shard), was never processed: \(what)")
        }
    }
}
