// SPDX-License-Identifier: Apache-2.0

/// Where reading ends.
public enum ReadEnd: Hashable, Sendable {
    /// Where the stream, or the shard, ended when reading began.
    case tip
    /// Never: reading waits for what will be stored.
    case forever
}

/// How a reader gets its records, and how much it fetches ahead of its consumer.
public struct ReaderConfiguration: Hashable, Sendable {
    /// Bytes of batches that may wait for the consumer, over all shards, at least 64 KiB. With more than 1,000 shards
    /// at once each may still have 16 KiB, and a single batch may be larger than its share.
    public var prefetchBytes: Int
    /// Shards that are read at one time when reading to the tip, 1 to 10,000. Reading for ever has them all open.
    public var shardsAtOnce: Int
    /// How long the server may be away before reading fails with what was wrong; `nil` waits for ever.
    public var timeout: Duration?
    /// Whether the server sends the records, or the reader asks for them.
    public var retrieval: Retrieval

    public init(
        prefetchBytes: Int = 16 << 20, shardsAtOnce: Int = 256, timeout: Duration? = .seconds(30),
        retrieval: Retrieval = .pushed
    ) {
        self.prefetchBytes = prefetchBytes
        self.shardsAtOnce = shardsAtOnce
        self.timeout = timeout
        self.retrieval = retrieval
    }
}
