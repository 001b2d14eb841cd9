// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirLog

/// The three readings of time, and which wall clock is believed when.
@Suite struct LogTimeTests {
    private static let start: Int64 = 1_700_000_000_000
    private static let second: Int64 = 1_000
    private static let minute: Int64 = 60_000
    private static let hour: Int64 = 3_600_000
    private static let day: Int64 = 24 * hour

    /// True time, and a wall clock that may be wrong.
    private struct World {
        var elapsed: Int64 = 0
        var wrongBy: Int64 = 0
        var isSynchronized = false

        var truth: Int64 { LogTimeTests.start + self.elapsed }
        var now: LogTime.Moment {
            LogTime.Moment(
                wallMillis: self.truth + self.wrongBy, nanos: UInt64(self.elapsed) * 1_000_000 + 77,
                isSynchronized: self.isSynchronized)
        }
    }

    private func begin(_ world: World) -> LogTime {
        LogTime(lastStampMillis: 0, trustedMillis: nil, isEmpty: true, now: world.now)
    }

    @Test func stampsNeverFall() {
        var time = self.begin(World())
        #expect(time.stamp(5) == 5)
        #expect(time.stamp(3) == 5)
        #expect(time.stamp(6) == 6)
    }

    /// Whatever the clock says, its reading can be stored, and there are later times.
    @Test(arguments: [.min, -1, 0, 7_258_118_399_999, 7_258_118_400_000, 94_000_000_000_000, .max] as [Int64])
    func aClockOutsideOfWhatCanBeStoredCountsAsTheNearestTime(_ wall: Int64) {
        let allowed = Limits.clockMillis
        let moment = LogTime.Moment(wallMillis: wall, nanos: 5, isSynchronized: true)
        #expect(allowed.contains(moment.wallMillis))
        var time = LogTime(lastStampMillis: 0, trustedMillis: nil, isEmpty: true, now: moment)
        #expect(allowed.contains(time.stamp(wall)))
        time.observe(.init(wallMillis: wall, nanos: .max, isSynchronized: true))
        time.confirm(moment)
        #expect(allowed.contains(time.note()))
        #expect(!allowed.contains(wall) || moment.wallMillis == wall)
    }

    @Test func stampsThatAreAheadOfTheClockAreTold() {
        var time = self.begin(World())
        _ = time.stamp(Self.start + LogTime.toldMillisMin)
        #expect(time.stampsAheadMillis(Self.start + 1) == nil)
        #expect(time.stampsAheadMillis(Self.start) == LogTime.toldMillisMin)
        _ = time.stamp(.max)
        #expect(time.stampsAheadMillis(.min) == Limits.clockMillis.upperBound)
    }

    @Test func hidingFollowsTheClockAndNoStamp() {
        var time = self.begin(World())
        _ = time.stamp(Self.start + 400 * Self.day)
        #expect(time.hiding(Self.start) == Self.start)
    }

    @Test func aLogOfAnOlderVersionTrustsNeitherItsStampsNorTheClockAlone() {
        let now = World().now
        let early = LogTime(lastStampMillis: Self.start - Self.day, trustedMillis: nil, isEmpty: false, now: now)
        #expect(early.destroying(now.wallMillis) == Self.start - Self.day)
        let late = LogTime(lastStampMillis: Self.start + Self.day, trustedMillis: nil, isEmpty: false, now: now)
        #expect(late.destroying(now.wallMillis) == Self.start)
    }

    /// A new node that was started with a clock far ahead: a clock that is wrong in the same way later is not believed
    /// because of it.
    @Test func whatANewLogBelievedIsPutRightAtOnce() {
        var world = World(wrongBy: 400 * Self.day)
        var time = self.begin(world)
        world.elapsed += Self.minute
        time.observe(world.now)
        #expect(time.destroying(world.now.wallMillis) == world.now.wallMillis)
        world.wrongBy = 0
        world.elapsed += Self.second
        time.observe(world.now)
        #expect(time.trustedMillis == world.truth && time.heldBack == nil)
        world.wrongBy = 300 * Self.day
        world.elapsed += Self.second
        time.observe(world.now)
        #expect(time.destroying(world.now.wallMillis) == world.truth)
    }

    /// A log that was there before, or that has run for a day, follows a clock that is behind as slowly as one that is
    /// ahead.
    @Test(arguments: [true, false]) func whatWasTrustedForLongIsNotPutRightAtOnce(_ isNew: Bool) {
        var world = World()
        var time =
            isNew
            ? self.begin(world)
            : LogTime(lastStampMillis: Self.start, trustedMillis: Self.start, isEmpty: false, now: world.now)
        if isNew {
            for _ in 0..<24 * 60 {
                world.elapsed += Self.minute
                time.observe(world.now)
            }
        }
        world.wrongBy = -2 * Self.hour
        world.elapsed += Self.second
        time.observe(world.now)
        #expect(time.trustedMillis == world.truth)
        #expect(time.destroying(world.now.wallMillis) == world.now.wallMillis)
    }

    @Test func whatACommitDoesNotYetCarryIsCounted() {
        var world = World()
        var time = self.begin(world)
        #expect(time.unnotedMillis == 0)
        world.elapsed += Self.hour
        time.observe(world.now)
        #expect(time.unnotedMillis == Self.hour)
        #expect(time.note() == world.truth && time.unnotedMillis == 0)
    }

    /// Differences around every constant that decides.
    static let differences: [Int64] = {
        let limits = [
            LogTime.driftMillisMax, LogTime.watchedMillisMax, LogTime.toldMillisMin, LogTime.synchronizedMillisMax,
            LogTime.unsynchronizedMillisMax, 400 * day,
        ]
        return limits.flatMap { [$0 - 1, $0, $0 + 1] }
    }()

