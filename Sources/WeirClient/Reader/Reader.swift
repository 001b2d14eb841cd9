// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// As whom records are read. Anybody, if nothing is set.
public struct Reader: Hashable, Sendable {
    /// The lease under which a worker reads a shard.
    public struct Lease: Hashable, Sendable {
        public let application: ApplicationName
        /// As the worker was given it.
        public let counter: UInt64

        public init(application: ApplicationName, counter: UInt64) {
            self.application = application
            self.counter = counter
        }
    }

    public let lease: Lease?
    /// A registered consumer, whose own read budget is used.
    public let consumer: ConsumerName?

    public init(lease: Lease? = nil, consumer: ConsumerName? = nil) {
        self.lease = lease
        self.consumer = consumer
    }
}
