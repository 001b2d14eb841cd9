// SPDX-License-Identifier: Apache-2.0

/// Base64 of RFC 4648 with padding, straight from and into bytes.
package enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Two letters for each value of 12 bits, the first one in the low byte.
    private static let pairs: [UInt16] = (0..<4096).map { value in
        UInt16(Self.alphabet[value >> 6]) | UInt16(Self.alphabet[value & 63]) << 8
    }

    /// The value of each letter; 255 for what is none.
    private static let values: [UInt8] = (0..<256).map { byte in
        Self.alphabet.firstIndex(of: UInt8(byte)).map(UInt8.init) ?? 255
    }

    package static func encodedLength(_ count: Int) -> Int { (count + 2) / 3 * 4 }

    package static func append(_ data: UnsafeRawBufferPointer, to output: OutputBytes) {
        let length = Self.encodedLength(data.count)
        let to = output.room(length)
        Self.pairs.withUnsafeBufferPointer { Self.encode(data, to, $0) }
        output.advance(length)
    }

    private static func encode(
        _ data: UnsafeRawBufferPointer, _ to: UnsafeMutableRawPointer, _ pairs: UnsafeBufferPointer<UInt16>
    ) {
        var (from, at) = (0, 0)
        while from + 3 <= data.count {
            let bits = Int(data[from]) << 16 | Int(data[from + 1]) << 8 | Int(data[from + 2])
            to.storeBytes(of: pairs[bits >> 12].littleEndian, toByteOffset: at, as: UInt16.self)
            to.storeBytes(of: pairs[bits & 4095].littleEndian, toByteOffset: at + 2, as: UInt16.self)
            from += 3
            at += 4
        }
        let padding = UInt8(ascii: "=")
        switch data.count - from {
        case 1:
            let bits = Int(data[from]) << 4
            to.storeBytes(of: pairs[bits].littleEndian, toByteOffset: at, as: UInt16.self)
            to.storeBytes(of: padding, toByteOffset: at + 2, as: UInt8.self)
            to.storeBytes(of: padding, toByteOffset: at + 3, as: UInt8.self)
        case 2:
            let bits = Int(data[from]) << 10 | Int(data[from + 1]) << 2
            to.storeBytes(of: pairs[bits >> 6].littleEndian, toByteOffset: at, as: UInt16.self)
            to.storeBytes(of: Self.alphabet[bits & 63], toByteOffset: at + 2, as: UInt8.self)
            to.storeBytes(of: padding, toByteOffset: at + 3, as: UInt8.self)
        default: break
        }
    }

    /// Appends what the letters stand for; `false` when they are not whole, padded base64, and nothing is appended.
    package static func decode(_ letters: UnsafeRawBufferPointer, to output: OutputBytes) -> Bool {
        guard letters.count % 4 == 0 else { return false }
        guard !letters.isEmpty else { return true }
        let padding = UInt8(ascii: "=")
        let padded = letters[letters.count - 1] == padding ? (letters[letters.count - 2] == padding ? 2 : 1) : 0
        let to = output.room(letters.count / 4 * 3)
        let whole = letters.count / 4 - (padded > 0 ? 1 : 0)
        return Self.values.withUnsafeBufferPointer { values in
            for group in 0..<whole {
                let (bits, isValid) = Self.bits(letters, at: group * 4, count: 4, values)
                guard isValid else { return false }
                to.storeBytes(of: UInt8(truncatingIfNeeded: bits >> 16), toByteOffset: group * 3, as: UInt8.self)
                to.storeBytes(of: UInt8(truncatingIfNeeded: bits >> 8), toByteOffset: group * 3 + 1, as: UInt8.self)
                to.storeBytes(of: UInt8(truncatingIfNeeded: bits), toByteOffset: group * 3 + 2, as: UInt8.self)
            }
            if padded > 0 {
                let (bits, isValid) = Self.bits(letters, at: whole * 4, count: 4 - padded, values)
                guard isValid, bits & (padded == 2 ? 0xffff : 0xff) == 0 else { return false }
                to.storeBytes(of: UInt8(truncatingIfNeeded: bits >> 16), toByteOffset: whole * 3, as: UInt8.self)
                if padded == 1 {
                    to.storeBytes(of: UInt8(truncatingIfNeeded: bits >> 8), toByteOffset: whole * 3 + 1, as: UInt8.self)
                }
            }
            output.advance(letters.count / 4 * 3 - padded)
            return true
        }
    }

    /// 24 bits of up to four letters; what is missing counts as 0.
    private static func bits(
        _ letters: UnsafeRawBufferPointer, at offset: Int, count: Int, _ values: UnsafeBufferPointer<UInt8>
    ) -> (UInt32, Bool) {
        var bits: UInt32 = 0
        var seen: UInt8 = 0
        for position in 0..<4 {
            let value = position < count ? values[Int(letters[offset + position])] : 0
            seen |= value
            bits = bits << 6 | UInt32(value & 63)
        }
        return (bits, seen < 64)
    }
}
