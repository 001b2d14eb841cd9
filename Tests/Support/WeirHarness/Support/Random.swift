// SPDX-License-Identifier: Apache-2.0

/// Numbers that follow from a seed alone (SplitMix64), so that a run can be repeated.
package struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(_ seed: UInt64) { self.state = seed }

    package mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        return Self.mix(self.state)
    }

    /// Spreads every bit of `value` over all of the result.
    package static func mix(_ value: UInt64) -> UInt64 {
        var bits = value
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return bits ^ (bits >> 31)
    }

    /// A seed for a run that was not given one.
    package static func anySeed() -> UInt64 {
        var system = SystemRandomNumberGenerator()
        return UInt64(UInt32(truncatingIfNeeded: system.next()))
    }
}
