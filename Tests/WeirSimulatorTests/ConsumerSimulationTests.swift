// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirSimulator

@Suite struct ConsumerSimulationTests {
    /// Workers that pause, die, come back, leave; a server that pauses, crashes, loses its power; messages that come
    /// late; shards that split and merge; resets: no auditor objects. A longer run:
    /// `scripts/simulate`.
    @Test(arguments: 0..<10)
    func fiveHundredHistoriesOfConsumersBreakNoRule(_ tenth: UInt64) {
        for seed in tenth * 50 + 1...tenth * 50 + 50 {
            let outcome = ConsumerSimulation(seed: seed).run()
            #expect(outcome.violation == nil, "weir-sim --consumers --seed \(seed) --trace")
        }
    }

    /// Each of them broke a rule once. At 910,163 a child overtook a grandparent that an operator had taken back; at
    /// the others the judge was wrong: about shards that only a reset gave to the application, about a crash in the
    /// midst of a stop, about pauses at the end of the trouble, and about a failed write that takes the application.
    @Test(
        arguments: [
            302_077, 910_163, 70_002_049, 70_003_689, 70_007_555, 70_009_940, 70_017_992, 70_018_718, 70_022_620,
            70_023_511, 70_025_097, 70_030_125, 70_032_121, 70_032_400, 70_041_089, 70_044_578, 70_049_123, 71_015_773,
            95_012_515, 98_027_832,
        ] as [UInt64])
    func historiesOfConsumersThatBrokeARuleOnceBreakNone(_ seed: UInt64) {
        #expect(ConsumerSimulation(seed: seed).run().violation == nil, "weir-sim --consumers --seed \(seed) --trace")
    }

    @Test(arguments: [1, 7, 42, 1234] as [UInt64])
    func theSameSeedTwiceGivesTheSameTraceOfConsumers(_ seed: UInt64) {
        let one = ConsumerSimulation(seed: seed, traces: true).run().trace
        let other = ConsumerSimulation(seed: seed, traces: true).run().trace
        #expect(one.count > 50)
        #expect(one == other)
    }

    @Test(arguments: ConsumerBreakage.allCases)
    func anEngineThatBreaksARuleOfConsumersIsCaught(_ breakage: ConsumerBreakage) {
        let caught = (1...200 as ClosedRange<UInt64>).first { seed in
            ConsumerSimulation(seed: seed, breakage: breakage).run().violation != nil
        }
        #expect(caught != nil)
    }

    /// What the histories must hold, or they show nothing.
    @Test func historiesOfConsumersHoldWhatTheyAreJudgedBy() {
        var total = ConsumerTally()
        for seed in 1...120 as ClosedRange<UInt64> { total += ConsumerSimulation(seed: seed).run().tally }
        #expect(total.processed > 1000 && total.reads.repeated > 0 && total.refused > 0 && total.checkpoints > 100)
        #expect(total.reads.polls > 1000 && total.reads.pushes > 1000 && total.reads.refused > 0)
        #expect(total.handedOver > 0 && total.expired > 0 && total.pauses > 0 && total.kills > 0 && total.leaves > 0)
        #expect(total.powerCuts > 0 && total.serverPauses > 0 && total.failures > 0)
        #expect(total.reshards > 0 && total.resets > 0)
    }
}
