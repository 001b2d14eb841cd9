// SPDX-License-Identifier: Apache-2.0

/// A row of the lease table: one shard of a stream, for one application.
public struct LeaseDescription: Hashable, Sendable {
    public let shard: ShardNumber
    /// `nil`: nobody holds it.
    public let owner: WorkerID?
    /// Rises whenever the owner changes or the lease is reset; what a checkpoint and a read are fenced by.
    public let counter: UInt64
    public let checkpoint: LeaseCheckpoint
    /// Of shards that are still listed: they come first.
    public let parents: [ShardNumber]
    /// Changes of the owner since the last checkpoint: a high number is a shard that nobody gets through.
    public let ownerSwitchesSinceCheckpoint: UInt32
    /// Whether the owner was asked to hand it over, and to whom.
    public let handingOverTo: WorkerID?
    /// Why the lease was last reset by an operator, and when.
    public let reset: Reset?
    public let lag: Lag

    public struct Reset: Hashable, Sendable {
        public let reason: String
        package let atMillis: Int64
        public var at: Timestamp { Timestamp(millisecondsSince1970: self.atMillis) }

        package init(reason: String, atMillis: Int64) {
            self.reason = reason
            self.atMillis = atMillis
        }
    }

    /// What is still to be processed of the shard.
    public struct Lag: Hashable, Sendable {
        public let records: UInt64
        package let millis: Int64
        /// Age of the first of them; zero when there is none.
        public var age: Duration { .milliseconds(self.millis) }

        package init(records: UInt64, millis: Int64) {
            self.records = records
            self.millis = millis
        }
    }

    public init(
        shard: ShardNumber, owner: WorkerID?, counter: UInt64, checkpoint: LeaseCheckpoint, parents: [ShardNumber],
        ownerSwitchesSinceCheckpoint: UInt32, handingOverTo: WorkerID?, reset: Reset?, lag: Lag
    ) {
        self.shard = shard
        self.owner = owner
        self.counter = counter
        self.checkpoint = checkpoint
        self.parents = parents
        self.ownerSwitchesSinceCheckpoint = ownerSwitchesSinceCheckpoint
        self.handingOverTo = handingOverTo
        self.reset = reset
        self.lag = lag
    }
}
