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
    /// Of the next record.
    var index: UInt64
    var credit: SubscriptionCredit
    var state = State.waiting
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
