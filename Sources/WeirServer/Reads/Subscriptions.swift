// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel
import WeirProtocol

/// Records of one shard that are pushed to a client as they become durable.
struct Subscription {
    enum State: Hashable {
        /// Waits for records or for a time; the loop wakes it.
        case waiting
        /// A reader thread is at work for it.
        case reading
        /// For more credit.
        case wantsCredit
        /// For the client to read on.
        case wantsRoom
    }

    let id: UInt32
    let shard: ShardRef
    let reader: SubscriptionReader
    /// Of the next record.
    var index: UInt64
    var credit: SubscriptionCredit
    var state = State.waiting
}

/// Under which lease a subscription reads, and on whose budget.
struct SubscriptionReader: Hashable {
    struct Lease: Hashable {
        let application: ApplicationRef
        let counter: UInt64
    }

    /// It ends when the lease is no more the one that it began with.
    let lease: Lease?
    /// A registered consumer has a read budget of its own (docs/kinesis-semantics.md, Registered consumers);
    /// without one it is the shard's.
    let consumer: ConsumerName?

    init(_ request: Subscribe) throws(WeirError) {
        self.consumer = try request.consumerName()
        guard let lease = request.lease else {
            self.lease = nil
            return
        }
        self.lease = Lease(
            application: ApplicationRef(stream: request.stream, name: try lease.applicationName()),
            counter: lease.counter)
    }

    /// Why nothing may be read any more of `shard`; `nil` while it may. Computed from the lease table.
    func refusal(_ shard: ShardRef, _ leases: LeaseTable) -> WeirError? {
        if let consumer, !leases.isRegistered(consumer, of: shard.stream) {
            return WeirError(.consumerNotFound, "consumer '\(consumer)' is not registered; weir consumer register")
        }
        guard let lease else { return nil }
        return leases.loss(lease.application, shard.shard, counter: lease.counter)
    }
}

/// The subscriptions of one connection.
struct Subscriptions {
    private var subscriptions: [UInt32: Subscription] = [:]
    private var lastID: UInt32 = 0

    var count: Int { self.subscriptions.count }

    mutating func nextID() -> UInt32 {
        self.lastID += 1
        return self.lastID
    }

    /// Whether the connection ever had it.
    func wasGivenOut(_ id: UInt32) -> Bool { id > 0 && id <= self.lastID }

    subscript(id: UInt32) -> Subscription? {
        get { self.subscriptions[id] }
        set { self.subscriptions[id] = newValue }
    }

    /// In the order of their ids.
    var all: [Subscription] { self.subscriptions.values.sorted { $0.id < $1.id } }

    mutating func removeAll() -> [Subscription] {
        defer { self.subscriptions.removeAll() }
        return self.all
    }
}
