// SPDX-License-Identifier: Apache-2.0
import CWeirDecoders
import Testing
import WeirDelivery
import WeirModel
import WeirTestKit

@Suite struct CompressionTests {
    private static let all: [Compression] =
        [1, 3, 19].map { .zstd(level: $0) } + [1, 6, 9].map { .gzip(level: $0) } + [1, 3, 12].map { .lz4(level: $0) }
        + [.none]

    /// What libraries of the system make of it.
    private static func decoded(_ bytes: [UInt8], _ compression: Compression, room: Int) -> [UInt8]? {
        let kind: Int
        switch compression {
        case .zstd: kind = WEIR_DECODER_ZSTD
        case .gzip: kind = WEIR_DECODER_GZIP
        case .lz4: kind = WEIR_DECODER_LZ4
        case .none: return bytes
        }
        var output = [UInt8](repeating: 0, count: room + 1)
        let made = weir_decode(Int32(kind), bytes, bytes.count, &output, output.count)
        return made < 0 ? nil : Array(output.prefix(made))
    }

    private static func input(_ length: Int, _ random: inout SplitMix64) -> [UInt8] {
        switch random.below(3) {
        case 0: return [UInt8](repeating: UInt8(ascii: "a"), count: length)
        case 1:
            return Array(String(repeating: "GET /index.html HTTP/1.1\n", count: length / 25 + 1).utf8.prefix(length))
        default:
            return [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
                for position in stride(from: 0, to: length, by: 8) {
                    var bits = random.next()
                    for offset in position..<min(length, position + 8) {
                        buffer[offset] = UInt8(truncatingIfNeeded: bits)
                        bits >>= 8
                    }
                }
                count = length
            }
        }
    }

    @Test(arguments: Self.all) func `What is compressed in pieces comes out again`(_ compression: Compression) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(seed: seed)
        // Around the block of lz4, the room for output and what a part file compresses at once.
        let sizes = [0, 1, 65_535, 65_536, 65_537, 131_072, 262_143, 262_144, 262_145]
        for _ in 0..<3 {
            var (whole, stored): ([UInt8], [UInt8]) = ([], [])
            for _ in 0..<random.within(1...3) {
                let compressor = try Compressor(compression)
                for _ in 0..<random.below(4) {
                    let piece = Self.input(random.pick(sizes), &random)
                    whole += piece
                    try piece.withUnsafeBytes { try compressor.write($0, ends: false, to: &stored) }
                }
                let last = Self.input(random.pick(sizes), &random)
                whole += last
                try last.withUnsafeBytes { try compressor.write($0, ends: true, to: &stored) }
            }
            #expect(Self.decoded(stored, compression, room: whole.count) == whole, "seed \(seed)")
            if compression != .none {
                #expect(Self.decoded(Array(stored.dropLast()), compression, room: whole.count) == nil, "seed \(seed)")
            }
        }
    }

    @Test func `Names and levels are checked, and the sentence says what is allowed`() throws {
        #expect(try Compression(named: "zstd") == .zstd(level: 3) && Compression(named: "gzip") == .gzip(level: 6))
        #expect(try Compression(named: "lz4") == .lz4(level: 1) && Compression(named: "none") == .none)
        for (name, most) in [("zstd", 19), ("gzip", 9), ("lz4", 12)] {
            for level in [1, most] { _ = try Compressor(try Compression(named: name, level: level)) }
            for level in [Int.min, -1, 0, most + 1, .max] {
                #expect {
                    try Compression(named: name, level: level)
                } throws: {
                    "\($0)".contains("1 to \(most)")
                }
            }
        }
        for (name, level) in [("none", 1), ("snappy", nil), ("", nil), ("ZSTD", nil)] as [(String, Int?)] {
            #expect(throws: WeirError.self) { try Compression(named: name, level: level) }
        }
    }

    @Test func `A file that is made again is compressed as its name says`() {
        for usual in [Compression.zstd(level: 9), .gzip(level: 1), .lz4(level: 3), .none] {
            #expect(Compression(ofSuffix: "a/b" + usual.suffix, usual: usual) == usual)
            #expect(Compression(ofSuffix: "a/b.zst", usual: .none) == .zstd(level: 3))
            #expect(Compression(ofSuffix: "a/b", usual: usual) == .none)
        }
    }
}
