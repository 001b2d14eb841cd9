// SPDX-License-Identifier: Apache-2.0

/// A number as it stands in a text.
package struct JSONNumber {
    package let bytes: UnsafeRawBufferPointer

    init(bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    package var text: String { String(decoding: self.bytes, as: UTF8.self) }

    /// `nil` with a fraction or an exponent, and out of the range.
    package func integer<Value: FixedWidthInteger>(_ type: Value.Type) -> Value? { Value(self.text, radix: 10) }

    /// The nearest; `nil` for what is too large for one.
    package var double: Double? {
        guard let value = Double(self.text), value.isFinite else { return nil }
        return value
    }

    /// Bytes of the longest number that begins at `at`; `nil` when none does.
    static func length(_ text: UnsafeRawBufferPointer, _ at: Int) -> Int? {
        var end = at
        func digits() -> Bool {
            let begin = end
            while end < text.count, (48...57).contains(text[end]) { end += 1 }
            return end > begin
        }
        func takes(_ letters: ClosedRange<UInt8>...) -> Bool {
            guard end < text.count, letters.contains(where: { $0.contains(text[end]) }) else { return false }
            end += 1
            return true
        }
        _ = takes(45...45)
        if !takes(48...48) { guard digits() else { return nil } }
        if takes(46...46) { guard digits() else { return nil } }
        if takes(69...69, 101...101) {
            _ = takes(43...43, 45...45)
            guard digits() else { return nil }
        }
        return end - at
    }

    /// With a fixed number of digits behind the point, 0 to 9; what is not a finite number of at most 15 digits is 0.
    package static func fixed(_ value: Double, _ digits: Int) -> String {
        var scale: Int64 = 1
        for _ in 0..<digits { scale *= 10 }
        let scaled = (value * Double(scale)).rounded()
        guard scaled.isFinite, scaled.magnitude < 1e15 else { return "0" }
        let (whole, part) = Int64(scaled.magnitude).quotientAndRemainder(dividingBy: scale)
        let sign = scaled < 0 ? "-" : ""
        return digits == 0 ? "\(sign)\(whole)" : "\(sign)\(whole).\(String(String(scale + part).dropFirst()))"
    }
}
