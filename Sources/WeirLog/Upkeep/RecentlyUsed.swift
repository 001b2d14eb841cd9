// SPDX-License-Identifier: Apache-2.0

/// Which of many things are kept: at most so many, and of those the ones used last. Says what must go; holds nothing
/// itself. No I/O, no clock.
package struct RecentlyUsed<Key: Hashable & Sendable>: Sendable {
    /// Kept at one time.
    package let max: Int
    private var uses: [Key: UInt64] = [:]
    private var clock: UInt64 = 0

    /// `max`: at least 1; less is taken for 1.
    package init(max: Int) { self.max = Swift.max(1, max) }

    package var count: Int { self.uses.count }

    /// `key` is used now. Returns the one that must go for it: the longest unused.
    package mutating func use(_ key: Key) -> Key? {
        self.clock += 1
        let isNew = self.uses.updateValue(self.clock, forKey: key) == nil
        guard isNew, self.uses.count > self.max, let oldest = self.uses.min(by: { $0.value < $1.value })?.key else {
            return nil
        }
        self.uses[oldest] = nil
        return oldest
    }

    package mutating func forget(_ key: Key) { self.uses[key] = nil }
}
