// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirCommands

@Suite struct InterruptionTests {
    private static let second: UInt64 = 1_000_000_000
    private let ten = Interruption.Patience(nanos: 10 * Self.second)

    @Test func aCommandWithNothingToFinishIsEndedByTheFirstSignal() {
        var interruption = Interruption()
        #expect(interruption.received(15, now: 5) == .exit(143))
        #expect(!interruption.isFinishing && interruption.deadline == nil)
    }

    @Test func theFirstAsksToFinishTheSecondToGiveUpTheThirdEndsIt() {
        var interruption = Interruption()
        interruption.begins(self.ten)
        #expect(interruption.received(2, now: 5) == .finish)
        #expect(interruption.isFinishing && interruption.status == nil)
        #expect(interruption.received(15, now: 6) == .giveUp)
        #expect(interruption.status == 143)
        #expect(interruption.received(1, now: 7) == .exit(129))
    }

    @Test func patienceEndsWithGivingUpAndThenWithTheEnd() {
        var interruption = Interruption()
        interruption.begins(self.ten)
        _ = interruption.received(2, now: 5)
        let deadline = 5 + 10 * Self.second
        #expect(interruption.deadline == deadline)
        #expect(interruption.timeHasPassed(now: deadline - 1) == .nothing)
        #expect(interruption.timeHasPassed(now: deadline) == .giveUp)
        // The command says what became of it, if it can.
        #expect(interruption.status == nil)
        #expect(interruption.timeHasPassed(now: deadline) == .nothing)
        #expect(interruption.timeHasPassed(now: deadline + Self.second) == .exit(130))
    }

    @Test func aCommandWithABoundOfItsOwnIsWaitedForAsLongAsItTakes() {
        var interruption = Interruption()
        interruption.begins(Interruption.Patience(nanos: nil))
        _ = interruption.received(15, now: 5)
        #expect(interruption.deadline == nil)
        #expect(interruption.timeHasPassed(now: .max) == .nothing)
    }

    @Test func whatIsLeftToDoAfterTheCommandIsNotCutOffByItsPatience() {
        for signals in 1...2 {
            var interruption = Interruption()
            interruption.begins(self.ten)
            for _ in 0..<signals { _ = interruption.received(2, now: 5) }
            interruption.ends()
            #expect(interruption.isFinishing && interruption.deadline == nil)
            #expect(interruption.timeHasPassed(now: .max) == .nothing)
            #expect(interruption.status == (signals == 2 ? 130 : nil))
        }
        var interruption = Interruption()
        interruption.begins(self.ten)
        interruption.ends()
        #expect(interruption.phase == .idle)
        interruption.cutsShort()
        #expect(interruption.status == nil)
    }

    @Test func resultsThatASignalCutShortAreNoSuccess() {
        var interruption = Interruption()
        interruption.begins(self.ten)
        _ = interruption.received(15, now: 5)
        interruption.ends()
        interruption.cutsShort()
        #expect(interruption.status == 143)
    }
}
