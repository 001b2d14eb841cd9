// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// What a producer has put: a record, or one of several that its library packed into one record.
public struct UserRecord: Hashable, Sendable {
    /// Key, hash key and data are the user's; number and arrival are those of the record that it came in.
    public let record: Record
    /// Position in the record that it came in, from 0; `nil` when it is that record.
    public let subSequence: UInt64?
    /// Whether nothing of the record that it came in stands behind it.
    package let isLast: Bool

    /// An ordinary record.
    public init(_ record: Record) {
        self.record = record
        self.subSequence = nil
        self.isLast = true
    }

    package init(_ record: Record, subSequence: UInt64, isLast: Bool) {
        self.record = record
        self.subSequence = subSequence
        self.isLast = isLast
    }

    public var sequenceNumber: SequenceNumber { self.record.sequenceNumber }
    public var shard: ShardNumber { self.record.shard }
    public var partitionKey: String { self.record.partitionKey }
    public var data: [UInt8] { self.record.data }
    public var approximateArrivalMillis: Int64 { self.record.approximateArrivalMillis }

    /// The checkpoint that says: processed through this one. Behind the last one of an aggregate the whole of it is
    /// processed.
    package var position: LeaseCheckpoint {
        .sequenceNumber(self.record.sequenceNumber, subSequence: self.isLast ? nil : self.subSequence)
    }

    /// Bytes of key and data.
    package var bytes: Int { self.record.partitionKey.utf8.count + self.record.data.count }
}
