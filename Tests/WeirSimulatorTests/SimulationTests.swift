// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirSimulator

@Suite struct SimulationTests {
    /// Of each kind of history so many: as much as each is worth its time.
    private static let fixed: [(mix: Mix, count: UInt64)] = [(.disk, 500), (.load, 80), (.workers, 320), (.all, 100)]

    /// Crashes, power cuts, torn and lost writes, full disks, wrong clocks; refusals, long polls, subscriptions;
    /// workers that pause, die and come back; operators under all of them: no auditor objects. A longer run:
    /// `scripts/simulate`.
    @Test(arguments: 0..<10)
    func aThousandHistoriesBreakNoRule(_ tenth: UInt64) {
        for (mix, count) in Self.fixed {
            let size = count / 10
            for seed in tenth * size + 1...tenth * size + size {
                let outcome = Simulation(seed: seed, mix: mix).run()
                #expect(outcome.violation == nil, "weir-sim --seed \(seed) --mix \(mix) --trace")
            }
        }
    }

    /// The plan is the seed's: without a mix it draws one, and with one the history is the same on every machine.
    @Test(arguments: Mix.allCases, [1, 7, 42] as [UInt64])
    func theSameSeedTwiceGivesTheSameTrace(_ mix: Mix, _ seed: UInt64) {
        let one = Simulation(seed: seed, mix: mix, traces: true).run().trace
        let other = Simulation(seed: seed, mix: mix, traces: true).run().trace
        #expect(one.count > 50)
        #expect(one == other)
    }

    @Test func seedsDrawHistoriesOfAllMixes() {
        let drawn = (1...100 as ClosedRange<UInt64>).map { Mix(seed: $0) }
        for mix in Mix.allCases { #expect(drawn.contains(mix)) }
    }

    @Test(arguments: Breakage.allCases)
    func aNodeThatBreaksARuleIsCaught(_ breakage: Breakage) {
        // The rarest is caught by one history in about 175.
        for seed in 1...1000 as ClosedRange<UInt64> {
            let outcome = Simulation(seed: seed, mix: breakage.mix, steps: 400, breakage: breakage).run()
            guard let violation = outcome.violation else { continue }
            print("weir-sim --seed \(seed) --mix \(breakage.mix) --steps 400 --broken \(breakage): \(violation)")
            return
        }
        Issue.record("no history catches \(breakage)")
    }

    /// What the histories must hold, or they show nothing.
    @Test func historiesHoldWhatTheyAreJudgedBy() {
        var total = Tally()
        for (mix, count) in Self.fixed {
            for seed in 1...count / 4 { total += Simulation(seed: seed, mix: mix).run().tally }
        }
        print("\(total): \(total.details)")
        for count in Tally.Count.allCases { #expect(total[count] > 0, "\(count)") }
        for count in [.acknowledged, .throttled, .polls, .pushes, .processed, .leasePolls, .leasePushes]
            as [Tally.Count]
        {
            #expect(total[count] > 500, "\(count)")
        }
    }
}
