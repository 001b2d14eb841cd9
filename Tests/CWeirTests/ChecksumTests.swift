// SPDX-License-Identifier: Apache-2.0

import CWeir
import Testing

extension Paths {
    @Suite("CRC-32C")
    struct Checksums {
        /// The checksum of every prefix, one bit at a time, from the definition.
        static func reference(_ bytes: ArraySlice<UInt8>) -> [UInt32] {
            var state = UInt32.max
            return [0]
                + bytes.map { byte in
                    state ^= UInt32(byte)
                    for _ in 0..<8 {
                        state = state & 1 == 1 ? state >> 1 ^ 0x82F6_3B78 : state >> 1
                    }
                    return ~state
                }
        }

        @Test("The examples of RFC 3720 and the usual check value", arguments: Paths.limits)
        func vectors(limit: Int32) {
            let vectors: [([UInt8], UInt32)] = [
                ([], 0),
                (Array(repeating: 0, count: 32), 0x8A91_36AA),
                (Array(repeating: 0xFF, count: 32), 0x62A8_AB43),
                (Array(0...31), 0x46DD_794E),
                ((0...31).reversed(), 0x113F_DB5C),
                (Array("123456789".utf8), 0xE306_9283),
            ]
            for (bytes, checksum) in vectors {
                #expect(Paths.limited(to: limit) { weir_crc32c(0, bytes, bytes.count) } == checksum)
            }
            #expect(Paths.limited(to: limit) { weir_crc32c(7, nil, 0) } == 7)
        }

        @Test("Every length from 0 to 300 at every alignment", arguments: Paths.limits)
        func lengths(limit: Int32) {
            let bytes = sampleBytes(316)
            let wrong = Paths.limited(to: limit) {
                (0...15).flatMap { start in
                    let expected = Self.reference(bytes[start..<start + 300])
                    return (0...300).filter { length in
                        bytes.withUnsafeBytes { weir_crc32c(0, $0.baseAddress! + start, length) } != expected[length]
                    }
                }
            }
            #expect(wrong == [])
        }

        @Test("Lengths around where paths, streams and pieces change", arguments: Paths.limits)
        func longLengths(limit: Int32) {
            let bytes = sampleBytes(32_768)
            let expected = Self.reference(bytes[...])
            let wrong = Paths.limited(to: limit) {
                (Array(300...8_000) + Array(stride(from: 8_000, through: bytes.count, by: 61))).filter { length in
                    weir_crc32c(0, bytes, length) != expected[length]
                }
            }
            #expect(wrong == [])
        }

        @Test("A checksum continued at any cut is that of the whole", arguments: Paths.limits)
        func cuts(limit: Int32) {
            for count in [300, 2_000, 9_000] {
                let bytes = sampleBytes(count, seed: UInt64(count))
                let whole = Self.reference(bytes[...])[count]
                let wrong = Paths.limited(to: limit) {
                    (0...count).filter { cut in
                        bytes.withUnsafeBytes {
                            let first = weir_crc32c(0, $0.baseAddress, cut)
                            return weir_crc32c(first, $0.baseAddress! + cut, count - cut) != whole
                        }
                    }
                }
                #expect(wrong == [])
            }
        }

        @Test("Nothing is read behind the end", arguments: Paths.limits)
        func end(limit: Int32) throws {
            let bytes = sampleBytes(4_096)
            let guarded = try GuardedPage(atLeast: bytes.count)
            for length in Array(0...300) + [1_024, 4_095, 4_096] {
                let part = bytes[..<length]
                let copy = guarded.place(part)
                #expect(Paths.limited(to: limit) { weir_crc32c(0, copy, length) } == Self.reference(part)[length])
            }
        }
    }
}
