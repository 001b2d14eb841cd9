// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirClient

@Suite struct ProducerMachineSimulationTests {
    @Test(arguments: 0..<8)
    func orderIsKeptAndNothingIsLostThroughThrottlingSplitsAndCuts(block: UInt64) async {
        for seed in block * 15..<(block + 1) * 15 {
            await Task.yield()
            var simulation = ProducerSimulation(seed: seed)
            #expect(simulation.run() == [], "seed \(seed)")
        }
    }

    @Test func firstCopiesKeepTheirOrderEvenWhenAnswersOvertakeEachOther() async {
        for seed in UInt64(1000)..<1040 {
            await Task.yield()
            var simulation = ProducerSimulation(seed: seed, .init(answersInOrder: false))
            #expect(simulation.run() == [], "seed \(seed)")
        }
    }

    @Test func withUnknownOutcomesReportedNothingIsStoredTwice() async {
        for seed in UInt64(0)..<40 {
            await Task.yield()
            var simulation = ProducerSimulation(seed: seed, .init(unknown: .fail))
            #expect(simulation.run() == [], "seed \(seed)")
        }
    }

    @Test func recordsOfASilentServerFailAndTheOthersKeepTheirOrder() async {
        for seed in UInt64(0)..<40 {
            await Task.yield()
            var simulation = ProducerSimulation(seed: seed, .init(timeoutMillis: 50))
            #expect(simulation.run() == [], "seed \(seed)")
        }
    }

    /// Around the pauses that the server asks for, and the time that passes between two events.
    @Test(arguments: [1, 2, 3, 5, 20] as [UInt64])
    func recordsThatALogHasNoRoomForFailAndTheOthersKeepTheirOrder(_ millis: UInt64) async {
        for seed in UInt64(0)..<25 {
            await Task.yield()
            var simulation = ProducerSimulation(seed: seed, .init(progressMillis: millis))
            #expect(simulation.run() == [], "seed \(seed)")
        }
    }

    @Test func nothingPassesAFailureBeforeItIsReported() async {
        for seed in UInt64(0)..<40 {
            await Task.yield()
            var simulation = ProducerSimulation(seed: seed, .init(poisonOneIn: 12))
            #expect(simulation.run() == [], "seed \(seed)")
        }
    }

    /// The simulation notices what it is there to notice.
    @Test func aServerThatForgetsTheRuleIsCaught() {
        let caught = (UInt64(0)..<20).filter { seed in
            var simulation = ProducerSimulation(seed: seed, .init(serverForgetsOrder: true))
            return simulation.run().contains { $0.contains("reordered") }
        }
        #expect(caught.count >= 4)
    }

    @Test func theSameSeedGivesTheSameHistory() {
        var first = ProducerSimulation(seed: 77)
        var second = ProducerSimulation(seed: 77)
        var other = ProducerSimulation(seed: 78)
        _ = (first.run(), second.run(), other.run())
        #expect(first.trace == second.trace)
        #expect(first.trace != other.trace)
    }
}
