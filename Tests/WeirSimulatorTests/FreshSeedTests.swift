// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirSimulator

/// Histories that nobody has played before: other seeds at every run, and each decides who acts. Their range is
/// printed, so that a failure can be played again. A longer run: `scripts/simulate`.
@Suite struct FreshSeedTests {
    /// Drawn once a run, above the seeds that tests name.
    private static let first = UInt64.random(in: 1_000_000_000..<1_000_000_000_000)
    private static let size: UInt64 = 50
    /// A busy machine plays fewer, and says so.
    private static let end = ContinuousClock.now + .seconds(240)

    @Test(arguments: 0..<10) func fiveHundredFreshHistoriesBreakNoRule(_ tenth: UInt64) {
        let seeds = Self.first + tenth * Self.size...Self.first + (tenth + 1) * Self.size - 1
        print("fresh seeds of this run: weir-sim --seeds \(seeds.lowerBound)..\(seeds.upperBound)")
        for seed in seeds {
            guard ContinuousClock.now < Self.end else {
                print("no time is left for the fresh seeds \(seed) to \(seeds.upperBound): the machine is busy")
                return
            }
            #expect(Simulation(seed: seed).run().violation == nil, "weir-sim --seed \(seed) --trace")
        }
    }
}
