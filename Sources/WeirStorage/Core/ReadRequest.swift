// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel

/// Records of one shard from a position on.
package struct ReadRequest: Sendable {
    package let shard: ShardRef
    package let fromIndex: UInt64
    package let maxRecords: Int
    /// Bytes of batches, at least one batch is given.
    package let maxBytes: Int
    package let nowMillis: Int64
    /// Asked before more than `maxBytes` are read from the disk, which one large batch can be: whether there is memory
    /// for so many bytes.
    package var claim: (@Sendable (_ bytes: Int) -> Bool)?

    package init(shard: ShardRef, fromIndex: UInt64, maxRecords: Int, maxBytes: Int, nowMillis: Int64) {
        self.shard = shard
        self.fromIndex = fromIndex
        self.maxRecords = maxRecords
        self.maxBytes = maxBytes
        self.nowMillis = nowMillis
    }
}

/// Whole batches verbatim, with what a reader needs to go on.
package struct ReadResult: Sendable {
    /// What was asked for, or the first record that is still there when that is later.
    package let firstIndex: UInt64
    /// Ask for this next.
    package let nextIndex: UInt64
    /// Records between what was asked for and `firstIndex` that are gone: trimmed, or damaged on the disk.
    package let missed: UInt64
    package let recordCount: Int
    /// Placement and body of each batch; the first and the last may hold records outside `firstIndex..<nextIndex`.
    package let chunks: [ReadChunk]
    package let millisBehindLatest: Int64
    /// The index after the last record on disk.
    package let durableEnd: UInt64
    /// The shards that go on, when this one is closed and `nextIndex` has reached its end.
    package let endOfShard: [ShardDescription]?
    package let shardCreationSecond: UInt64
}

/// Bytes that stay valid as long as the chunk lives.
package struct ReadChunk: @unchecked Sendable {
    // Unchecked: the bytes are not written any more; `owner` keeps them.
    private let owner: AnyObject
    private let bytes: UnsafeRawBufferPointer

    init(owner: AnyObject, bytes: UnsafeRawBufferPointer) {
        self.owner = owner
        self.bytes = bytes
    }

    package var count: Int { self.bytes.count }

    package func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        defer { withExtendedLifetime(self.owner) {} }
        return try body(self.bytes)
    }
}
