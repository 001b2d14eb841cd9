// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirLog

/// From when on the records of a stream may be deleted, by who hid them and when.
@Suite struct DeletionWaitsTests {
    private static let stream = StreamID(7)
    private static let hour: Int64 = 3_600_000
    private static let start: UInt64 = 5_000_000_000

    /// Milliseconds of the retention, and of the wait.
    @Test(arguments: [
        (1, 0), (9, 0), (10, 1), (hour, hour / 10), (10 * hour - 10, hour - 1), (10 * hour, hour),
        (10 * hour + 10, hour),
        (8760 * hour, hour),
    ])
    func ageDeletesATenthOfTheRetentionLaterAndAtMostAnHour(_ retention: Int64, _ wait: Int64) {
        #expect(DeletionWaits.graceMillis(retentionMillis: retention) == wait)
        let waits = DeletionWaits(found: [:], nanos: Self.start)
        let now = 20_000 * Self.hour
        #expect(
            waits.deletableBefore(Self.stream, retentionMillis: retention, destroyingMillis: now)
                == now - retention - wait)
    }

    @Test func whatIsTrimmedGoesAtOnceAndNeverComesBack() {
        var waits = DeletionWaits(found: [:], nanos: Self.start)
        func deletable() -> Int64 {
            waits.deletableBefore(Self.stream, retentionMillis: Self.hour, destroyingMillis: 2 * Self.hour)
        }
        #expect(deletable() == Self.hour - Self.hour / 10)
        waits.trim(Self.stream, before: Self.hour)
        #expect(deletable() == Self.hour)
        waits.trim(Self.stream, before: 5)
        #expect(deletable() == Self.hour)
        #expect(
            waits.deletableBefore(StreamID(8), retentionMillis: Self.hour, destroyingMillis: 2 * Self.hour)
                < Self.hour)
    }

    /// Milliseconds between the start and the last look, and whether a horizon that the start found counts.
    @Test(arguments: [(-1, false), (0, false), (hour / 10 - 1, false), (hour / 10, true), (hour, true)])
    func aHorizonThatAStartFindsWaitsOnceMore(_ millis: Int64, _ counts: Bool) {
        var waits = DeletionWaits(found: [Self.stream: 900], nanos: Self.start)
        waits.look(nowNanos: UInt64(Int64(Self.start) + millis * 1_000_000))
        let before = waits.deletableBefore(Self.stream, retentionMillis: Self.hour, destroyingMillis: Self.hour)
        #expect(before == (counts ? 900 : 0))
    }

    @Test func aLookIsDueASecondLaterOrOnDemand() {
        var waits = DeletionWaits(found: [:], nanos: 0)
        waits.look(nowNanos: 10)
        #expect(waits.lastLookNanos == 10)
        #expect(
            !waits.isDue(nowNanos: 10 + DeletionWaits.lookNanos - 1)
                && waits.isDue(nowNanos: 10 + DeletionWaits.lookNanos))
        waits.demand()
        #expect(waits.isDue(nowNanos: 10))
        waits.look(nowNanos: 11)
        #expect(!waits.isDue(nowNanos: 11))
    }

    @Test func nothingIsKeptOfADeletedStream() {
        var waits = DeletionWaits(found: [Self.stream: 9], nanos: 0)
        waits.trim(Self.stream, before: 10)
        waits.trim(StreamID(8), before: 10)
        #expect(waits.count == 2)
        waits.forget(Self.stream)
        #expect(waits.count == 1)
        waits.look(nowNanos: .max)
        #expect(waits.deletableBefore(Self.stream, retentionMillis: 5, destroyingMillis: 0) == 0)
    }
}
