// SPDX-License-Identifier: Apache-2.0

/// Points in time as RFC 3339 writes them.
package enum RFC3339 {
    /// `2026-01-31T12:00:00Z`, with a fraction of a second and another distance from UTC if need be, in milliseconds
    /// since 1970, which are below 0 before; `nil`: it is no such time.
    package static func millis(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, text.utf8.count == text.count else { return nil }
        func number(_ from: Int, _ count: Int) -> Int64? {
            Self.digits(Substring(decoding: bytes[from..<from + count], as: UTF8.self), count...count)
        }
        guard let year = number(0, 4), let month = number(5, 2), let day = number(8, 2), let hour = number(11, 2),
            let minute = number(14, 2), let second = number(17, 2),
            bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"), "Tt ".utf8.contains(bytes[10]),
            bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"),
            (1...12).contains(month), (1...CivilDate.days(inMonth: month, year: year)).contains(day), hour <= 23,
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
        let days = CivilDate.daysSince1970(year: year, month: month, day: day)
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

    /// The first three digits of a fraction, as milliseconds.
    package static func fraction(_ text: Substring) -> Int64? {
        guard Self.digits(text, 1...18) != nil else { return nil }
        return Int64((text.prefix(3) + "00").prefix(3))
    }

    package static func digits(_ text: Substring, _ count: ClosedRange<Int>) -> Int64? {
        guard count.contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(text)
    }
}
