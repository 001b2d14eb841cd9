// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Where the partition key of a line comes from.
enum KeySource: Hashable, Sendable {
    /// `--key`: the same for all lines.
    case fixed([UInt8])
    /// `--key-field`: the field of the line, from 1, between literal delimiters.
    case field(Int, delimiter: [UInt8])
    /// `--key-random`: another one for each line.
    case random

    /// The bytes between the delimiters; `nil` when the line has fewer fields. Nothing is quoted.
    static func field(
        _ number: Int, of line: UnsafeRawBufferPointer, delimiter: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        var begin = 0
        for _ in 1..<max(1, number) {
            guard let found = Self.find(delimiter, in: line, from: begin) else { return nil }
            begin = found + delimiter.count
        }
        let end = Self.find(delimiter, in: line, from: begin) ?? line.count
        return UnsafeRawBufferPointer(rebasing: line[begin..<end])
    }

    private static func find(
        _ delimiter: UnsafeRawBufferPointer, in line: UnsafeRawBufferPointer, from begin: Int
    ) -> Int? {
        guard let base = line.baseAddress, let needle = delimiter.baseAddress else { return nil }
        var at = begin
        while line.count - at >= delimiter.count {
            guard let found = memchr(base + at, Int32(delimiter[0]), line.count - at - delimiter.count + 1) else {
                return nil
            }
            at = UnsafeRawPointer(found) - base
            if memcmp(found, needle, delimiter.count) == 0 { return at }
            at += 1
        }
        return nil
    }

    /// `\t` stands for a tab and `\\` for a backslash, since shells make them hard to write.
    static func delimiter(_ text: String) throws(Failure) -> [UInt8] {
        var bytes: [UInt8] = []
        var escaped = false
        for byte in text.utf8 {
            switch (escaped, byte) {
            case (false, UInt8(ascii: "\\")): escaped = true
            case (true, UInt8(ascii: "t")):
                bytes.append(9)
                escaped = false
            case (true, UInt8(ascii: "\\")):
                bytes.append(byte)
                escaped = false
            case (true, _): throw .usage("in a delimiter '\\' is followed by 't' for a tab, or by '\\'")
            case (false, _): bytes.append(byte)
            }
        }
        guard !escaped else { throw .usage("in a delimiter '\\' is followed by 't' for a tab, or by '\\'") }
        guard (1...256).contains(bytes.count), !bytes.contains(10) else {
            throw .usage("a delimiter has 1 to 256 bytes and no newline")
        }
        return bytes
    }
}

/// Random partition keys: 16 hexadecimal digits.
struct RandomKeys: ~Copyable {
    private var state: UInt64
    private let digits = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 8)

    init(seed: UInt64) {
        self.state = seed
    }

    deinit {
        self.digits.deallocate()
    }

    /// Valid until the next call.
    mutating func next() -> UnsafeRawBufferPointer {
        // SplitMix64: keys need to spread, not to be secret.
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var value = self.state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        value ^= value >> 31
        for half in 0..<2 {
            let nibbles = Self.spread(UInt32(truncatingIfNeeded: value >> (half == 0 ? 32 : 0)))
            self.digits.storeBytes(of: Self.hex(nibbles).bigEndian, toByteOffset: half * 8, as: UInt64.self)
        }
        return UnsafeRawBufferPointer(self.digits)
    }

    /// Each of the 8 nibbles in a byte of its own.
    private static func spread(_ value: UInt32) -> UInt64 {
        var bits = UInt64(value)
        bits = (bits | bits << 16) & 0x0000_ffff_0000_ffff
        bits = (bits | bits << 8) & 0x00ff_00ff_00ff_00ff
        return (bits | bits << 4) & 0x0f0f_0f0f_0f0f_0f0f
    }

    /// The digit of each byte's nibble: `0` and up, and from 10 on 39 more, which leads to `a`.
    private static func hex(_ nibbles: UInt64) -> UInt64 {
        let aboveNine = ((nibbles &+ 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
        return nibbles &+ 0x3030_3030_3030_3030 &+ aboveNine &* 39
    }
}