    @Test(arguments: differences, [true, false])
    func aClockThatIsAheadIsBelievedWhenItRanSteadilyLongEnough(ahead: Int64, isSynchronized: Bool) {
        var world = World(isSynchronized: isSynchronized)
        var time = self.begin(world)
        world.wrongBy = ahead
        let most = isSynchronized ? LogTime.synchronizedMillisMax : LogTime.unsynchronizedMillisMax
        let step = ahead > Self.hour ? 20 * Self.second : Self.second
        var watched: Int64 = 0
        while true {
            time.observe(world.now)
            if time.destroying(world.now.wallMillis) == world.now.wallMillis { break }
            // Meanwhile it is the time that passed, give or take what drift is followed.
            let off = time.trustedMillis - world.truth
            #expect(off >= 0 && off <= min(ahead, LogTime.driftMillisMax))
            watched += step
            world.elapsed += step
            guard watched < 2 * Self.day else { break }
        }
        if ahead > LogTime.driftMillisMax {
            #expect(watched >= min(ahead, most))
            #expect(watched <= min(ahead, most) + 2 * step)
        } else {
            #expect(watched <= 10 * Self.second)
        }
    }

    @Test(arguments: differences) func aClockThatIsBehindDestroysNothingThatItDoesNotCallExpired(behind: Int64) {
        var world = World()
        var time = LogTime(
            lastStampMillis: Self.start, trustedMillis: Self.start, isEmpty: false, now: world.now)
        world.wrongBy = -behind
        for _ in 0..<100 {
            time.observe(world.now)
            #expect(time.destroying(world.now.wallMillis) <= world.now.wallMillis)
            world.elapsed += Self.second
        }
        // Put right again: what it was meanwhile costs nothing.
        world.wrongBy = 0
        time.observe(world.now)
        #expect(time.destroying(world.now.wallMillis) >= world.truth - min(behind, 100 * Self.second))
    }

    @Test func aProcessThatWasStoppedHasNotWatchedTheClock() {
        var world = World(isSynchronized: true)
        var time = self.begin(world)
        world.wrongBy = 400 * Self.day
        for _ in 0..<10 {
            time.observe(world.now)
            world.elapsed += 3 * Self.hour
        }
        #expect(time.destroying(world.now.wallMillis) <= world.truth)
    }

    @Test func aClockThatRunsTooFastIsNeverBelieved() {
        var world = World(isSynchronized: true)
        var time = self.begin(world)
        for _ in 0..<20_000 {
            time.observe(world.now)
            world.elapsed += Self.second
            world.wrongBy += Self.second
        }
        #expect(time.trustedMillis - world.truth <= 20_000 * Self.second / 8)
    }

    @Test func whatHoldsDeletionBackForMinutesIsTold() {
        var world = World()
        var time = self.begin(world)
        world.wrongBy = LogTime.toldMillisMin - 1
        time.observe(world.now)
        #expect(time.heldBack == nil)
        world.wrongBy = LogTime.toldMillisMin
        time.observe(world.now)
        #expect(time.heldBack?.aheadMillis == LogTime.toldMillisMin)
        world.wrongBy = 0
        time.observe(world.now)
        #expect(time.heldBack == nil)
    }

    /// A search over histories of clocks: what is destroyed is never younger than the errors that were believed allow.
    @Test(arguments: 0..<100) func noClockThatWasNotWatchedMovesTheTrustedTime(seed: UInt64) {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 1
        func below(_ bound: Int64) -> Int64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int64(state >> 33) % bound
        }
        var world = World(isSynchronized: seed % 2 == 0)
        var time = self.begin(world)
        // The error of the wall clock, and for how long it has been that.
        var errorSince: Int64 = 0
        var believable: Int64 = 0
        for _ in 0..<400 {
            let step = [1, 999, Self.second, Self.minute - 1, Self.minute, Self.minute + 1, Self.hour][Int(below(7))]
            world.elapsed += step
            if below(12) == 0 {
                let limit = Self.differences[Int(below(Int64(Self.differences.count)))]
                let error = [limit, -limit, 0][Int(below(3))]
                // A change that is no more than drift leaves it the same clock.
                if abs(error - world.wrongBy) > LogTime.driftMillisMax { errorSince = world.elapsed }
                world.wrongBy = error
            }
            let most = world.isSynchronized ? LogTime.synchronizedMillisMax : LogTime.unsynchronizedMillisMax
            // Differences from the trusted time are what counts; it is at most the highest error that was believed.
            let needed = min(max(0, world.wrongBy - believable), most) - 2 * LogTime.driftMillisMax
            if world.elapsed - errorSince >= needed {
                believable = max(believable, world.wrongBy)
            }
            time.observe(world.now)
            let destroying = time.destroying(world.now.wallMillis)
            #expect(destroying <= world.now.wallMillis)
            #expect(destroying <= world.truth + believable + 2 * LogTime.driftMillisMax, "seed \(seed)")
            // A start in between: what the log kept is a little old.
            if below(40) == 0 {
                time = LogTime(
                    lastStampMillis: time.lastStampMillis, trustedMillis: time.trustedMillis, isEmpty: false,
                    now: world.now)
            }
        }
    }

    @Test func clocksAtTheEndsOfTheirRangeDoNotTrap() {
        for wall in [Int64.min, -1, 0, .max] {
            for nanos in [UInt64.max, 0, 5, UInt64.max / 2] {
                var time = self.begin(World())
                let moment = LogTime.Moment(wallMillis: wall, nanos: nanos, isSynchronized: true)
                time.observe(moment)
                time.observe(moment)
                time.confirm(moment)
                time.observe(World().now)
                #expect(time.destroying(wall) <= wall)
            }
        }
    }
}
