// SPDX-License-Identifier: Apache-2.0

import CWeir
import Testing

/// The tests that force a path of the processor. Serialised, as the limit holds for the whole process.
@Suite("Checksums and hashes on every path", .serialized)
struct Paths {
    /// The limits that differ on this machine.
    static let limits: [Int32] = {
        defer { weir_cpu_limit(2) }
        return (0...2).filter { weir_cpu_limit($0) == $0 }
    }()

    static func limited<Result>(to limit: Int32, _ body: () throws -> Result) rethrows -> Result {
        weir_cpu_limit(limit)
        defer { weir_cpu_limit(2) }
        return try body()
    }

    @Test("A limit of zero is the portable path, a high one all that there is")
    func limits() {
        #expect(Paths.limits.first == 0)
        #expect(weir_cpu_limit(0) == 0)
        #expect(weir_cpu_limit(.max) == Paths.limits.last)
    }
}

/// Bytes that are the same in every run (xorshift).
func sampleBytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    return (0..<count).map { _ in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return UInt8(truncatingIfNeeded: state >> 32)
    }
}
