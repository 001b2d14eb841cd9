// SPDX-License-Identifier: Apache-2.0

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
        if let millis = Self.parseRFC3339(text) {
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
        let whole = Self.digits(parts[0], 1...18) ?? .max
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
        guard whole < Self.millisMin, let millis = Self.fraction(parts[1]) else { return nil }
        return whole * 1000 + millis
    }

    /// The first three digits of a fraction, as milliseconds.
    private static func fraction(_ text: Substring) -> Int64? {
        guard Self.digits(text, 1...18) != nil else { return nil }
        return Int64((text.prefix(3) + "00").prefix(3))
    }

    private static func digits(_ text: Substring, _ count: ClosedRange<Int>) -> Int64? {
        guard count.contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(text)
    }

    private static func parseRFC3339(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, text.utf8.count == text.count else { return nil }
        func number(_ from: Int, _ count: Int) -> Int64? {
            Self.digits(Substring(decoding: bytes[from..<from + count], as: UTF8.self), count...count)
        }
        guard let year = number(0, 4), let month = number(5, 2), let day = number(8, 2), let hour = number(11, 2),
            let minute = number(14, 2), let second = number(17, 2),
            bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"), "Tt ".utf8.contains(bytes[10]),
            bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"),
            (1...12).contains(month), (1...Self.days(inMonth: month, year: year)).contains(day), hour <= 23,
            minute <= 59, second <= 60
        else { return nil }
        var rest = Substring(decoding: bytes[19...], as: UTF8.self)
        var millis: Int64 = 0
        if rest.first == "." {
            let digits = rest.dropFirst().prefix { $0.isASCII && $0.isNumber }
            guard let fraction = Self.fraction(digits) else { return nil }
            millis = fraction
            rest = rest.dropFirst(1 + digits.count)
        }
        guard let offsetMinutes = Self.offsetMinutes(rest) else { return nil }
        let days = Self.daysSince1970(year: year, month: month, day: day)
        return (((days * 24 + hour) * 60 + minute - offsetMinutes) * 60 + second) * 1000 + millis
    }

    /// `Z`, or `+02:00`.
    private static func offsetMinutes(_ text: Substring) -> Int64? {
        if text == "Z" || text == "z" { return 0 }
        guard text.utf8.count == 6, text.first == "+" || text.first == "-",
            text.dropFirst(3).first == ":", let hours = Self.digits(text.dropFirst().prefix(2), 2...2),
            let minutes = Self.digits(text.suffix(2), 2...2), hours <= 23, minutes <= 59
        else { return nil }
        return (hours * 60 + minutes) * (text.first == "-" ? -1 : 1)
    }

    // MARK: The calendar

    static func days(inMonth month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days from 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap day is the last.
    static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// In UTC, such as `2026-01-31T12:00:00Z`; with milliseconds where there are some.
    package static func describe(_ millis: Int64) -> String {
        let days = (millis >= 0 ? millis : millis - 86_399_999) / 86_400_000
        let (year, month, day) = Self.date(daysSince1970: days)
        let left = millis - days * 86_400_000
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let fraction = left % 1000 == 0 ? "" : "." + String(String(1000 + left % 1000).dropFirst())
        let zeros = String(repeating: "0", count: max(0, 4 - String(year).utf8.count))
        return "\(zeros)\(year)-\(two(month))-\(two(day))T"
            + "\(two(left / 3_600_000)):\(two(left / 60_000 % 60)):\(two(left / 1000 % 60))\(fraction)Z"
    }

    static func date(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }
}
