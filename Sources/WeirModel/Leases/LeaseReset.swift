// SPDX-License-Identifier: Apache-2.0

/// Where an operator sends the checkpoints of an application.
public enum ResetTarget: Hashable, Sendable {
    /// Where an application begins that is made now.
    case start(StreamStart)
    /// This record is the next one to be processed. Of one shard only.
    case sequenceNumber(SequenceNumber)

    public static let trimHorizon = ResetTarget.start(.trimHorizon)
    public static let latest = ResetTarget.start(.latest)
    public static func at(_ time: Timestamp) -> ResetTarget { .start(.at(time)) }
    /// In milliseconds since 1970.
    package static func atTimestamp(_ millis: Int64) -> ResetTarget { .start(.atTimestamp(millis)) }
}

/// What a reset did, or would do.
public struct LeaseResets: Hashable, Sendable {
    /// Its leases in the order of their shards; of a larger reset the first 40,000.
    public let leases: [LeaseReset]
    /// How many leases the reset is of in all.
    public let count: Int

    public init(leases: [LeaseReset], count: Int) {
        self.leases = leases
        self.count = count
    }
}

/// What a reset did, or would do, to one row of the lease table.
public struct LeaseReset: Hashable, Sendable {
    public let shard: ShardNumber
    public let from: LeaseCheckpoint
    public let to: LeaseCheckpoint
    /// Who held the lease, and lost it by the reset; `nil`: nobody.
    public let owner: WorkerID?

    public init(shard: ShardNumber, from: LeaseCheckpoint, to: LeaseCheckpoint, owner: WorkerID?) {
        self.shard = shard
        self.from = from
        self.to = to
        self.owner = owner
    }
}
