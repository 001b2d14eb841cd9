// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirConsumer

@Suite("What a worker warns of")
struct TroubleLogTests {
    @Test("Ten thousand shards with the same trouble are one warning, and a later one counts the others")
    func once() {
        var log = TroubleLog()
        let told = (0..<10_000 as Range<UInt64>).filter { log.note(.reading(.limitExceeded), now: $0) != nil }
        #expect(told == [0])
        #expect(log.note(.reading(.timedOut), now: 10_000) == 0)
        #expect(log.note(.joining, now: 10_000) == 0)
        #expect(log.note(.reading(.limitExceeded), now: TroubleLog.pauseNanos - 1) == nil)
        #expect(log.note(.reading(.limitExceeded), now: TroubleLog.pauseNanos) == 10_000)
        #expect(log.note(.reading(.limitExceeded), now: TroubleLog.pauseNanos + 1) == nil)
    }
}
