// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// What a producer has put: a record, or one of several that its library packed into one record.
///
/// Key and data are copied when they are asked for; until then an ordinary record lies where the network put it.
public struct UserRecord: Sendable {
    private enum Source: Sendable {
        case inPlace(BatchRecord)
        case own(Own)
    }

    /// Shared, so that a user record is small.
    private final class Own: Sendable {
        let record: Record

        init(_ record: Record) { self.record = record }
    }

    private let source: Source
    /// Position in the record that it came in, from 0; `nil` when it is that record.
    public let subSequence: UInt64?
    /// Whether nothing of the record that it came in stands behind it.
    package let isLast: Bool

    /// An ordinary record.
    public init(_ record: Record) {
        self.source = .own(Own(record))
        self.subSequence = nil
        self.isLast = true
    }

    /// An ordinary record.
    package init(_ record: BatchRecord) {
        self.source = .inPlace(record)
        self.subSequence = nil
        self.isLast = true
    }

    package init(_ record: Record, subSequence: UInt64, isLast: Bool) {
        self.source = .own(Own(record))
        self.subSequence = subSequence
        self.isLast = isLast
    }

    /// A copy. Key, hash key and data are the user's; number and arrival are those of the record that it came in.
    public var record: Record {
        switch self.source {
        case .inPlace(let record): record.copy()
        case .own(let own): own.record
        }
    }

    public var sequenceNumber: SequenceNumber {
        switch self.source {
        case .inPlace(let record): record.sequenceNumber
        case .own(let own): own.record.sequenceNumber
        }
    }

    public var shard: ShardNumber {
        switch self.source {
        case .inPlace(let record): record.shard
        case .own(let own): own.record.shard
        }
    }

    public var partitionKey: String {
        switch self.source {
        case .inPlace(let record): record.partitionKey
        case .own(let own): own.record.partitionKey
        }
    }

    public var data: [UInt8] {
        switch self.source {
        case .inPlace(let record): record.data
        case .own(let own): own.record.data
        }
    }

    /// The data without a copy; valid only inside `body`.
    public func withData<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        switch self.source {
        case .inPlace(let record): record.withData(body)
        case .own(let own): own.record.data.withUnsafeBytes { body($0) }
        }
    }

    public var approximateArrival: Timestamp { Timestamp(millisecondsSince1970: self.approximateArrivalMillis) }
    package var approximateArrivalMillis: Int64 {
        switch self.source {
        case .inPlace(let record): record.approximateArrivalMillis
        case .own(let own): own.record.approximateArrivalMillis
        }
    }

    /// The checkpoint that says: processed through this one. Behind the last one of an aggregate the whole of it is
    /// processed.
    package var position: LeaseCheckpoint {
        .sequenceNumber(self.sequenceNumber, subSequence: self.isLast ? nil : self.subSequence)
    }

    /// Bytes of key and data.
    package var bytes: Int {
        switch self.source {
        case .inPlace(let record): record.payloadBytes
        case .own(let own): own.record.partitionKey.utf8.count + own.record.data.count
        }
    }
}

extension UserRecord: Hashable {
    public static func == (left: Self, right: Self) -> Bool {
        left.subSequence == right.subSequence && left.isLast == right.isLast && left.record == right.record
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(self.sequenceNumber)
        hasher.combine(self.subSequence)
    }
}
