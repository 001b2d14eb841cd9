// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@Suite struct SequenceNumberTests {
    /// The documented record of the contract, section 2.4.
    @Test func theDocumentedNumberReadsAsItsFields() throws {
        let number = try SequenceNumber(parsing: "49590338271490256608559692538361571095921575989136588898")
        #expect(number.shardCreationSecond == 1_542_776_258)
        #expect(number.index == 1_734_642_199)
        #expect(number.arrivalSecond == 1_545_084_650)
        #expect(number.shard == ShardNumber(6))
        #expect(number.description == "49590338271490256608559692538361571095921575989136588898")
    }

    @Test func aShardsFirstPossibleNumberIsTheContracts() {
        let first = SequenceNumber(
            shardCreationSecond: 1_542_776_258, shard: ShardNumber(6), index: 0, arrivalSecond: 1_542_776_258)
        #expect(first.description == "49590338271490256608557595484619406898078762622479499362")
    }

    @Test func anEndingNumberIsTheContracts() {
        let end = SequenceNumber(
            shardCreationSecond: 1_542_776_258, shard: ShardNumber(6), index: SequenceNumber.endIndex,
            arrivalSecond: 1_545_084_650)
        #expect(end.description == "49590338271501406981156860796188965831554103664399351906")
    }

    @Test(arguments: [
        "", "0", "-1", "4959033827149025660855969253836157109592157598913658889",
        "495903382714902566085596925383615710959215759891365888980",
        "49590338271490256608559692538361571095921575989136588899",
        "99999999999999999999999999999999999999999999999999999999",
        "4959033827149025660855969253836157109592157598913658889x",
    ])
    func whatWasNotGivenOutIsRefused(_ text: String) {
        #expect(throws: WeirError.self) { try SequenceNumber(parsing: text) }
    }

    @Test func everyNumberReadsBackAndRisesWithTheIndex() throws {
        var last: SequenceNumber?
        for shift in 0..<63 {
            let number = SequenceNumber(
                shardCreationSecond: 1_700_000_000, shard: ShardNumber(UInt32.max), index: 1 << UInt64(shift),
                arrivalSecond: 1_700_000_000 + UInt64(shift))
            #expect(try SequenceNumber(parsing: number.description) == number)
            #expect(number.description.utf8.count == 56)
            if let last { #expect(last < number) }
            if let last { #expect(last.description < number.description) }
            last = number
        }
    }

    @Test func aChildNumbersAboveEveryRecordOfItsParent() {
        let parent = SequenceNumber(
            shardCreationSecond: 1_700_000_000, shard: ShardNumber(15), index: SequenceNumber.endIndex,
            arrivalSecond: 1_900_000_000)
        let child = SequenceNumber(
            shardCreationSecond: 1_700_000_001, shard: ShardNumber(16), index: 5, arrivalSecond: 1_700_000_000)
        #expect(parent < child)
    }

    /// Two splits within a second put a creation second ahead of the clock.
    @Test func aRecordNeverNumbersBelowTheStartOfItsShard() {
        let shard = ShardDescription(
            number: ShardNumber(3), range: .all, parents: [], creationSecond: 1_700_000_010, firstIndex: 7,
            createdAtMillis: 1_700_000_000_000, closed: nil)
        let record = SequenceNumber(
            shardCreationSecond: shard.creationSecond, shard: shard.number, index: 7, arrivalSecond: 1_700_000_000)
        #expect(!(record < shard.startingSequenceNumber))
    }
}
