// SPDX-License-Identifier: Apache-2.0

/// A shard as the catalog knows it.
public struct ShardDescription: Hashable, Sendable {
    public let number: ShardNumber
    public let range: HashKeyRange
    /// None for a shard of a new stream, one after a split, two after a merge.
    public let parents: [ShardNumber]
    /// Greater than the creation second of every parent: what makes numbers rise along a lineage.
    public let creationSecond: UInt64
    /// Index of its first record.
    public let firstIndex: UInt64
    package let createdAtMillis: Int64
    public var createdAt: Timestamp { Timestamp(millisecondsSince1970: self.createdAtMillis) }
    /// Set when the shard was closed by a split or a merge.
    public let closed: Closing?

    public struct Closing: Hashable, Sendable {
        /// The index after the last record: what a reader compares its position with.
        public let endIndex: UInt64
        package let atMillis: Int64
        public var at: Timestamp { Timestamp(millisecondsSince1970: self.atMillis) }
        /// The shards that took over its keys, in order of their ranges.
        public let children: [ShardNumber]

        package init(endIndex: UInt64, atMillis: Int64, children: [ShardNumber]) {
            self.endIndex = endIndex
            self.atMillis = atMillis
            self.children = children
        }
    }

    package init(
        number: ShardNumber, range: HashKeyRange, parents: [ShardNumber], creationSecond: UInt64, firstIndex: UInt64,
        createdAtMillis: Int64, closed: Closing?
    ) {
        self.number = number
        self.range = range
        self.parents = parents
        self.creationSecond = creationSecond
        self.firstIndex = firstIndex
        self.createdAtMillis = createdAtMillis
        self.closed = closed
    }

    public var isOpen: Bool { self.closed == nil }

    /// Below every record of the shard, as Kinesis' StartingSequenceNumber is
    /// (docs/kinesis-semantics.md, Sequence numbers).
    public var startingSequenceNumber: SequenceNumber {
        SequenceNumber(
            shardCreationSecond: self.creationSecond, shard: self.number, index: self.firstIndex,
            arrivalSecond: self.creationSecond)
    }

    /// An upper bound of a closed shard's numbers, not the number of a record
    /// (docs/kinesis-semantics.md, Sequence numbers).
    public var endingSequenceNumber: SequenceNumber? {
        self.closed.map {
            SequenceNumber(
                shardCreationSecond: self.creationSecond, shard: self.number, index: SequenceNumber.endIndex,
                arrivalSecond: UInt64(max(0, $0.atMillis)) / 1000)
        }
    }
}
