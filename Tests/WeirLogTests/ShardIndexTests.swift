// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirLog

/// Where a shard's batches lie.
@Suite struct ShardIndexTests {
    /// Batches of 10, 1 and 5 records; behind the second, 20 indexes are missing; two arrivals are equal.
    static func index() -> ShardIndex {
        var index = ShardIndex()
        index.append(IndexEntry(firstIndex: 100, arrivalMillis: 1000, offset: 8192, length: 500, count: 10))
        index.append(IndexEntry(firstIndex: 110, arrivalMillis: 2000, offset: 12288, length: 70, count: 1))
        index.append(IndexEntry(firstIndex: 131, arrivalMillis: 2000, offset: 16384, length: 300, count: 5))
        return index
    }

    @Test(
        arguments: [
            (0, 0), (99, 0), (100, 0), (109, 0), (110, 1), (111, 2), (130, 2), (131, 2), (135, 2), (136, 3), (.max, 3),
        ] as [(UInt64, Int)])
    func anIndexLiesInTheFirstBatchThatEndsAboveIt(_ index: UInt64, _ position: Int) {
        #expect(Self.index().position(ofIndex: index) == position)
    }

    @Test(
        arguments: [
            (.min, 0), (999, 0), (1000, 0), (1001, 1), (1999, 1), (2000, 1), (2001, 3), (.max, 3),
        ] as [(Int64, Int)])
    func aTimeLiesInTheFirstBatchThatArrivedThenOrLater(_ millis: Int64, _ position: Int) {
        #expect(Self.index().position(ofArrival: millis) == position)
    }

    @Test func anIndexKnowsItsEndsAndItsBytes() {
        let index = Self.index()
        #expect(index.firstIndex == 100)
        #expect(index.endIndex == 136)
        #expect(index.lastArrivalMillis == 2000)
        #expect(index.bytes == 870)
        #expect(index.entries.map(\.endIndex) == [110, 111, 136])
    }

    @Test func anEmptyIndexHoldsNothing() {
        let index = ShardIndex()
        #expect(index.position(ofIndex: 0) == 0)
        #expect(index.position(ofArrival: 0) == 0)
        #expect(index.endIndex == 0)
        #expect(index.bytes == 0)
    }

    @Test func everyPositionIsFoundAsByLookingAtAll() {
        var index = ShardIndex()
        for number in 0..<100 as Range<UInt64> {
            index.append(
                IndexEntry(
                    firstIndex: number * 3, arrivalMillis: Int64(number / 4), offset: 0, length: 1,
                    count: UInt32(1 + number % 3)))
        }
        for asked in 0..<310 as Range<UInt64> {
            let first = index.entries.firstIndex { $0.endIndex > asked } ?? 100
            #expect(index.position(ofIndex: asked) == first)
        }
        for asked in -1..<30 as Range<Int64> {
            let first = index.entries.firstIndex { $0.arrivalMillis >= asked } ?? 100
            #expect(index.position(ofArrival: asked) == first)
        }
    }
}
