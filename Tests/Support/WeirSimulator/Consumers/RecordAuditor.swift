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
    /// Older than where the application began, and read only because an operator took it back behind that.
    private var addedShards: Set<ShardNumber> = []
    private(set) var processed = 0
    private(set) var repeated = 0

    /// The row was set to this position by an operator, or made with it.
    mutating func skipped(_ shard: ShardNumber, to position: LeaseCheckpoint) {
        switch position {
        case .trimHorizon: break
        case .atTimestamp(let millis): self.skippedMillis[shard] = max(millis, self.skippedMillis[shard] ?? 0)
        case .sequenceNumber(let number, _):
            self.skippedIndexes[shard] = max(number.index + 1, self.skippedIndexes[shard] ?? 0)
        case .shardEnd: self.skippedIndexes[shard] = .max
        }
    }

    /// A reset gave the application a shard that it never had: all of it must be processed, after its children though.
    mutating func added(_ shard: ShardNumber) { self.addedShards.insert(shard) }

    func isSkipped(_ record: SeenRecord, of shard: ShardNumber) -> Bool {
        record.index < self.skippedIndexes[shard] ?? 0 || record.arrivalMillis < self.skippedMillis[shard] ?? .min
    }

    /// A processor is done with a record of a lease that began at `start`.
    mutating func processed(
        _ record: SeenRecord, of shard: ShardNumber, start: LeaseCheckpoint, by worker: String
    ) throws(Violation) {
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
        guard !self.isSkipped(record, of: shard), !self.addedShards.contains(shard) else { return }
        if let newest = self.newest[record.key], newest > record.id {
            throw Violation(
                "record \(record.id) of '\(record.key)', index \(record.index) of \(shard), is processed for the first "
                    + "time after record \(newest) of the same key")
        }
        self.newest[record.key] = record.id
    }

    /// All of `records`, which a checkpoint covers or which are all there are, must have been processed.
    func check(_ records: [SeenRecord], of shard: ShardNumber, _ what: String) throws(Violation) {
        for record in records where !(self.done[shard]?.contains(record.index) ?? false) {
            guard !self.isSkipped(record, of: shard) else { continue }
            throw Violation("record \(record.id), index \(record.index) of \(shard), was never processed: \(what)")
        }
    }
}
