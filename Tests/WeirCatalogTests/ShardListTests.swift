// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirTestKit

@testable import WeirCatalog

/// The list of shards in pieces, against an array.
@Suite struct ShardListTests {
    private static func shard(_ number: UInt32, closedAt millis: Int64? = nil) -> ShardDescription {
        ShardDescription(
            number: ShardNumber(number), range: .all, parents: [], creationSecond: 1, firstIndex: 0,
            createdAtMillis: 0,
            closed: millis.map { .init(endIndex: 0, atMillis: $0, children: [ShardNumber(number + 1)]) })
    }

    private static let sizes = [0, 1, 2, 255, 256, 257, 511, 512, 513, 1_000]

    @Test(arguments: sizes) func aListIsWhatWasPutIn(count: Int) {
        let shards = (0..<count).map { Self.shard(UInt32($0 * 3)) }
        let list = ShardList(shards)
        #expect(Array(list) == shards && list.count == count && list.last == shards.last)
        #expect(Array(list.reversed()) == shards.reversed())
        for number in 0..<UInt32(count * 3 + 3) {
            let wanted = number % 3 == 0 && number < count * 3 ? Self.shard(number) : nil
            #expect(list[ShardNumber(number)] == wanted)
        }
        for number in [0, 1, 255, 256, 257, count, count * 3] as [Int] {
            let after = ShardNumber(UInt32(number))
            #expect(Array(list.suffix(after: after)) == shards.filter { $0.number > after })
        }
        #expect(Array(list.suffix(after: nil)) == shards)
    }

    @Test(arguments: 0..<30) func changesLeaveWhatTheyLeaveInAnArray(seed: UInt64) throws {
        var random = WeirTestKit.SplitMix64(seed: seed)
        var list = ShardList()
        var model: [ShardDescription] = []
        var next: UInt32 = 0
        for _ in 0..<60 {
            let before = (list, model)
            switch random.below(4) {
            case 0...1:
                for _ in 0..<random.pick([1, 3, 200, 255, 256, 257, 300]) {
                    let shard = Self.shard(next)
                    next += 1 + UInt32(random.below(3))
                    list.append(shard)
                    model.append(shard)
                }
            case 2:
                for _ in 0..<random.below(50) where !model.isEmpty {
                    let place = random.below(model.count)
                    let shard = Self.shard(model[place].number.rawValue, closedAt: Int64(random.below(1_000)))
                    model[place] = shard
                    list.replace(shard)
                }
            default:
                let share = random.pick([1, 2, 10, 100])
                let gone = model.map(\.number).filter { _ in random.chance(1, of: share) }
                list.remove(gone)
                model.removeAll { Set(gone).contains($0.number) }
            }
            try #require(Array(list) == model, "seed \(seed)")
            #expect(list.count == model.count)
            #expect(Array(before.0) == before.1, "a copy stays as it was")
            for millis in [-1, 0, 1, 500, 999] as [Int64] {
                let closed = model.filter { $0.closed.map { $0.atMillis <= millis } ?? false }
                #expect(list.closed(upTo: millis) == closed.map(\.number))
            }
        }
    }

    /// However many shards there are: a change copies the pieces that it touches.
    @Test(arguments: [300, 3_000, 107_000]) func aChangeCopiesOnlyThePiecesThatItTouches(count: Int) {
        let list = ShardList((0..<UInt32(count)).map { Self.shard($0) })
        var split = list
        split.replace(Self.shard(UInt32(count / 2), closedAt: 7))
        split.append(Self.shard(UInt32(count)))
        split.append(Self.shard(UInt32(count + 1)))
        #expect(split.count == count + 2)
        #expect(split.count(apartFrom: list) <= 3 * ShardList.pieceMax)
        var shorter = list
        shorter.remove([ShardNumber(3), ShardNumber(5)])
        #expect(shorter.count(apartFrom: list) <= 2 * ShardList.pieceMax)
        #expect(list.count(apartFrom: list) == 0)
    }

    /// What is left of many shards takes no piece for each.
    @Test func aListThatShrinksKeepsFewPieces() {
        var list = ShardList((0..<UInt32(20_000)).map { Self.shard($0) })
        list.remove((0..<UInt32(20_000)).filter { $0 % 100 != 0 }.map { ShardNumber($0) })
        #expect(list.count == 200 && list.count(apartFrom: ShardList()) == 200)
        #expect(list.pieceCount == 1)
    }
}
