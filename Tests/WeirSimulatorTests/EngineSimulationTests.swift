// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirSimulator

@Suite struct EngineSimulationTests {
    /// Ordered puts under rates, long polls, subscriptions, resharding, lost connections, failed writes and power cuts:
    /// no auditor objects. A longer run: `scripts/simulate`.
    @Test(arguments: 0..<10)
    func aHundredHistoriesOfAnEngineBreakNoRule(_ tenth: UInt64) {
        for seed in tenth * 10 + 1...tenth * 10 + 10 {
            let outcome = EngineSimulation(seed: seed).run()
            #expect(outcome.violation == nil, "weir-sim --engine --seed \(seed) --trace")
        }
    }

    @Test(arguments: [1, 7, 42] as [UInt64])
    func theSameSeedTwiceGivesTheSameTraceOfAnEngine(_ seed: UInt64) {
        let one = EngineSimulation(seed: seed, traces: true).run().trace
        let other = EngineSimulation(seed: seed, traces: true).run().trace
        #expect(one.count > 50)
        #expect(one == other)
    }

    @Test(arguments: EngineBreakage.allCases)
    func anEngineThatBreaksARuleIsCaught(_ breakage: EngineBreakage) {
        let caught = (1...100 as ClosedRange<UInt64>).first { seed in
            EngineSimulation(seed: seed, breakage: breakage).run().violation != nil
        }
        #expect(caught != nil)
    }

    /// What the histories must hold, or they show nothing.
    @Test func historiesOfAnEngineHoldWhatTheyAreJudgedBy() {
        var total = EngineTally()
        for seed in 1...30 as ClosedRange<UInt64> { total += EngineSimulation(seed: seed).run().tally }
        #expect(total.acknowledged > 1000 && total.throttled > 100 && total.behind > 100 && total.unknown > 0)
        #expect(total.polls > 1000 && total.emptyPolls > 10 && total.pushes > 1000 && total.read > 1000)
        #expect(total.reshards > 100 && total.reconnects > 10 && total.crashes > 0 && total.failures > 0)
    }
}
