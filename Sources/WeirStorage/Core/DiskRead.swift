// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// Batches of one shard in one segment, one behind the other without a gap, and the answer that they make.
struct DiskRead {
    let segment: Segment
    let shard: ShardRef
    let entries: [IndexEntry]
    /// The first record of the answer; in the first batch.
    let first: UInt64
    /// The record behind the last of the answer; in the last batch, or its end.
    let next: UInt64
    /// Records in front of `first` that are gone.
    let missed: UInt64
    let durableEnd: UInt64
    /// Of the last record of the shard on disk.
    let lastArrivalMillis: Int64
    /// What is told to whoever has come to `durableEnd`.
    let endOfShard: [ShardDescription]?
    let creationSecond: UInt64

    var bytes: Int { self.entries.reduce(0) { $0 + Int($1.length) } }

    /// The answer when these batches are whole. Those in front of them are damaged: they are passed over, and the
    /// answer says how many records were in them. Those behind them are left to the next read, which will pass over
    /// the first of them. So a reader gets everything that the disk still has, and hears of everything else once.
    func answer(whole: Range<Int>, _ chunks: [ReadChunk]) -> ReadResult {
        let first = whole.lowerBound == 0 ? self.first : self.entries[whole.lowerBound - 1].endIndex
        let next: UInt64
        if whole.isEmpty {
            next = first
        } else {
            next = whole.upperBound == self.entries.count ? self.next : self.entries[whole.upperBound - 1].endIndex
        }
        let isAtEnd = next >= self.durableEnd
        let arrival = self.entries[max(whole.upperBound, 1) - 1].arrivalMillis
        return ReadResult(
            firstIndex: first, nextIndex: next, missed: self.missed + (first - self.first),
            recordCount: Int(next - first), chunks: chunks,
            millisBehindLatest: isAtEnd ? 0 : max(0, self.lastArrivalMillis - arrival), durableEnd: self.durableEnd,
            endOfShard: isAtEnd ? self.endOfShard : nil, shardCreationSecond: self.creationSecond)
    }
}
