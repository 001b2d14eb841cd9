// SPDX-License-Identifier: Apache-2.0

/// A lease that the server has given to a worker.
public struct AssignedLease: Hashable, Sendable {
    public let shard: ShardNumber
    /// To be shown with every checkpoint and read.
    public let counter: UInt64
    /// Where to go on.
    public let checkpoint: LeaseCheckpoint
    /// The worker is asked to finish what it does and to hand the lease over.
    public let isToBeHandedOver: Bool

    public init(shard: ShardNumber, counter: UInt64, checkpoint: LeaseCheckpoint, isToBeHandedOver: Bool) {
        self.shard = shard
        self.counter = counter
        self.checkpoint = checkpoint
        self.isToBeHandedOver = isToBeHandedOver
    }
}

/// What a worker holds, as the server says.
public struct Assignment: Hashable, Sendable {
    /// Rises with every change for this worker.
    public let version: UInt64
    /// All of it; `nil`: as before.
    public let leases: [AssignedLease]?

    public init(version: UInt64, leases: [AssignedLease]?) {
        self.version = version
        self.leases = leases
    }
}
