// SPDX-License-Identifier: Apache-2.0

/// An application that consumes a stream, as the lease table knows it.
public struct ApplicationDescription: Hashable, Sendable {
    public let name: ApplicationName
    package let createdAtMillis: Int64
    /// When its first worker joined.
    public var createdAt: Timestamp { Timestamp(millisecondsSince1970: self.createdAtMillis) }
    /// Workers that are taken for alive.
    public let workers: Int
    /// Rows of its lease table, those at SHARD_END included.
    public let leases: Int
    /// Of all its shards: the records together, and the largest of the ages.
    public let lag: LeaseDescription.Lag

    package init(name: ApplicationName, createdAtMillis: Int64, workers: Int, leases: Int, lag: LeaseDescription.Lag) {
        self.name = name
        self.createdAtMillis = createdAtMillis
        self.workers = workers
        self.leases = leases
        self.lag = lag
    }
}

/// A registered consumer of a stream: it has a read budget of its own
/// (docs/kinesis-semantics.md, Registered consumers).
public struct ConsumerDescription: Hashable, Sendable {
    public let name: ConsumerName
    package let createdAtMillis: Int64
    public var createdAt: Timestamp { Timestamp(millisecondsSince1970: self.createdAtMillis) }

    package init(name: ConsumerName, createdAtMillis: Int64) {
        self.name = name
        self.createdAtMillis = createdAtMillis
    }
}
