// SPDX-License-Identifier: Apache-2.0

/// Sizes as people write them: a whole number of bytes, or with a unit, such as `8GiB`.
package enum SizeText {
    static let units: [(name: String, bytes: Int64)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10),
        ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000), ("B", 1), ("", 1),
    ]

    /// Bytes, 0 or more. Upper and lower case mean the same.
    package static func parse(_ text: String) throws(Failure) -> Int64 {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(digits.count).lowercased()
        guard let number = Int64(digits), let factor = Self.units.first(where: { $0.name.lowercased() == unit })?.bytes
        else {
            throw .usage(
                "'\(text.prefix(40))' is not a size: a whole number of bytes, or with KiB, MiB, GiB, TiB (1,024s) or "
                    + "KB, MB, GB, TB (1,000s), such as 512MiB or 8GiB")
        }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: factor)
        guard !overflow else { throw .usage("the size '\(text.prefix(40))' is too large") }
        return bytes
    }

    /// The same, inside a range of bytes.
    package static func parse(_ text: String, in allowed: ClosedRange<Int64>) throws(Failure) -> Int64 {
        let bytes = try Self.parse(text)
        guard allowed.contains(bytes) else {
            throw .usage(
                "\(text) is not allowed: \(Self.describe(allowed.lowerBound)) to \(Self.describe(allowed.upperBound))")
        }
        return bytes
    }

    /// Exact, in the largest binary unit that divides it; what `parse` reads.
    package static func describe(_ bytes: Int64) -> String {
        for unit in Self.units.prefix(4) where bytes != 0 && bytes % unit.bytes == 0 {
            return "\(bytes / unit.bytes)\(unit.name)"
        }
        return "\(bytes)"
    }

    /// Rounded, for people: such as `2.3 MiB`.
    package static func rounded(_ bytes: Int64) -> String {
        guard let unit = Self.units.prefix(4).first(where: { bytes.magnitude >= UInt64($0.bytes) }) else {
            return "\(bytes) B"
        }
        let tenths = (Double(bytes) / Double(unit.bytes) * 10).rounded()
        return "\(Int64(tenths) / 10).\(Int64(tenths.magnitude) % 10) \(unit.name)"
    }
}

enum CountText {
    /// With commas: `1,234,567`.
    static func describe(_ value: Int64) -> String {
        let digits = String(value.magnitude)
        var text = ""
        for (position, digit) in digits.enumerated() {
            if position > 0, (digits.utf8.count - position) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return (value < 0 ? "-" : "") + text
    }

    static func describe(_ value: Int) -> String { Self.describe(Int64(value)) }

    /// `1 record`, `2 records`.
    static func describe(_ count: Int, _ noun: String) -> String {
        "\(Self.describe(count)) \(noun)\(count == 1 ? "" : "s")"
    }
}
