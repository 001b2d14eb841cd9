// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirIO
import WeirModel

/// Where the records of a lease come from.
package protocol RecordSource: Sendable {
    /// Reads the shard behind `position`, or from the very record whose first user records it covers.
    func reading(_ shard: ShardNumber, counter: UInt64, from position: LeaseCheckpoint) -> any LeaseReading
}

/// One reading of a shard. Fetches no more ahead than it was told to.
package protocol LeaseReading: AnyObject {
    /// The next records; `nil` when the shard is not there any more. Throws `CancellationError` when the task is
    /// cancelled, `leaseLost` when the lease does not allow reading, and what the server says.
    func next() async throws -> SourceBatch?
}

/// Consecutive records of one shard.
package struct SourceBatch: Sendable {
    package enum Records: Sendable {
        case own([Record])
        case inPlace(BatchRecords)

        var count: Int {
            switch self {
            case .own(let records): records.count
            case .inPlace(let records): records.count
            }
        }

        package var lastNumber: SequenceNumber? {
            switch self {
            case .own(let records): records.last?.sequenceNumber
            case .inPlace(let records): records.last?.sequenceNumber
            }
        }
    }

    package var records: Records
    /// Records that had expired before they could be read, or are damaged on the disk; in front of `records`.
    package var missedRecords: UInt64
    package var millisBehindLatest: Int64
    /// The shard is closed, and these are its last records.
    package var isEndOfShard: Bool

    package init(
        _ records: [Record], missedRecords: UInt64 = 0, millisBehindLatest: Int64 = 0, isEndOfShard: Bool = false
    ) {
        self.init(
            .own(records), missedRecords: missedRecords, millisBehindLatest: millisBehindLatest,
            isEndOfShard: isEndOfShard)
    }

    package init(
        _ records: Records, missedRecords: UInt64 = 0, millisBehindLatest: Int64 = 0, isEndOfShard: Bool = false
    ) {
        self.records = records
        self.missedRecords = missedRecords
        self.millisBehindLatest = millisBehindLatest
        self.isEndOfShard = isEndOfShard
    }
}

/// Where records go that a processor cannot process.
package protocol DeadLetters: Sendable {
    /// Returns when it is stored.
    func put(key: String, data: [UInt8]) async throws
    /// Nothing more will be put.
    func close() async
}

/// All that a worker talks to.
package struct WorkerServices: Sendable {
    package var leases: any LeaseService
    package var source: any RecordSource
    package var deadLetters: (any DeadLetters)?
    package var clock: any Clock
    package var dice: Dice

    package init(
        leases: any LeaseService, source: any RecordSource, deadLetters: (any DeadLetters)?,
        clock: any Clock = SystemClock(), dice: @escaping Dice = systemDice
    ) {
        self.leases = leases
        self.source = source
        self.deadLetters = deadLetters
        self.clock = clock
        self.dice = dice
    }
}
