// SPDX-License-Identifier: Apache-2.0
package import WeirModel

/// What a worker, an operator or the assignment asks of the lease table. `LeaseTable.plan` answers with an event, or
/// with an error that says what is allowed.
package enum LeaseCommand: Hashable, Sendable {
    case createApplication(ApplicationRef, from: StreamStart)
    /// Takes the table with all checkpoints away. Refused while workers hold leases, unless forced.
    case deleteApplication(ApplicationRef, force: Bool)
    case assign(ApplicationRef, [LeasesAssigned.Change])
    case checkpoint(ApplicationRef, LeaseHold, LeaseCheckpoint)
    /// What the worker keeps with the lease, in the place of what has the checksum `replaces`; empty: nothing.
    case saveState(ApplicationRef, LeaseHold, [UInt8], replaces: UInt32)
    /// `shard`: only that one, else all. Refused while workers hold leases, unless forced.
    case reset(ApplicationRef, shard: ShardNumber?, to: ResetTarget, force: Bool, reason: String)
    case registerConsumer(StreamID, ConsumerName)
    case deregisterConsumer(StreamID, ConsumerName)
    /// A worker has come back with another session timeout, in milliseconds: its leases remember it.
    case setSessionTimeout(ApplicationRef, LeaseOwner, millis: UInt32)
    /// Sets and removes attributes of an application or a consumer; those of the stream are the catalog's.
    case setAttributes(StreamID, AttributesChanged.Owner, [AttributeChange])

    package var stream: StreamID {
        switch self {
        case .createApplication(let ref, _), .deleteApplication(let ref, _), .assign(let ref, _),
            .checkpoint(let ref, _, _), .saveState(let ref, _, _, _), .reset(let ref, _, _, _, _):
            ref.stream
        case .registerConsumer(let stream, _), .deregisterConsumer(let stream, _), .setAttributes(let stream, _, _):
            stream
        case .setSessionTimeout(let ref, _, _): ref.stream
        }
    }
}

/// What a worker says it holds.
package struct LeaseHold: Hashable, Sendable {
    package let shard: ShardNumber
    package let owner: LeaseOwner
    package let counter: UInt64

    package init(shard: ShardNumber, owner: LeaseOwner, counter: UInt64) {
        self.shard = shard
        self.owner = owner
        self.counter = counter
    }
}

/// What the catalog and the log know of a stream, that leases are planned by.
package struct LeaseSurroundings {
    package let stream: StreamState
    /// Not in the past of any event: arrivals are stamped with it too.
    package let nowMillis: Int64
    /// The index that the next record of a shard gets.
    package let nextIndex: (ShardNumber) -> UInt64
    /// Those of streams, which share the bound of the node.
    package let attributeBytesElsewhere: Int

    package init(
        stream: StreamState, nowMillis: Int64, attributeBytesElsewhere: Int = 0,
        nextIndex: @escaping (ShardNumber) -> UInt64
    ) {
        self.attributeBytesElsewhere = attributeBytesElsewhere
        self.stream = stream
        self.nowMillis = EventTime.clamp(nowMillis)
        self.nextIndex = nextIndex
    }
}
