// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Consecutive records of one shard, in their order: at least one.
public struct UserRecords: RandomAccessCollection, Sendable {
    private let records: [UserRecord]
    public let shard: ShardNumber
    package let millisBehindLatest: Int64
    /// How far the end of these records was behind the newest record of the shard when they were fetched; zero when
    /// that was the newest.
    public var behindLatest: Duration { .milliseconds(self.millisBehindLatest) }

    package init(_ records: [UserRecord], shard: ShardNumber, millisBehindLatest: Int64) {
        self.records = records
        self.shard = shard
        self.millisBehindLatest = millisBehindLatest
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { self.records.count }
    public subscript(position: Int) -> UserRecord { self.records[position] }
}
