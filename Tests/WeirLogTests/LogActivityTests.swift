// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirLog

/// What the disk proves of what was acknowledged, and how long nothing has happened.
@Suite struct LogActivityTests {
    private static func header(_ lsn: UInt64, acknowledged: UInt64, events: Int, batches: Int) -> CommitHeader {
        CommitHeader(
            logID: 1, term: 1, lsn: LSN(lsn), previous: .origin, acknowledged: LSN(acknowledged), length: 5_000,
            eventsLength: 0, catalogVersion: 0, eventCount: events, batchCount: batches, batchesLength: 0, useCount: 1,
            timeMillis: 0)
    }

    /// State: what holds anything and what is proven. Event: a commit that holds something or not, and proves so much.
    @Test func whatHoldsAnythingIsProvenByACommitBehindIt() {
        for (events, batches) in [(0, 0), (1, 0), (0, 1), (2, 3)] {
            for proves in 4...5 as ClosedRange<UInt64> {
                var activity = LogActivity(cut: LSN(4), nowNanos: 0)
                #expect(!activity.isUnproven && activity.lastContent == LSN(4))
                activity.acknowledged(Self.header(5, acknowledged: 4, events: events, batches: batches))
                #expect(activity.isUnproven == (events + batches > 0))
                #expect(activity.lastContent == LSN(events + batches > 0 ? 5 : 4))
                activity.acknowledged(Self.header(6, acknowledged: proves, events: 0, batches: 0))
                #expect(activity.isUnproven == (events + batches > 0 && proves < 5))
                #expect(activity.counters == .init(commits: 2, commitBytes: 16_384, batches: UInt64(batches)))
            }
        }
    }

    @Test func itIsQuietWhenNoWriteHasReturnedForAWhile() {
        var activity = LogActivity(cut: .none, nowNanos: 100)
        for (now, isQuiet) in [(100, false), (149, false), (150, true), (1_000, true)] as [(UInt64, Bool)] {
            #expect(activity.isQuiet(nowNanos: now, for: 50) == isQuiet)
        }
        activity.note(nowNanos: 120)
        #expect(!activity.isQuiet(nowNanos: 169, for: 50) && activity.isQuiet(nowNanos: 170, for: 50))
    }
}
