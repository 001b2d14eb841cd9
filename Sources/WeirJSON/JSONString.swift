// SPDX-License-Identifier: Apache-2.0

/// A string as it stands in a text: UTF-8, with escapes that are known to be right.
package struct JSONString {
    /// What stands between the quotes.
    package let bytes: UnsafeRawBufferPointer
    package let isEscaped: Bool
    /// Of the first byte, in the text.
    package let offset: Int

    init(bytes: UnsafeRawBufferPointer, isEscaped: Bool, offset: Int) {
        self.bytes = bytes
        self.isEscaped = isEscaped
        self.offset = offset
    }

    package var text: String {
        guard self.isEscaped else { return String(decoding: self.bytes, as: UTF8.self) }
        let output = OutputBytes(capacity: self.bytes.count)
        self.append(to: output)
        return output.text
    }

    /// So that a `switch` over a member's name needs no text of its own.
    package static func ~= (pattern: StaticString, string: JSONString) -> Bool {
        let count = pattern.utf8CodeUnitCount
        guard !string.isEscaped else { return string.text == "\(pattern)" }
        return string.bytes.count == count
            && string.bytes.elementsEqual(UnsafeBufferPointer(start: pattern.utf8Start, count: count))
    }

    /// Appends the characters that it stands for. They are never longer than the string is.
    package func append(to output: OutputBytes) {
        guard self.isEscaped else { return output.append(self.bytes) }
        var at = 0
        while at < self.bytes.count {
            let byte = self.bytes[at]
            // The scanner has looked at every escape; what it let through is none of those that throw.
            guard byte == UInt8(ascii: "\\"), let escape = try? Self.escape(self.bytes, at) else {
                output.append(byte: byte)
                at += 1
                continue
            }
            output.append(scalar: escape.scalar)
            at += escape.length
        }
    }

    /// What the escape at `at` stands for, and its length in bytes: 2, 6, or 12 for a surrogate pair.
    static func escape(
        _ text: UnsafeRawBufferPointer, _ at: Int
    ) throws(JSONError) -> (scalar: Unicode.Scalar, length: Int) {
        guard at + 1 < text.count else { throw JSONError(.expected("the end of a string"), at: text.count) }
        let letter = text[at + 1]
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return (Unicode.Scalar(letter), 2)
        case UInt8(ascii: "n"): return ("\n", 2)
        case UInt8(ascii: "r"): return ("\r", 2)
        case UInt8(ascii: "t"): return ("\t", 2)
        case UInt8(ascii: "b"): return ("\u{8}", 2)
        case UInt8(ascii: "f"): return ("\u{c}", 2)
        case UInt8(ascii: "u"): break
        default: throw JSONError(.escape, at: at)
        }
        guard let high = Self.unit(text, at) else { throw JSONError(.escape, at: at) }
        if let scalar = Unicode.Scalar(high) { return (scalar, 6) }
        guard (0xd800..<0xdc00).contains(high), let low = Self.unit(text, at + 6), (0xdc00..<0xe000).contains(low),
            let scalar = Unicode.Scalar(0x10000 + (high - 0xd800) << 10 + low - 0xdc00)
        else { throw JSONError(.surrogate, at: at) }
        return (scalar, 12)
    }

    /// The value of `\u` and four digits.
    private static func unit(_ text: UnsafeRawBufferPointer, _ at: Int) -> UInt32? {
        guard at + 6 <= text.count, text[at] == UInt8(ascii: "\\"), text[at + 1] == UInt8(ascii: "u") else {
            return nil
        }
        var value: UInt32 = 0
        for byte in text[at + 2..<at + 6] {
            let digit: UInt8
            switch byte {
            case 48...57: digit = byte - 48
            case 97...102: digit = byte - 87
            case 65...70: digit = byte - 55
            default: return nil
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    /// Where the bytes stop being UTF-8; `nil` when all of them are. Overlong forms, surrogates and values above
    /// U+10FFFF are none.
    static func firstFault(ofUTF8 bytes: UnsafeRawBufferPointer) -> Int? {
        var at = 0
        while at < bytes.count {
            let first = bytes[at]
            if first < 0x80 {
                at += 1
                continue
            }
            let count: Int
            let second: ClosedRange<UInt8>
            switch first {
            case 0xc2...0xdf: (count, second) = (2, 0x80...0xbf)
            case 0xe0: (count, second) = (3, 0xa0...0xbf)
            case 0xed: (count, second) = (3, 0x80...0x9f)
            case 0xe1...0xef: (count, second) = (3, 0x80...0xbf)
            case 0xf0: (count, second) = (4, 0x90...0xbf)
            case 0xf1...0xf3: (count, second) = (4, 0x80...0xbf)
            case 0xf4: (count, second) = (4, 0x80...0x8f)
            default: return at
            }
            guard at + count <= bytes.count, second.contains(bytes[at + 1]) else { return at }
            for byte in bytes[at + 2..<at + count] where byte & 0xc0 != 0x80 { return at }
            at += count
        }
        return nil
    }
}

extension OutputBytes {
    /// As UTF-8.
    package func append(scalar: Unicode.Scalar) {
        if scalar.isASCII {
            self.append(byte: UInt8(truncatingIfNeeded: scalar.value))
        } else {
            for byte in UTF8.encode(scalar).unsafelyUnwrapped { self.append(byte: byte) }
        }
    }
}
