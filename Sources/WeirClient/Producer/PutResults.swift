// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What became of consecutive records, in the order in which they were given. Made without an allocation per record.
public struct PutResults: Sendable, RandomAccessCollection {
    /// A record's answer: where to find the rest of it, and its index in the shard.
    struct Entry: Sendable {
        var index: UInt64
        /// Position in `slots`.
        var slot: Int32
    }

    /// What the records of one answer have in common.
    enum Slot: Sendable {
        case stored(shard: ShardNumber, creationSecond: UInt64, arrivalSecond: UInt64)
        case failed(WeirError)
    }

    let entries: [Entry]
    let slots: [Slot]
    /// Position of the first of these records among all that were given to the same batcher, from 0.
    public let firstRecord: UInt64
    /// Records that were stored.
    public let storedCount: Int

    init(entries: [Entry], slots: [Slot], firstRecord: UInt64, storedCount: Int) {
        self.entries = entries
        self.slots = slots
        self.firstRecord = firstRecord
        self.storedCount = storedCount
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { self.entries.count }
    public var allStored: Bool { self.storedCount == self.entries.count }

    /// The result of the record at `position` in `0..<count`.
    public subscript(position: Int) -> PutResult {
        Self.result(self.entries[position], self.slots)
    }

    static func result(_ entry: Entry, _ slots: [Slot]) -> PutResult {
        switch slots[Int(entry.slot)] {
        case .failed(let error): return .failure(error)
        case .stored(let shard, let creationSecond, let arrivalSecond):
            return .success(
                PutReceipt(
                    sequenceNumber: SequenceNumber(
                        shardCreationSecond: creationSecond, shard: shard, index: entry.index,
                        arrivalSecond: arrivalSecond)))
        }
    }
}
