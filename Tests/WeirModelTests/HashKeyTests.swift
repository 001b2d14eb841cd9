// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@Suite struct HashKeyTests {
    /// Vectors of the contract, section 2.2, computed by another program.
    @Test(arguments: [
        ("a", "16955237001963240173058271559858726497"),
        ("partitionKey-1", "159499196025307651934328298402289840726"),
        ("é", "136732923097551493579404309126273812335"),
        ("", "281949768489412648962353822266799178366"),
    ])
    func aPartitionKeyHashesToItsMD5AsABigEndianNumber(_ key: String, _ expected: String) {
        #expect(HashKey(partitionKey: key).description == expected)
    }

    @Test func threeShardsDivideTheKeySpaceAsTheContractSays() {
        let ranges = HashKeyRange.tiling(3)
        #expect(ranges[0].upper.description == "113427455640312821154458202477256070484")
        #expect(ranges[1].lower.description == "113427455640312821154458202477256070485")
        #expect(ranges[1].upper.description == "226854911280625642308916404954512140969")
        #expect(ranges[2].upper == .max)
    }

    @Test(arguments: [1, 2, 3, 4, 7, 64, 1000, 9999, 10_000])
    func anyNumberOfShardsTilesTheKeySpace(_ count: Int) {
        let ranges = HashKeyRange.tiling(count)
        #expect(ranges.count == count)
        #expect(ShardMap.tiles(ranges))
    }

    @Test func fourShardsAreExactQuarters() {
        #expect(HashKeyRange.tiling(4).map(\.lower.value) == (0..<4).map { UInt128($0) << 126 })
    }

    @Test func aGapOrAnOverlapIsNoTiling() {
        let a = HashKeyRange(.min, HashKey(9))
        #expect(!ShardMap.tiles([a, HashKeyRange(HashKey(11), .max)]))
        #expect(!ShardMap.tiles([a, HashKeyRange(HashKey(9), .max)]))
        #expect(!ShardMap.tiles([a]))
        #expect(!ShardMap.tiles([]))
        #expect(ShardMap.tiles([a, HashKeyRange(HashKey(10), .max)]))
    }

    @Test(arguments: ["", "-1", "01", "340282366920938463463374607431768211456", "1e3", " 1", "0x10"])
    func aHashKeyOutsideTheContractIsRefused(_ text: String) {
        #expect(throws: WeirError.self) { try HashKey(parsing: text) }
    }

    @Test func theShardOfAKeyIsFoundAsASearchThroughAllWould() {
        let ranges = HashKeyRange.tiling(37)
        let map = ShardMap(
            stream: StreamID(1), version: 1,
            open: ranges.enumerated().map { number, range in
                ShardDescription(
                    number: ShardNumber(UInt32(number)), range: range, parents: [], creationSecond: 1, firstIndex: 0,
                    createdAtMillis: 0, closed: nil)
            })
        for number in 0..<2000 {
            let key = HashKey(partitionKey: "key \(number)")
            #expect(map.shard(for: key).range.contains(key))
        }
        for range in ranges {
            #expect(map.shard(for: range.lower).range == range)
            #expect(map.shard(for: range.upper).range == range)
        }
    }
}
