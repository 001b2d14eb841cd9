// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirEngine

@Suite struct SubscriptionCreditTests {
    @Test func `A push may overdraw once, and the client makes up for it`() {
        var credit = SubscriptionCredit(bytes: 100)
        #expect(credit.mayPush)
        credit.take(batchBytes: 1000)
        #expect(!credit.mayPush)
        credit.grant(bytes: 900)
        #expect(!credit.mayPush)
        credit.grant(bytes: 1)
        #expect(credit.mayPush)
        #expect(credit.balance == 1)
    }

    @Test func `Credit without end gains nothing`() {
        var credit = SubscriptionCredit(bytes: .max)
        for _ in 0..<100 { credit.grant(bytes: .max) }
        #expect(credit.balance == SubscriptionCredit.balanceMax)
        #expect(!SubscriptionCredit(bytes: 0).mayPush)
    }
}
