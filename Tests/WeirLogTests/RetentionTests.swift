// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirLog

/// What is hidden of a stream, and what may be deleted: by its retention, its horizon and its size cap.
@Suite struct RetentionTests {
    private static let now: Int64 = 1_700_000_000_000
    private static let hour: Int64 = 3_600_000

    /// The trusted time is `behind` the wall clock.
    private static func retention(behind: Int64 = 0) -> Retention {
        Retention(
            time: LogTime(
                lastStampMillis: Self.now, trustedMillis: Self.now - behind, isEmpty: false,
                now: .init(wallMillis: Self.now, nanos: 0, isSynchronized: true)))
    }

    private static func stream(hours: Int64, horizon: Int64 = 0, capped: UInt64 = 0) -> KeptRecords {
        KeptRecords(
            stream: StreamID(1), retentionMillis: hours * Self.hour, horizonMillis: horizon, capped: LSN(capped))
    }

    /// State: retention, horizon, cap. Event: records that arrived last then, in a segment that ends there.
    @Test func recordsAreHiddenByWhateverHidesThem() {
        for hours in [1, 24] as [Int64] {
            for horizon in [0, Self.now - 30 * Self.hour, Self.now - Self.hour / 2] {
                for capped in [0, 9, 10, 11] as [UInt64] {
                    let hidden = Self.retention().hidden(
                        of: Self.stream(hours: hours, horizon: horizon, capped: capped), nowMillis: Self.now)
                    let edge = max(Self.now - hours * Self.hour, horizon)
                    for arrival in [edge - 1, edge, edge + 1] {
                        #expect(
                            hidden.hides(lastArrivalMillis: arrival, segmentEnd: LSN(10))
                                == (arrival < edge || capped >= 10))
                    }
                    #expect(hidden.hides(segmentEnd: LSN(10)) == (capped >= 10))
                }
            }
        }
    }

    @Test func whatBothHideIsWhatEachHides() {
        let edges = [(1, 5), (2, 4), (3, 3)] as [(Int64, UInt64)]
        for one in edges {
            for other in edges {
                let (a, b) = (
                    Hidden(arrivedBefore: one.0, upTo: LSN(one.1)), Hidden(arrivedBefore: other.0, upTo: LSN(other.1))
                )
                let both = a.common(with: b)
                #expect(both == b.common(with: a))
                for arrival in 0...4 as ClosedRange<Int64> {
                    for end in 2...6 as ClosedRange<UInt64> {
                        func hides(_ hidden: Hidden) -> Bool {
                            hidden.hides(lastArrivalMillis: arrival, segmentEnd: LSN(end))
                        }
                        #expect(!hides(both) || (hides(a) && hides(b)))
                    }
                }
            }
        }
    }

    /// What age hides is deleted later than it is hidden, and by the trusted time; what a cap took goes at once.
    @Test func ageDeletesLaterThanItHidesAndOnlyByTheTrustedTime() {
        for behind in [0, Self.hour, 100 * Self.hour] as [Int64] {
            let retention = Self.retention(behind: behind)
            #expect(retention.doubtsClock(Self.now) == (behind > 0))
            for hours in [1, 24] as [Int64] {
                let grace = DeletionWaits.graceMillis(retentionMillis: hours * Self.hour)
                let edge = Self.now - behind - hours * Self.hour - grace
                for arrival in [edge - 1, edge, Self.now - hours * Self.hour - 1] {
                    let mayDelete = retention.mayDelete(
                        Self.stream(hours: hours), lastArrivalMillis: arrival, segmentEnd: LSN(10), nowMillis: Self.now)
                    #expect(mayDelete == (arrival < edge))
                    let hidden = retention.hidden(of: Self.stream(hours: hours), nowMillis: Self.now)
                    #expect(!mayDelete || hidden.hides(lastArrivalMillis: arrival, segmentEnd: LSN(10)))
                }
                for (capped, goes) in [(9, false), (10, true), (11, true)] as [(UInt64, Bool)] {
                    let mayDelete = retention.mayDelete(
                        Self.stream(hours: hours, capped: capped), lastArrivalMillis: Self.now, segmentEnd: LSN(10),
                        nowMillis: Self.now)
                    #expect(mayDelete == goes)
                }
            }
        }
    }
}
