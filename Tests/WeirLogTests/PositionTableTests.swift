// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirTestKit

@testable import WeirLog

/// The table of positions against a dictionary, and what a copy of it costs.
@Suite struct PositionTableTests {
    @Test(arguments: 0..<30) func theTableSaysWhatWasPutInAndCopiesStay(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var table = PositionTable()
        var model: [PositionTable.Slot: SnapshotFile.Position] = [:]
        var copies: [(PositionTable, Set<SnapshotFile.Position>)] = []
        for round in 0..<60 {
            switch random.below(4) {
            case 0...1:
                for number in 0..<random.pick([1, 2, 510, 511, 512, 513]) {
                    let position = SnapshotFile.Position(
                        stream: StreamID(UInt64(round + 1)), shard: ShardNumber(UInt32(number)),
                        nextIndex: random.next())
                    let slot = table.add(position.stream, position.shard, nextIndex: position.nextIndex)
                    #expect(model.updateValue(position, forKey: slot) == nil, "a place has one shard, seed \(seed)")
                }
            case 2:
                for (slot, position) in model where random.chance(1, of: 3) {
                    let now = SnapshotFile.Position(
                        stream: position.stream, shard: position.shard, nextIndex: random.next())
                    table.set(slot, nextIndex: now.nextIndex)
                    model[slot] = now
                }
            default:
                for slot in Array(model.keys) where random.chance(1, of: 2) {
                    table.remove(slot)
                    model[slot] = nil
                    #expect(table.position(at: slot) == nil)
                }
            }
            #expect(table.count == model.count, "seed \(seed)")
            try #require(Set(table.positions) == Set(model.values), "seed \(seed)")
            #expect(table.positions.count == model.count)
            if random.chance(1, of: 10) { copies.append((table, Set(model.values))) }
        }
        for (slot, position) in model { #expect(table.position(at: slot) == position) }
        for (copy, positions) in copies { #expect(Set(copy.positions) == positions, "seed \(seed)") }
    }

    /// However many shards there are: what is taken for a snapshot makes a later change copy one piece.
    @Test(arguments: [511, 512, 513, 107_000]) func aCopyCostsAPieceForEachThatChanges(count: Int) {
        var table = PositionTable()
        let slots = (0..<count).map { table.add(StreamID(1), ShardNumber(UInt32($0)), nextIndex: 0) }
        let copy = table
        #expect(table.count(apartFrom: copy) == 0)
        for index in 1...1_000 as ClosedRange<UInt64> { table.set(slots[7], nextIndex: index) }
        #expect(table.count(apartFrom: copy) <= PositionTable.pieceMax)
        #expect(copy.position(at: slots[7])?.nextIndex == 0)
        table.remove(slots[count - 1])
        #expect(table.count(apartFrom: copy) <= 2 * PositionTable.pieceMax)
        #expect(copy.position(at: slots[count - 1]) != nil)
    }
}
