// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirLog

@testable import WeirStorage

/// What the operator hears of a wrong clock: each state once.
@Suite struct ToldOfClockTests {
    private func held(since: Int64) -> LogTime.HeldBack {
        var time = LogTime(
            lastStampMillis: since, trustedMillis: since, isEmpty: false,
            now: .init(wallMillis: since, nanos: 0, isSynchronized: false))
        time.observe(.init(wallMillis: since + 3_600_000, nanos: 0, isSynchronized: false))
        return time.heldBack!
    }

    @Test func aDoubtedClockIsToldOnceAndThatItIsBelievedAgain() {
        var told = ToldOfClock()
        let one = self.held(since: 1_000_000)
        #expect(told.news(nil, stampsAheadMillis: nil).isEmpty)
        #expect(told.news(one, stampsAheadMillis: nil) == [one.sentence])
        #expect(told.news(one, stampsAheadMillis: nil).isEmpty)
        let other = self.held(since: 2_000_000)
        #expect(told.news(other, stampsAheadMillis: nil) == [other.sentence])
        #expect(told.news(nil, stampsAheadMillis: nil).count == 1)
        #expect(told.news(nil, stampsAheadMillis: nil).isEmpty)
    }

    @Test func arrivalTimesAheadOfABelievedClockAreToldOnce() throws {
        var told = ToldOfClock()
        let doubt = self.held(since: 1_000_000)
        // A clock that is behind is told as such; which of the two is wrong is not known yet.
        #expect(told.news(doubt, stampsAheadMillis: 400_000) == [doubt.sentence])
        let news = told.news(nil, stampsAheadMillis: 390_000)
        #expect(news.count == 2 && news[1].contains("390 s ahead of the wall clock"), "\(news)")
        #expect(told.news(nil, stampsAheadMillis: 380_000).isEmpty)
        #expect(told.news(nil, stampsAheadMillis: nil).isEmpty)
        #expect(told.news(nil, stampsAheadMillis: 500_000).count == 1)
    }
}
