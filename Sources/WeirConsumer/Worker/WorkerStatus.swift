// SPDX-License-Identifier: Apache-2.0

/// What a worker has done since it started, and holds now.
public struct WorkerStatus: Hashable, Sendable {
    /// Whether the server has heard it within the session timeout.
    public var isInSession = false
    /// Shards that it processes now.
    public var leases = 0
    /// Leases that were started, and of these lost.
    public var leasesStarted: UInt64 = 0
    public var leasesLost: UInt64 = 0
    /// Shards that were processed to their end.
    public var shardsEnded: UInt64 = 0
    /// Shards that stand still because their processor fails.
    public var shardsStopped: UInt64 = 0
    /// User records that were processed, with the bytes of their keys and data.
    public var records: UInt64 = 0
    public var bytes: UInt64 = 0
    /// Calls of processors that threw and were made again.
    public var retries: UInt64 = 0
    /// Records that were put into the dead-letter stream.
    public var deadLetters: UInt64 = 0
    /// Checkpoints that were stored, and those that were not.
    public var checkpoints: UInt64 = 0
    public var checkpointFailures: UInt64 = 0
    /// Records that had expired before they could be read, or are damaged on the disk.
    public var missedRecords: UInt64 = 0
    /// Times that reading a shard failed and was begun again.
    public var readFailures: UInt64 = 0

    public init() {}
}
