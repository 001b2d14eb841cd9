// SPDX-License-Identifier: Apache-2.0

/// Where an operator sends the checkpoints of an application.
public enum ResetTarget: Hashable, Sendable {
    /// The oldest record that is still there.
    case trimHorizon
    /// What arrives from the reset on.
    case latest
    /// The first record that arrived at or after this time, in milliseconds since 1970.
    case atTimestamp(Int64)
    /// This record is the next one to be processed. Of one shard only.
    case sequenceNumber(SequenceNumber)
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
