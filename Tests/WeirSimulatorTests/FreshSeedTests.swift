// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirSimulator

/// Histories that nobody has played before: other seeds at every run. Their range is printed, so that a failure can be
/// played again. A longer run: `scripts/simulate`.
@Suite struct FreshSeedTests {
    /// Drawn once a run, above the seeds that tests name.
    private static let first = UInt64.random(in: 1_000_000_000..<1_000_000_000_000)
    private static let count: UInt64 = 500
    private static let steps = 150
    /// A busy machine plays fewer, and says so.
    private static let end = ContinuousClock.now + .seconds(240)

    /// Plays one of ten parts; `play` returns whether no rule was broken.
    private static func play(
        _ tenth: UInt64, _ option: String, of count: UInt64 = Self.count, _ play: (UInt64) -> Bool
    ) {
        let size = count / 10
        let seeds = Self.first + tenth * size...Self.first + tenth * size + size - 1
        print("fresh seeds of this run: weir-sim \(option) --seeds \(seeds.lowerBound)..\(seeds.upperBound)")
        for seed in seeds {
            guard ContinuousClock.now < Self.end else {
                print("no time is left for the fresh seeds \(seed) to \(seeds.upperBound): the machine is busy")
                return
            }
            #expect(play(seed), "weir-sim \(option) --seed \(seed) --trace")
        }
    }

    @Test(arguments: 0..<10) func freshHistoriesBreakNoRule(_ tenth: UInt64) {
        Self.play(tenth, "--steps \(Self.steps)") { seed in
            Simulation(seed: seed, steps: Self.steps, traces: false, breakage: nil).run().violation == nil
        }
    }

    @Test(arguments: 0..<10) func freshHistoriesOfAnEngineBreakNoRule(_ tenth: UInt64) {
        Self.play(tenth, "--engine", of: 150) { EngineSimulation(seed: $0).run().violation == nil }
    }

    @Test(arguments: 0..<10) func freshHistoriesOfConsumersBreakNoRule(_ tenth: UInt64) {
        Self.play(tenth, "--consumers") { ConsumerSimulation(seed: $0).run().violation == nil }
    }
}
