// SPDX-License-Identifier: Apache-2.0
package import WeirModel

/// What is logged of the lease table: with the events of the catalog, which bring rows for children and take those of
/// expired shards and deleted streams, the only things that change a `LeaseTable`.
package enum LeaseEvent: Hashable, Sendable {
    case applicationCreated(ApplicationCreated)
    case applicationDeleted(ApplicationRef)
    case leasesAssigned(LeasesAssigned)
    case checkpointed(Checkpointed)
    case leasesReset(LeasesReset)
    case stateSaved(LeaseStateSaved)
    case consumerRegistered(StreamID, ConsumerName, atMillis: Int64)
    case consumerDeregistered(StreamID, ConsumerName)
    case sessionTimeoutSet(ApplicationRef, LeaseOwner, millis: UInt32)
    /// Of an application or a consumer.
    case attributesChanged(AttributesChanged)
}

package struct ApplicationCreated: Hashable, Sendable {
    package let application: ApplicationRef
    package let atMillis: Int64
    /// By shard; each with the checkpoint at which it begins.
    package let rows: [Row]

    package struct Row: Hashable, Sendable {
        package let shard: ShardNumber
        package let checkpoint: LeaseCheckpoint
    }
}

/// Leases went to other owners, or to nobody. Each counter rises by one.
package struct LeasesAssigned: Hashable, Sendable {
    package let application: ApplicationRef
    package let changes: [Change]

    package struct Change: Hashable, Sendable {
        package let shard: ShardNumber
        package let owner: LeaseOwner?
        /// How long the owner may be silent, in milliseconds. `nil`: there is none, or it did not say.
        package let sessionTimeoutMillis: UInt32?

        package init(shard: ShardNumber, owner: LeaseOwner?, sessionTimeoutMillis: UInt32? = nil) {
            self.shard = shard
            self.owner = owner
            self.sessionTimeoutMillis = owner == nil ? nil : sessionTimeoutMillis
        }
    }

    package init(application: ApplicationRef, changes: [Change]) {
        self.application = application
        self.changes = changes
    }
}

package struct Checkpointed: Hashable, Sendable {
    package let application: ApplicationRef
    package let shard: ShardNumber
    package let checkpoint: LeaseCheckpoint
}

/// What a worker keeps with a lease; empty: nothing any more. The end of the shard and a reset take it away too.
package struct LeaseStateSaved: Hashable, Sendable {
    package let application: ApplicationRef
    package let shard: ShardNumber
    package let state: [UInt8]

    package init(application: ApplicationRef, shard: ShardNumber, state: [UInt8]) {
        self.application = application
        self.shard = shard
        self.state = state
    }
}

/// An operator set checkpoints anew. Each counter rises by one and nobody holds the rows any more.
package struct LeasesReset: Hashable, Sendable {
    package let application: ApplicationRef
    package let atMillis: Int64
    package let reason: String
    package let rows: [ApplicationCreated.Row]
}
