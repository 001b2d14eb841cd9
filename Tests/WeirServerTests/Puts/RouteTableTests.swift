// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirServer

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
        let seed = UInt64.random(in: 0...(.max))
        var random = SplitMix(seed)
        let ranges = HashKeyRange.tiling(shards)
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
