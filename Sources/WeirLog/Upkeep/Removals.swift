// SPDX-License-Identifier: Apache-2.0

/// Files that nothing needs any more, until they are unlinked: a condition that is looked at, so that a failure does
/// not leave one for ever. No I/O, no clock; `tick` comes about once a second.
///
/// All that are due are tried at once. When one of them could not be unlinked, all are tried again after 1, 2, 4 and up
/// to 64 ticks: to unlink what has gone is no failure.
package struct Removals<Item> {
    private var due: [Item] = []
    private var underWay: [Item] = []
    /// Attempts that failed one after the other.
    private var failures = 0
    private var wait = 0

    package static var waitMax: Int { 64 }

    package init() {}

    /// All that are still there.
    package var all: [Item] { self.underWay + self.due }

    package mutating func add(_ items: [Item]) { self.due += items }

    /// Those that somebody unlinks now; none while others are on their way.
    package mutating func take() -> [Item] {
        guard self.wait == 0, self.underWay.isEmpty else { return [] }
        self.underWay = self.due
        self.due = []
        return self.underWay
    }

    /// They are gone. Returns them.
    package mutating func done() -> [Item] {
        defer { self.underWay = [] }
        self.failures = 0
        return self.underWay
    }

    package mutating func failed() {
        if self.underWay.isEmpty { return }
        self.due = self.underWay + self.due
        self.underWay = []
        self.failures += 1
        self.wait = min(Self.waitMax, 1 << min(self.failures - 1, 6))
    }

    package mutating func tick() { self.wait = max(0, self.wait - 1) }
}
