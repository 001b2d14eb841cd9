// SPDX-License-Identifier: Apache-2.0

/// Durations as people write them: a whole number and a unit, such as `24h`.
package enum DurationText {
    static let units: [(name: String, millis: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
    ]

    /// Milliseconds, 0 or more.
    package static func parse(_ text: String) throws(Failure) -> Int64 {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(digits.count)
        guard let number = Int64(digits), let factor = Self.units.first(where: { $0.name == unit })?.millis else {
            throw .usage(
                "'\(text.prefix(40))' is not a duration: a whole number and ms, s, m, h or d, such as 500ms, 30s or 24h"
            )
        }
        let (millis, overflow) = number.multipliedReportingOverflow(by: factor)
        guard !overflow else { throw .usage("the duration '\(text.prefix(40))' is too long") }
        return millis
    }

    /// The same, inside a range of milliseconds.
    package static func parse(_ text: String, in allowed: ClosedRange<Int64>) throws(Failure) -> Int64 {
        let millis = try Self.parse(text)
        guard allowed.contains(millis) else {
            throw .usage(
                "\(text) is not allowed: \(Self.describe(allowed.lowerBound)) to \(Self.describe(allowed.upperBound))")
        }
        return millis
    }

    /// In the largest unit up to hours that divides it; what `parse` reads.
    package static func describe(_ millis: Int64) -> String {
        guard millis != 0 else { return "0s" }
        for unit in Self.units where unit.name != "d" && millis % unit.millis == 0 {
            return "\(millis / unit.millis)\(unit.name)"
        }
        return "\(millis)ms"
    }
}
