// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// Takes the user records out of records, some at a time, so that an aggregate of a million of them costs no more
/// memory than one call takes.
///
/// User records whose own hash key lies outside of the shard's range are delivered like all others. They are there
/// when an aggregate was packed before a split or a merge and stored after it: the explicit hash key of its first user
/// record says where all of it goes. KCL drops the whole aggregate then and relies on its producer library having
/// stored these records a second time; aggregates of other producers it loses. Delivering them loses nothing, and where
/// a producer does store them again, that is a duplicate, which at-least-once allows.
package struct UserRecordCursor {
    private let records: SourceBatch.Records
    private var next = 0
    private var aggregate: Aggregate?
    private var nextOfAggregate = 0
    /// Processed before: of this record the user records through this one are left out.
    private let processed: (index: UInt64, subSequence: UInt64)?

    /// `checkpoint`: where the lease began.
    init(_ records: [Record], after checkpoint: LeaseCheckpoint) { self.init(.own(records), after: checkpoint) }

    package init(_ records: SourceBatch.Records, after checkpoint: LeaseCheckpoint) {
        self.records = records
        if case .sequenceNumber(let number, let subSequence?) = checkpoint {
            self.processed = (number.index, subSequence)
        } else {
            self.processed = nil
        }
    }

    /// Up to `max` user records; none at the end.
    package mutating func take(_ max: Int) -> [UserRecord] {
        var taken: [UserRecord] = []
        taken.reserveCapacity(Swift.min(max, self.records.count - self.next))
        while taken.count < max {
            if let aggregate {
                guard self.nextOfAggregate < aggregate.count else {
                    self.aggregate = nil
                    continue
                }
                taken.append(aggregate[self.nextOfAggregate])
                self.nextOfAggregate += 1
            } else if self.next < self.records.count {
                let next = self.next
                self.next += 1
                switch self.records {
                case .own(let records):
                    if !self.open(records[next]) { taken.append(UserRecord(records[next])) }
                case .inPlace(let records):
                    let record = records[next]
                    // Almost none is an aggregate: only what looks like one is copied to be looked at.
                    if record.withData({ $0.starts(with: Aggregate.magic) }), self.open(record.copy()) { continue }
                    taken.append(UserRecord(record))
                }
            } else {
                break
            }
        }
        return taken
    }

    /// Whether the record is an aggregate, which comes next then.
    private mutating func open(_ record: Record) -> Bool {
        guard let aggregate = Aggregate(record) else { return false }
        self.aggregate = aggregate
        self.nextOfAggregate = self.first(of: record)
        return true
    }

    /// Where delivery of an aggregate begins.
    private func first(of record: Record) -> Int {
        guard let processed, processed.index == record.sequenceNumber.index else { return 0 }
        return Int(min(processed.subSequence, UInt64(Aggregate.entriesMax))) + 1
    }
}
