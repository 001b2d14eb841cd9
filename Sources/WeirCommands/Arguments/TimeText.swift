// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A point in time as a command names it. How long ago counts from the server's clock: that of this machine may be
/// another, and the records carry the server's.
package enum TimePoint: Hashable, Sendable {
    /// Milliseconds since 1970, 0 or more.
    case at(Int64)
    /// Milliseconds before now, 0 or more.
    case ago(Int64)

    /// In milliseconds since 1970, when the server's clock says this. What lies before 1970 is 1970.
    package func millis(serverMillis: Int64) -> Int64 {
        switch self {
        case .at(let millis): millis
        case .ago(let millis): max(0, serverMillis - millis)
        }
    }
}

/// Points in time as people and programs write them: RFC 3339, seconds or milliseconds since 1970, or how long ago.
package enum TimeText {
    /// Numbers below count nothing that anybody means: 10 is not ten seconds after the beginning of 1970.
    private static let secondsMin: Int64 = 1_000_000_000
    /// Numbers from here on count milliseconds.
    private static let millisMin: Int64 = 100_000_000_000
    /// Numbers from here on count something smaller.
    private static let millisEnd: Int64 = 100_000_000_000_000

    static let allowed =
        "a time such as 2026-01-31T12:00:00Z (RFC 3339), seconds or milliseconds since 1970, or how long ago, "
        + "such as 10m"

    /// A number counts seconds from 10^9 on, with a fraction if need be, and milliseconds from 10^11 on, which is the
    /// year 1973. `now` is the server's.
    package static func parse(_ text: String) throws(Failure) -> TimePoint {
        if text.lowercased() == "now" { return .ago(0) }
        if let millis = try Self.parseEpoch(text) { return .at(millis) }
        if let millis = RFC3339.millis(text) {
            guard millis >= 0 else { throw .usage("'\(text.prefix(60))' is not allowed: times begin with 1970") }
            return .at(millis)
        }
        if let ago = try? DurationText.parse(text) { return .ago(ago) }
        throw .usage("'\(text.prefix(60))' is not \(Self.allowed)")
    }

    private static func parseEpoch(_ text: String) throws(Failure) -> Int64? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts[0].utf8.allSatisfy({ (48...57).contains($0) }), !parts[0].isEmpty else { return nil }
        // Longer ones are larger than anything that is allowed.
        let whole = RFC3339.digits(parts[0], 1...18) ?? .max
        guard whole >= Self.secondsMin else {
            throw .usage(
                "'\(text.prefix(60))' has no unit: how long ago is \(parts[0])s, \(parts[0])m or \(parts[0])h, and "
                    + "seconds since 1970 are at least \(Self.secondsMin)")
        }
        guard whole < Self.millisEnd else {
            throw .usage(
                "'\(text.prefix(60))' is too large, as if it counted microseconds: seconds or milliseconds since 1970 "
                    + "are allowed")
        }
        guard parts.count == 2 else { return whole < Self.millisMin ? whole * 1000 : whole }
        guard whole < Self.millisMin, let millis = RFC3339.fraction(parts[1]) else { return nil }
        return whole * 1000 + millis
    }

    /// In UTC, such as `2026-01-31T12:00:00Z`; with milliseconds where there are some.
    package static func describe(_ millis: Int64) -> String {
        let days = (millis >= 0 ? millis : millis - 86_399_999) / 86_400_000
        let (year, month, day) = CivilDate.date(daysSince1970: days)
        let left = millis - days * 86_400_000
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let fraction = left % 1000 == 0 ? "" : "." + String(String(1000 + left % 1000).dropFirst())
        let zeros = String(repeating: "0", count: max(0, 4 - String(year).utf8.count))
        return "\(zeros)\(year)-\(two(month))-\(two(day))T"
            + "\(two(left / 3_600_000)):\(two(left / 60_000 % 60)):\(two(left / 1000 % 60))\(fraction)Z"
    }
}
