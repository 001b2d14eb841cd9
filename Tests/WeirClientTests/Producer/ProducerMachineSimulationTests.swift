// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirClient

@Suite struct ProducerMachineSimulationTests {
    @Test(arguments: 0..<8)
    func orderIsKeptAndNothingIsLostThroughThrottlingSplitsAndCuts(block: UInt64) {
        for seed in block * 25..<(block + 1) * 25 {
            var simulation = ProducerSimulation(seed: seed)
            #expect(simulation.run() == [], "seed \(seed)")
        }
    }

    @Test func firstCopiesKeepTheirOrderEvenWhenAnswersOvertakeEachOther() {
        for seed in UInt64(1000)..<1060 {
            var simulation = ProducerSimulation(seed: seed, .init(answersInOrder: false))
            #expect(simulation.run() == [], "seed \(seed)")
        }
    }

    @Test func withUnknownOutcomesReportedNothingIsStoredTwice() {
        for seed in UInt64(0)..<60 {
            var simulation = ProducerSimulation(seed: seed, .init(unknown: .fail))
            #expect(simulation.run() == [], "seed \(seed)")
        }
    }

    @Test func recordsOfASilentServerFailAndTheOthersKeepTheirOrder() {
        for seed in UInt64(0)..<60 {
            var simulation = ProducerSimulation(seed: seed, .init(timeoutMillis: 50))
            #expect(simulation.run() == [], "seed \(seed)")
        }
    }

    @Test func nothingPassesAFailureBeforeItIsReported() {
        for seed in UInt64(0)..<60 {
            var simulation = ProducerSimulation(seed: seed, .init(poisonOneIn: 12))
            #expect(simulation.run() == [], "seed \(seed)")
        }
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
