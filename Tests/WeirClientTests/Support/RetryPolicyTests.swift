// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirClient

@Suite struct RetryPolicyTests {
    @Test func pausesDoubleUpToTheLongestAndNeverFallBelowHalf() {
        let policy = RetryPolicy(firstPauseMillis: 10, longestPauseMillis: 100)
        let table: [(attempt: Int, full: UInt64)] = [
            (1, 10), (2, 20), (3, 40), (4, 80), (5, 100), (6, 100), (500, 100),
        ]
        for row in table {
            #expect(policy.pauseNanos(attempt: row.attempt, dice: 0) == row.full * 500_000)
            for dice in [UInt64(1), 77_777_777_777, .max] {
                let pause = policy.pauseNanos(attempt: row.attempt, dice: dice)
                #expect((row.full * 500_000...row.full * 1_000_000).contains(pause))
            }
        }
    }

    @Test func whatMayHaveBeenDoneIsRepeatedOnlyWhenThatDoesNoHarm() {
        let policy = RetryPolicy(firstPauseMillis: 10, longestPauseMillis: 100)
        let lost = WeirError(.outcomeUnknown, "lost")
        #expect(policy.decide(lost, attempt: 1, isRepeatable: false, dice: 0) == .giveUp)
        #expect(policy.decide(lost, attempt: 1, isRepeatable: true, dice: 0) == .again(after: 100_000_000))
        #expect(policy.decide(WeirError(.streamNotFound, ""), attempt: 1, isRepeatable: true, dice: 0) == .giveUp)
        #expect(
            policy.decide(WeirError(.unavailable, ""), attempt: 1, isRepeatable: false, dice: 0)
                == .again(after: 50_000_000))
        let short = WeirError(.unavailable, "", verdict: .init(maybeStored: false, retry: .after(millis: 0)))
        #expect(policy.decide(short, attempt: 1, isRepeatable: false, dice: 0) == .again(after: 5_000_000))
    }
}
