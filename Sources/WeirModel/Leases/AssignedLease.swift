// SPDX-License-Identifier: Apache-2.0

/// A lease that the server has given to a worker.
package struct AssignedLease: Hashable, Sendable {
    package let shard: ShardNumber
    /// To be shown with every checkpoint and read.
    package let counter: UInt64
    /// Where to go on.
    package let checkpoint: LeaseCheckpoint
    /// The worker is asked to finish what it does and to hand the lease over.
    package let isToBeHandedOver: Bool

    package init(shard: ShardNumber, counter: UInt64, checkpoint: LeaseCheckpoint, isToBeHandedOver: Bool) {
        self.shard = shard
        self.counter = counter
        self.checkpoint = checkpoint
        self.isToBeHandedOver = isToBeHandedOver
    }
}

/// What a worker holds, as the server says.
package struct Assignment: Hashable, Sendable {
    /// Rises with every change for this worker.
    package let version: UInt64
    /// All of it; `nil`: as before.
    package let leases: [AssignedLease]?

    package init(version: UInt64, leases: [AssignedLease]?) {
        self.version = version
        self.leases = leases
    }
}
