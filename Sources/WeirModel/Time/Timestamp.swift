// SPDX-License-Identifier: Apache-2.0

/// A moment of the time of day, in whole milliseconds: the one form in which the public interface speaks of moments, as
/// `Duration` is that for lengths of time.
public struct Timestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds; before it they are negative.
    public let millisecondsSince1970: Int64

    public init(millisecondsSince1970: Int64) { self.millisecondsSince1970 = millisecondsSince1970 }

    /// `seconds` as of `Date.timeIntervalSince1970`: rounded to the nearest millisecond, and to the nearest moment that
    /// there is; what is no number counts as 1970.
    public init(secondsSince1970 seconds: Double) {
        let millis = (seconds * 1000).rounded()
        self.millisecondsSince1970 = Int64(exactly: millis) ?? (millis > 0 ? .max : millis < 0 ? .min : 0)
    }

    public var secondsSince1970: Double { Double(self.millisecondsSince1970) / 1000 }

    public static func < (one: Timestamp, other: Timestamp) -> Bool {
        one.millisecondsSince1970 < other.millisecondsSince1970
    }

    /// How long after `other` this is; below zero when it is before. Cut to what 64 bits of milliseconds hold.
    public static func - (one: Timestamp, other: Timestamp) -> Duration {
        let (difference, isCut) = one.millisecondsSince1970.subtractingReportingOverflow(other.millisecondsSince1970)
        let millis: Int64 = isCut ? (one < other ? .min : .max) : difference
        return .milliseconds(millis)
    }

    /// In whole milliseconds, rounded towards zero, and cut to the first or last moment that there is.
    public static func + (one: Timestamp, duration: Duration) -> Timestamp {
        let (sum, isCut) = one.millisecondsSince1970.addingReportingOverflow(duration.millis)
        return Timestamp(millisecondsSince1970: isCut ? (duration < .zero ? .min : .max) : sum)
    }

    /// As `+`, in the other direction.
    public static func - (one: Timestamp, duration: Duration) -> Timestamp {
        let (sum, isCut) = one.millisecondsSince1970.subtractingReportingOverflow(duration.millis)
        return Timestamp(millisecondsSince1970: isCut ? (duration < .zero ? .max : .min) : sum)
    }

    /// Milliseconds since 1970.
    public var description: String { "\(self.millisecondsSince1970) ms" }
}
