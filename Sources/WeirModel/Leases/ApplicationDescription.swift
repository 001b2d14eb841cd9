// SPDX-License-Identifier: Apache-2.0

/// An application that consumes a stream, as the lease table knows it.
public struct ApplicationDescription: Hashable, Sendable {
    public let name: ApplicationName
    /// When its first worker joined, in milliseconds since 1970.
    public let createdAtMillis: Int64
    /// Workers that are taken for alive.
    public let workers: Int
    /// Rows of its lease table, those at SHARD_END included.
    public let leases: Int
    /// Of all its shards: the records together, and the largest of the ages.
    public let lag: LeaseDescription.Lag

    public init(name: ApplicationName, createdAtMillis: Int64, workers: Int, leases: Int, lag: LeaseDescription.Lag) {
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
    /// In milliseconds since 1970.
    public let createdAtMillis: Int64

    public init(name: ConsumerName, createdAtMillis: Int64) {
        self.name = name
        self.createdAtMillis = createdAtMillis
    }
}
