// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel

/// How many records a damaged range may have held, at most. Their indexes were told to producers and must not be given
/// again: a shard goes on above all that it may have lost.
struct LostRecords {
    /// The shortest record in a body: a header, a key of one byte, no data.
    private static let recordBytesMin = BatchBody.recordHeaderBytes + 1
    private var total: UInt64 = 0
    /// The total when a shard's batch above the snapshot was last read: up to there its indexes are certain.
    private var certain: [ShardRef: UInt64] = [:]

    /// Bytes of damaged ranges since the last commit that counted. A snapshot may know what they held.
    var pending = 0

    /// More records do not fit into so many bytes.
    static func recordsMax(bytes: Int) -> Int { max(0, bytes) / Self.recordBytesMin }

    /// Whether anything was lost that no snapshot covers.
    var isEmpty: Bool { self.total == 0 }

    /// No snapshot covers the last damaged ranges.
    mutating func settle() {
        self.total += UInt64(max(0, self.pending) / Self.recordBytesMin)
        self.pending = 0
    }

    /// The shard's next index is known again.
    mutating func know(_ shard: ShardRef) { self.certain[shard] = self.total }

    /// A file that the snapshot knew is gone, of at most so many bytes. It may have been the one that was being
    /// written: only shards that were read of above the snapshot are certain.
    mutating func missFile(bytes: Int) {
        let records = UInt64(max(0, bytes) / Self.recordBytesMin)
        self.total += records
        for shard in self.certain.keys { self.certain[shard, default: 0] += records }
    }

    /// Indexes that the shard may have given out and lost.
    func uncertainty(of shard: ShardRef) -> UInt64 { self.total - (self.certain[shard] ?? 0) }
}
