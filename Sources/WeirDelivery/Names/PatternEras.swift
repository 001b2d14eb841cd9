// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Which prefix a record of a shard has, although the pattern is changed now and then: what was delivered beyond the
/// checkpoint stays known by the pattern that it was delivered by.
package struct PatternEras: Hashable, Sendable {
    package struct Era: Hashable, Sendable {
        /// The last index that the pattern is for.
        package let through: UInt64
        package let pattern: PrefixPattern

        package init(through: UInt64, pattern: PrefixPattern) {
            self.through = through
            self.pattern = pattern
        }
    }

    /// Changes of the pattern while files of earlier ones are not finished.
    package static let erasMax = 8

    package internal(set) var current: PrefixPattern
    /// In their order.
    package internal(set) var earlier: [Era] = []

    package init(_ pattern: PrefixPattern) { self.current = pattern }

    package func pattern(of index: UInt64) -> PrefixPattern {
        self.earlier.first { index <= $0.through }?.pattern ?? self.current
    }

    /// The last index that has the same pattern as `index`.
    package func end(of index: UInt64) -> UInt64 { self.earlier.first { index <= $0.through }?.through ?? .max }

    /// From behind `through` on, `pattern` is used. Throws `limitExceeded`.
    package mutating func change(to pattern: PrefixPattern, behind through: UInt64?) throws(WeirError) {
        guard pattern != self.current else { return }
        if let through, self.earlier.last.map({ through > $0.through }) ?? true {
            guard self.earlier.count < Self.erasMax else {
                throw WeirError(
                    .limitExceeded,
                    "the prefix was changed \(Self.erasMax) times while files were not finished: run once with the "
                        + "prefix '\(self.current.text)', and end it with Ctrl-C")
            }
            self.earlier.append(Era(through: through, pattern: self.current))
        }
        self.current = pattern
    }

    /// Everything through `checkpoint` is delivered.
    package mutating func forget(through checkpoint: UInt64) { self.earlier.removeAll { $0.through <= checkpoint } }
}
