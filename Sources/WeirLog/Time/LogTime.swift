// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The time of a log. A wall clock can be wrong, so each use of it has a reading of its own, and no caller picks a
/// clock:
///
/// - *Stamping*: arrivals and events. The wall clock, or the last stamp where that is higher: it never falls.
/// - *Hiding* by age: the wall clock as it is now, whatever was stamped. A clock that is ahead hides only as long as it
///   is.
/// - *Destroying* by age: the trusted time, or the wall clock where that is lower. What is destroyed does not come
///   back.
///
/// The trusted time goes on with the monotonic clock and is kept in the log. A wall clock that differs from it by d is
/// believed when it has run steadily for d, and at most for an hour where the system says that it follows a time
/// server, or a day where it does not. Records that are stamped meanwhile do not move it, and a start does not reset
/// it.
package struct LogTime: Sendable {
    /// For so long, at most, a clock that follows a time server is watched before it is believed.
    package static let synchronizedMillisMax: Int64 = 3_600_000
    /// The same for any other clock.
    package static let unsynchronizedMillisMax: Int64 = 86_400_000
    /// Differences up to this are drift: they are followed, but not faster than an eighth of the time that passed.
    package static let driftMillisMax: Int64 = 1_000
    /// What one look may count as steady: a process that was stopped has not watched anything.
    package static let watchedMillisMax: Int64 = 60_000
    /// Only what holds deletion back for longer than this is told.
    package static let toldMillisMin: Int64 = 300_000

    /// The highest time ever stamped, in milliseconds since 1970.
    package private(set) var lastStampMillis: Int64
    /// The trusted time as of `nanos`.
    package private(set) var trustedMillis: Int64
    private var nanos: UInt64
    /// What the last commit carries of it.
    private var notedMillis: Int64
    /// For so long the clock that an empty log believed may still be put right at once, if it was ahead.
    private var unprovenMillis: Int64
    private var candidate: Candidate?

    /// A wall clock that differs from the trusted time, and is being watched.
    private struct Candidate {
        /// Its distance from the monotonic clock when the watch began.
        let lineMillis: Int64
        /// The trusted time when the watch began.
        let sinceMillis: Int64
        var watchedMillis: Int64 = 0
        /// For how long it must be watched in all.
        var neededMillis: Int64
        /// Of the wall clock over the trusted time.
        var aheadMillis: Int64
    }

    /// A moment as the clocks of the system show it.
    package struct Moment: Sendable {
        /// Milliseconds since 1970.
        package let wallMillis: Int64
        /// Nanoseconds since some start; they go on while the system sleeps, and never fall.
        package let nanos: UInt64
        /// Whether the system says that the wall clock follows a time server.
        package let isSynchronized: Bool

        /// A wall clock counts as within `Limits.clockMillis`: whatever is derived from it can be stored.
        package static func believable(_ wallMillis: Int64) -> Int64 {
            min(max(wallMillis, Limits.clockMillis.lowerBound), Limits.clockMillis.upperBound)
        }

        package init(wallMillis: Int64, nanos: UInt64, isSynchronized: Bool) {
            self.wallMillis = Self.believable(wallMillis)
            self.nanos = nanos
            self.isSynchronized = isSynchronized
        }
    }

    /// `trustedMillis`: as the log kept it; `nil` of a log that has none yet. A log of an older version kept only
    /// stamps, and the lower of the last stamp and the clock is at least not ahead of both.
    package init(lastStampMillis: Int64, trustedMillis: Int64?, isEmpty: Bool, now: Moment) {
        self.lastStampMillis = lastStampMillis
        self.trustedMillis = trustedMillis ?? (isEmpty ? now.wallMillis : min(lastStampMillis, now.wallMillis))
        self.nanos = now.nanos
        self.notedMillis = self.trustedMillis
        self.unprovenMillis = trustedMillis == nil && isEmpty ? Self.unsynchronizedMillisMax : 0
    }

    /// After a failed write in the same process: the watch goes on, over what the disk holds of stamps.
    package init(continuing time: LogTime, lastStampMillis: Int64) {
        self = time
        self.lastStampMillis = max(time.lastStampMillis, lastStampMillis)
    }

    // MARK: The three readings

    /// For arrivals and events.
    package mutating func stamp(_ wallMillis: Int64) -> Int64 {
        self.lastStampMillis = max(self.lastStampMillis, Moment.believable(wallMillis))
        return self.lastStampMillis
    }

    /// For what readers may see.
    package func hiding(_ wallMillis: Int64) -> Int64 { wallMillis }

    /// For what is deleted for good; as of the last `observe`.
    package func destroying(_ wallMillis: Int64) -> Int64 { min(wallMillis, self.trustedMillis) }

    // MARK: The trusted time

    /// Looks at the clocks: about once a second.
    package mutating func observe(_ now: Moment) {
        let passed = now.nanos > self.nanos ? Int64(clamping: (now.nanos - self.nanos) / 1_000_000) : 0
        self.trustedMillis = Self.sum(self.trustedMillis, passed)
        // What is less than a millisecond is counted with the next look.
        self.nanos = max(self.nanos, self.nanos &+ UInt64(passed) * 1_000_000)
        let ahead = Self.difference(now.wallMillis, self.trustedMillis)
        self.unprovenMillis = max(0, self.unprovenMillis - min(passed, Self.watchedMillisMax))
        if self.unprovenMillis > 0, ahead < -Self.driftMillisMax {
            // What a new log believed was ahead: else the same mistake again would be believed at once.
            self.trustedMillis = now.wallMillis
            self.candidate = nil
            return
        }
        guard ahead.magnitude > UInt64(Self.driftMillisMax) else {
            self.candidate = nil
            self.trustedMillis = Self.sum(self.trustedMillis, max(-passed / 8, min(passed / 8, ahead)))
            return
        }
        self.watch(now, ahead: ahead, passed: passed)
    }

    private mutating func watch(_ now: Moment, ahead: Int64, passed: Int64) {
        let line = Self.difference(now.wallMillis, Int64(clamping: now.nanos / 1_000_000))
        let most = now.isSynchronized ? Self.synchronizedMillisMax : Self.unsynchronizedMillisMax
        let needed = Int64(min(ahead.magnitude, UInt64(most)))
        guard var watched = self.candidate,
            Self.difference(line, watched.lineMillis).magnitude
                <= UInt64(Self.driftMillisMax + (watched.watchedMillis + passed) / 500)
        else {
            self.candidate = Candidate(
                lineMillis: line, sinceMillis: self.trustedMillis, neededMillis: needed, aheadMillis: ahead)
            return
        }
        watched.watchedMillis += min(passed, Self.watchedMillisMax)
        watched.neededMillis = needed
        watched.aheadMillis = ahead
        self.candidate = watched.watchedMillis >= needed ? nil : watched
        if watched.watchedMillis >= needed { self.trustedMillis = now.wallMillis }
    }

    /// The operator says that the clock is right.
    package mutating func confirm(_ now: Moment) {
        self.trustedMillis = now.wallMillis
        self.nanos = now.nanos
        self.candidate = nil
    }

    // MARK: In the log

    /// What the next commit carries.
    package mutating func note() -> Int64 {
        self.notedMillis = self.trustedMillis
        return self.trustedMillis
    }

    /// By how much the trusted time has moved since a commit carried it: what a start would lose, in milliseconds.
    package var unnotedMillis: Int64 {
        Int64(clamping: Self.difference(self.trustedMillis, self.notedMillis).magnitude)
    }

    // MARK: Numbers

    /// A sum that stays at the end of the range instead of trapping.
    private static func sum(_ one: Int64, _ other: Int64) -> Int64 {
        let (sum, overflows) = one.addingReportingOverflow(other)
        return overflows ? (other > 0 ? .max : .min) : sum
    }

    private static func difference(_ one: Int64, _ other: Int64) -> Int64 {
        let (difference, overflows) = one.subtractingReportingOverflow(other)
        return overflows ? (other < 0 ? .max : .min) : difference
    }

    // MARK: What the operator is told

    /// Deletion by age that waits for the clock to be believed.
    package struct HeldBack: Hashable, Sendable {
        /// Of the wall clock over the trusted time; negative when it is behind.
        package let aheadMillis: Int64
        /// The trusted time when the difference was first seen.
        package let sinceMillis: Int64
        /// For how long the clock must be watched in all.
        package let neededMillis: Int64
    }

    /// By how much stamps are ahead of the wall clock, in milliseconds, once that is worth telling.
    package func stampsAheadMillis(_ wallMillis: Int64) -> Int64? {
        let ahead = Self.difference(self.lastStampMillis, Moment.believable(wallMillis))
        return ahead >= Self.toldMillisMin ? ahead : nil
    }

    package var heldBack: HeldBack? {
        guard let candidate, candidate.neededMillis >= Self.toldMillisMin else { return nil }
        return HeldBack(
            aheadMillis: candidate.aheadMillis, sinceMillis: candidate.sinceMillis,
            neededMillis: candidate.neededMillis)
    }
}
