// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirClient

@Suite struct StandingRefusalsTests {
    private static let second: UInt64 = 1_000_000_000
    private static let full = WeirError(.storageFull, "the log is full")
    private let one = ShardNumber(1)
    private let two = ShardNumber(2)

    /// What a rate or the order of puts holds back passes by itself; what else is tried again stands.
    @Test(arguments: WeirError.Code.allCases)
    func throttlingDoesNotStand(_ code: WeirError.Code) {
        let passes: Set<WeirError.Code> = [.throughputExceeded, .creditExceeded, .behind]
        for retry in [WeirError.Retry.never, .after(0), .after(1000), .refreshShardMap] {
            let isRetried = if case .after = retry { true } else { false }
            #expect(
                StandingRefusals.isStanding(code, .init(maybeStored: false, retry: retry))
                    == (isRetried && !passes.contains(code)))
        }
    }

    @Test func itIsToldOnceAfterASecondAndTakenBackOnce() {
        var standing = StandingRefusals()
        standing.refused(self.one, Self.full, now: 100)
        standing.refused(self.two, Self.full, now: 200)
        #expect(standing.tellAt == 100 + Self.second)
        standing.tell(now: 99 + Self.second)
        #expect(standing.takeNotices().isEmpty)
        standing.tell(now: 100 + Self.second)
        #expect(standing.takeNotices() == [.heldBack(Self.full)])
        #expect(standing.tellAt == nil)
        standing.refused(self.one, Self.full, now: 300)
        standing.tell(now: .max)
        #expect(standing.takeNotices().isEmpty)
        standing.stored(self.one)
        #expect(standing.takeNotices().isEmpty)
        standing.stored(self.two)
        #expect(standing.takeNotices() == [.goesOn])
        standing.stored(self.two)
        #expect(standing.takeNotices().isEmpty)
    }

    @Test func whatPassedWithinASecondIsNotTold() {
        var standing = StandingRefusals()
        standing.refused(self.one, Self.full, now: 100)
        standing.stored(self.one)
        #expect(standing.tellAt == nil)
        standing.refused(self.one, Self.full, now: 5000)
        #expect(standing[self.one]?.since == 5000 && standing.tellAt == 5000 + Self.second)
    }

    @Test func anotherReasonIsToldAtOnce() {
        var standing = StandingRefusals()
        standing.refused(self.one, Self.full, now: 0)
        standing.tell(now: Self.second)
        let other = WeirError(.unavailable, "the node recovers")
        standing.refused(self.one, other, now: Self.second + 1)
        #expect(standing.takeNotices() == [.heldBack(Self.full), .heldBack(other)])
        #expect(standing[self.one] == .init(since: 0, error: other))
    }

    @Test func shardsThatAreGoneDoNotStand() {
        var standing = StandingRefusals()
        standing.refused(self.one, Self.full, now: 100)
        standing.refused(self.two, Self.full, now: 100)
        standing.keep([self.two])
        #expect(standing[self.one] == nil && standing[self.two] != nil)
    }
}
