// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirTestKit

@testable import WeirEngine

@Suite struct RouteTableTests {
    private func map(_ ranges: [HashKeyRange], stream: UInt64 = 1) -> ShardMap {
        ShardMap(
            stream: StreamID(stream), version: 1,
            open: ranges.enumerated().map { position, range in
                ShardDescription(
                    number: ShardNumber(UInt32(1000 - position)), range: range, parents: [], creationSecond: 1,
                    firstIndex: 0, createdAtMillis: 0, closed: nil)
            })
    }

    @Test(arguments: [1, 2, 3, 4, 7, 64, 256, 1000])
    func `Keys go where the map says, the ends of ranges included`(_ shards: Int) {
        self.check(HashKeyRange.tiling(shards))
    }

    @Test(arguments: [2, 9, 40, 120])
    func `Keys find their shard also when most shards share the first bits`(_ splits: Int) {
        var ranges: [HashKeyRange] = []
        var lower: UInt128 = 0
        for split in 1...splits {
            let upper = UInt128.max - (UInt128.max >> UInt128(split))
            ranges.append(HashKeyRange(HashKey(lower), HashKey(upper)))
            lower = upper + 1
        }
        self.check(ranges + [HashKeyRange(HashKey(lower), .max)])
    }

    private func check(_ ranges: [HashKeyRange]) {
        let shards = ranges.count
        let seed = UInt64.random(in: 0...(.max))
        var random = SplitMix64(seed: seed)
        let map = self.map(ranges)
        let table = RouteTable(map)
        var keys = ranges.flatMap { [$0.lower.value, $0.upper.value] }
        for _ in 0..<1000 {
            keys.append(UInt128(random.next()) << 64 | UInt128(random.next()))
        }
        for key in keys {
            let position = table.position(of: key)
            #expect(position == map.position(of: HashKey(key)), "seed \(seed)")
            #expect(table.number(at: position) == map.shards[position].number)
            #expect(table.range(at: position).contains(key))
        }
        for position in 0..<shards {
            let range = map.shards[position].range
            #expect(table.range(at: position) == range.lower.value...range.upper.value)
        }
    }

    @Test func `The cache keeps the newest table of each stream`() {
        let cache = RouteCache()
        let first = RouteTable(self.map([.all]))
        let other = RouteTable(self.map([.all], stream: 2))
        cache.remember(first)
        cache.remember(other)
        #expect(cache.table(for: StreamID(1)) === first)
        #expect(cache.table(for: StreamID(2)) === other)
        let newer = RouteTable(self.map(HashKeyRange.tiling(2)))
        cache.remember(newer)
        #expect(cache.table(for: StreamID(1)) === newer)
        cache.forget(StreamID(1))
        #expect(cache.table(for: StreamID(1)) == nil)
        #expect(cache.table(for: StreamID(2)) === other)
    }
}
