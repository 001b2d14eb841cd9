// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Where one batch lies in its segment.
package struct IndexEntry: Hashable, Sendable {
    package let firstIndex: UInt64
    package let arrivalMillis: Int64
    /// Of the placement, from the start of the file, in bytes.
    package let offset: UInt32
    /// Placement and body, in bytes.
    package let length: UInt32
    package let count: UInt32

    package init(firstIndex: UInt64, arrivalMillis: Int64, offset: UInt32, length: UInt32, count: UInt32) {
        self.firstIndex = firstIndex
        self.arrivalMillis = arrivalMillis
        self.offset = offset
        self.length = length
        self.count = count
    }

    package var endIndex: UInt64 { self.firstIndex + UInt64(self.count) }
    static let bytes = 28
}

/// A shard's batches of one segment, in order of their indexes. Arrivals never fall, because the log stamps them.
package struct ShardIndex: Hashable, Sendable {
    package private(set) var entries: [IndexEntry] = []
    package private(set) var bytes: Int64 = 0

    package init() {}

    package mutating func append(_ entry: IndexEntry) {
        self.entries.append(entry)
        self.bytes += Int64(entry.length)
    }

    package var firstIndex: UInt64 { self.entries.first?.firstIndex ?? 0 }
    package var endIndex: UInt64 { self.entries.last?.endIndex ?? 0 }
    package var lastArrivalMillis: Int64 { self.entries.last?.arrivalMillis ?? 0 }

    /// Position of the first entry with records at or above `index`.
    package func position(ofIndex index: UInt64) -> Int {
        self.firstPosition { $0.endIndex > index }
    }

    /// Position of the first entry that arrived at or after `millis`.
    package func position(ofArrival millis: Int64) -> Int {
        self.firstPosition { $0.arrivalMillis >= millis }
    }

    private func firstPosition(where satisfies: (IndexEntry) -> Bool) -> Int {
        var low = 0
        var high = self.entries.count
        while low < high {
            let middle = (low + high) / 2
            if satisfies(self.entries[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
