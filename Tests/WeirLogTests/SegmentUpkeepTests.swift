// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirLog

/// Which segments get their footer and which are verified, in every state and after every event.
@Suite struct SegmentUpkeepTests {
    @Test func aFooterIsTakenOnceAndThenReported() {
        var footers = FooterSchedule()
        #expect(!footers.hasNext && footers.take() == nil)
        footers.demand(3)
        footers.demand(4)
        #expect(footers.hasNext && footers.take() == 3)
        #expect(footers.hasNext && footers.take() == 4)
        #expect(!footers.hasNext && footers.take() == nil)
        for event in 0..<3 {
            var next = footers
            switch event {
            case 0: next.tick()
            case 1: next.done(3)
            default:
                next.failed(4)
                #expect(!next.hasNext, "it waits")
                next.done(3)
                next.tick()
                #expect(next.take() == 4)
            }
            #expect(next.take() == nil)
        }
    }

    /// One that fails for ever is tried for ever, and holds up no other.
    @Test func oneThatFailedHoldsUpOnlyItself() {
        var footers = FooterSchedule()
        footers.demand(1)
        var expected = 1
        for attempt in 0..<100 as Range<UInt64> {
            #expect(footers.take() == 1)
            footers.failed(1)
            footers.demand(attempt + 2)
            #expect(footers.take() == attempt + 2)
            footers.done(attempt + 2)
            var ticks = 0
            while !footers.hasNext, ticks <= SnapshotSchedule.waitMax {
                footers.tick()
                ticks += 1
            }
            #expect(ticks == expected)
            expected = min(SnapshotSchedule.waitMax, expected * 2)
        }
        #expect(footers.take() == 1)
        footers.done(1)
        footers.demand(1)
        #expect(footers.take() == 1, "what has worked is forgotten")
    }

    /// State: the segments that are due, and how far the first of them was verified. Event: where those segments end by
    /// now, if they are there at all.
    @Test func segmentsAreVerifiedOneAfterTheOther() {
        let start = SegmentHeader.bytes
        for ends in [[:], [1: start], [1: start + 10], [2: start + 20], [1: start + 10, 2: start + 20]]
            as [[UInt64: Int]]
        {
            var scrub = ScrubSchedule([1, 2])
            for order in ends.keys.sorted() where ends[order]! > start {
                for offset in [start, start + 5] {
                    let next = scrub.next { ends[$0] }
                    #expect(next?.order == order && next?.offset == offset && next?.end == ends[order])
                    scrub.verified(order + 1, next: start + 7)
                    scrub.verified(order, next: offset == start ? start + 5 : ends[order]!)
                }
            }
            #expect(scrub.next { ends[$0] } == nil && scrub.due.isEmpty)
        }
    }

    @Test func aSegmentThatHasGoneIsLeftAndTheNextBeginsAtItsBeginning() {
        var scrub = ScrubSchedule([1, 2])
        #expect(scrub.next { _ in 100_000 }?.order == 1)
        scrub.verified(1, next: 50_000)
        let next = scrub.next { $0 == 1 ? nil : 100_000 }
        #expect(next?.order == 2 && next?.offset == SegmentHeader.bytes)
        scrub.verified(1, next: 90_000)
        #expect(scrub.next { _ in 100_000 }?.offset == SegmentHeader.bytes, "a late report of another one")
    }
}
