// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel
import WeirStorage

/// The shards of a stream at one moment, laid out for looking up many keys.
final class RouteTable {
    let map: ShardMap
    let count: Int
    private let lowers: UnsafeMutablePointer<UInt128>
    private let numbers: UnsafeMutablePointer<ShardNumber>
    /// For each value of a key's first bits the shard that takes the lowest key beginning so, and one more for the last
    /// shard. Four for a shard where shards are even, so that most keys are found without a comparison.
    private let buckets: UnsafeMutablePointer<Int32>
    private let bucketShift: Int
    /// As the log gave them out. A log that was rebuilt after a failed write has other maps, so these are never asked
    /// of one that did not give them out.
    private var states: ContiguousArray<ShardState?>

    init(_ map: ShardMap) {
        self.map = map
        self.count = map.shards.count
        self.lowers = .allocate(capacity: self.count)
        self.numbers = .allocate(capacity: self.count)
        self.states = ContiguousArray(repeating: nil, count: self.count)
        for (position, shard) in map.shards.enumerated() {
            (self.lowers + position).initialize(to: shard.range.lower.value)
            (self.numbers + position).initialize(to: shard.number)
        }
        let bits = min(16, Int.bitWidth - (self.count * 4 - 1).leadingZeroBitCount)
        self.bucketShift = 128 - bits
        self.buckets = .allocate(capacity: 1 << bits + 1)
        var position = 0
        for bucket in 0..<1 << bits {
            let lowest = UInt128(bucket) << UInt128(self.bucketShift)
            while position + 1 < self.count, self.lowers[position + 1] <= lowest { position += 1 }
            (self.buckets + bucket).initialize(to: Int32(position))
        }
        (self.buckets + (1 << bits)).initialize(to: Int32(self.count - 1))
    }

    deinit {
        self.lowers.deallocate()
        self.numbers.deallocate()
        self.buckets.deallocate()
    }

    /// Position of the shard that takes `key`.
    @inline(__always)
    func position(of key: UInt128) -> Int {
        let bucket = Int(truncatingIfNeeded: key &>> UInt128(self.bucketShift))
        var low = Int(self.buckets[bucket])
        var count = Int(self.buckets[bucket + 1]) - low + 1
        while count > 1 {
            let half = count / 2
            if self.lowers[low + half] <= key { low += half }
            count -= half
        }
        return low
    }

    @inline(__always)
    func number(at position: Int) -> ShardNumber { self.numbers[position] }

    /// The shard at `position` in the log whose map this is. Under its lock only.
    func state(at position: Int, in log: LogCore) -> ShardState? {
        if let state = self.states[position] { return state }
        let state = log.shard(ShardRef(stream: self.map.stream, shard: self.numbers[position]))
        self.states[position] = state
        return state
    }

    /// The keys that the shard at `position` takes.
    func range(at position: Int) -> ClosedRange<UInt128> {
        self.lowers[position]...(position + 1 < self.count ? self.lowers[position + 1] - 1 : UInt128.max)
    }
}

/// The newest table of each stream that is put to through one event loop: a hint, compared with the catalog before
/// anything is stored.
final class RouteCache {
    private var tables: [StreamID: RouteTable] = [:]
    /// The last one asked for: most batches of puts are for one stream.
    private var last: RouteTable?

    func table(for stream: StreamID) -> RouteTable? {
        if let last, last.map.stream == stream { return last }
        guard let table = self.tables[stream] else { return nil }
        self.last = table
        return table
    }

    func remember(_ table: RouteTable) {
        self.tables[table.map.stream] = table
        self.last = table
    }

    func forget(_ stream: StreamID) {
        self.tables[stream] = nil
        if self.last?.map.stream == stream { self.last = nil }
    }
}
