// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirLog

/// When a snapshot is due, in every state and after every event.
@Suite struct SnapshotScheduleTests {
    private static func demanded() -> SnapshotSchedule {
        var schedule = SnapshotSchedule()
        schedule.demand()
        return schedule
    }

    private static func captured() -> SnapshotSchedule {
        var schedule = Self.demanded()
        schedule.captured()
        return schedule
    }

    private static func writing() -> SnapshotSchedule {
        var schedule = Self.captured()
        schedule.began()
        return schedule
    }

    @Test func nothingIsTakenThatNobodyDemanded() {
        #expect(!SnapshotSchedule().capturesNext)
        #expect(Self.demanded().capturesNext)
        #expect(!Self.captured().capturesNext)
        #expect(!Self.writing().capturesNext)
    }

    @Test func aDemandDuringASnapshotIsForTheNextOne() {
        for begin in [Self.captured(), Self.writing()] {
            var schedule = begin
            schedule.demand()
            #expect(!schedule.capturesNext)
            if schedule.phase == .captured { schedule.began() }
            schedule.done()
            #expect(schedule.capturesNext)
        }
    }

    @Test func oneThatIsDoneIsNotTakenAgain() {
        var schedule = Self.writing()
        schedule.done()
        #expect(schedule.phase == .idle)
        #expect(!schedule.capturesNext)
    }

    /// However often it fails, and without any other event, it is tried again after at most so many ticks.
    @Test func oneThatFailedIsTriedAgainForEver() {
        var schedule = Self.demanded()
        var expected = 1
        for attempt in 1...200 {
            schedule.captured()
            schedule.began()
            schedule.failed()
            #expect(schedule.failures == attempt)
            var ticks = 0
            while !schedule.capturesNext {
                schedule.tick()
                ticks += 1
                guard ticks <= SnapshotSchedule.waitMax else { break }
            }
            #expect(ticks == expected)
            expected = min(SnapshotSchedule.waitMax, expected * 2)
        }
        schedule.captured()
        schedule.began()
        schedule.done()
        #expect(schedule.failures == 0)
    }

    @Test func aStopWaitsForNoAttempt() {
        var schedule = Self.writing()
        schedule.failed()
        #expect(!schedule.capturesNext)
        schedule.hurry()
        #expect(schedule.capturesNext)
    }
}
