// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel

/// Under which lease somebody reads, and on whose budget.
package struct Reader: Hashable, Sendable {
    package struct Lease: Hashable, Sendable {
        package let application: ApplicationRef
        package let counter: UInt64

        package init(application: ApplicationRef, counter: UInt64) {
            self.application = application
            self.counter = counter
        }
    }

    /// Reading ends when the lease is no more the one that it began with.
    package let lease: Lease?
    /// A registered consumer has a read budget of its own (docs/kinesis-semantics.md, Registered consumers);
    /// without one it is the shard's.
    package let consumer: ConsumerName?

    package init(lease: Lease? = nil, consumer: ConsumerName? = nil) {
        self.lease = lease
        self.consumer = consumer
    }

    /// Why nothing may be read any more of `shard`; `nil` while it may. Computed from the lease table.
    package func refusal(_ shard: ShardRef, _ leases: LeaseTable) -> WeirError? {
        if let consumer, !leases.isRegistered(consumer, of: shard.stream) {
            return WeirError(.consumerNotFound, "consumer '\(consumer)' is not registered; weir consumer register")
        }
        guard let lease else { return nil }
        return leases.loss(lease.application, shard.shard, counter: lease.counter)
    }
}
