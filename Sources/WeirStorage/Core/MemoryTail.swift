// SPDX-License-Identifier: Apache-2.0
import WeirLog

/// The newest acknowledged commits in memory, so that readers near the tip do not touch the disk. Bounded in bytes;
/// the oldest leave first. A commit is found by where it lies in the log.
struct MemoryTail {
    private struct Item {
        let order: UInt64
        let offset: Int
        let length: Int
        var buffer: CommitBuffer?
    }

    private let bytesMax: Int
    private var items: [Item] = []
    private var first = 0
    private(set) var bytes = 0

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    mutating func append(_ commit: CommitInProgress, segment: Segment) {
        self.items.append(
            Item(
                order: segment.header.order, offset: commit.offset, length: commit.header?.paddedLength ?? 0,
                buffer: commit.buffer))
        self.bytes += commit.buffer.raw.count
        while self.bytes > self.bytesMax, self.first < self.items.count {
            self.bytes -= self.items[self.first].buffer?.raw.count ?? 0
            self.items[self.first].buffer = nil
            self.first += 1
        }
        if self.first > 64, self.first * 2 > self.items.count {
            self.items.removeFirst(self.first)
            self.first = 0
        }
    }

    /// The commit that holds byte `offset` of segment `order`, and where that is in it.
    func find(order: UInt64, offset: Int) -> (buffer: CommitBuffer, offset: Int)? {
        var low = self.first
        var high = self.items.count
        while low < high {
            let middle = (low + high) / 2
            let item = self.items[middle]
            if item.order < order || (item.order == order && item.offset + item.length <= offset) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        guard low < self.items.count else { return nil }
        let item = self.items[low]
        guard item.order == order, item.offset <= offset, let buffer = item.buffer else { return nil }
        return (buffer, offset - item.offset)
    }
}
