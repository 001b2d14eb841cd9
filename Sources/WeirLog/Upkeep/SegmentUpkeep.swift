// SPDX-License-Identifier: Apache-2.0

/// Which full segments get their footer, and when. Each is named by its place in the order of segments. One that could
/// not be written holds up only its own segment: it is tried again after 1, 2, 4 and up to 64 ticks. No I/O, no clock.
package struct FooterSchedule: Sendable {
    private struct Footer: Sendable {
        let order: UInt64
        /// Attempts that failed.
        var failures = 0
        /// Ticks until the next.
        var wait = 0
    }

    private var due: [Footer] = []
    /// Taken, and not yet reported.
    private var writing: [Footer] = []

    package init() {}

    /// The segment is full.
    package mutating func demand(_ order: UInt64) { self.due.append(Footer(order: order)) }

    package mutating func tick() {
        for place in self.due.indices { self.due[place].wait = max(0, self.due[place].wait - 1) }
    }

    /// Whether one can be written now.
    package var hasNext: Bool { self.due.contains { $0.wait == 0 } }

    /// The next one that can be written now.
    package var next: UInt64? { self.due.first { $0.wait == 0 }?.order }

    /// Somebody writes that one.
    package mutating func take(_ order: UInt64) {
        guard let place = self.due.firstIndex(where: { $0.order == order }) else {
            preconditionFailure("the footer of segment \(order) is not due")
        }
        self.writing.append(self.due.remove(at: place))
    }

    /// The next one, which somebody writes now.
    package mutating func take() -> UInt64? {
        guard let order = self.next else { return nil }
        self.take(order)
        return order
    }

    package mutating func done(_ order: UInt64) { _ = self.report(order) }

    package mutating func failed(_ order: UInt64) {
        var footer = self.report(order)
        footer.failures += 1
        footer.wait = min(SnapshotSchedule.waitMax, 1 << min(footer.failures - 1, 6))
        self.due.append(footer)
    }

    private mutating func report(_ order: UInt64) -> Footer {
        guard let place = self.writing.firstIndex(where: { $0.order == order }) else {
            preconditionFailure("the footer of segment \(order) is not being written")
        }
        return self.writing.remove(at: place)
    }
}

/// How far segments are verified that the start did not read, one after the other. Each is named by its place in the
/// order of segments. No I/O, no clock.
package struct ScrubSchedule: Sendable {
    package private(set) var due: [UInt64]
    /// The first of them was looked at before.
    private var offset = SegmentHeader.bytes

    package init(_ due: [UInt64] = []) { self.due = due }

    /// Where to go on. `end`: of a segment of the log; `nil` when it is none any more.
    package mutating func next(end: (UInt64) -> Int?) -> (order: UInt64, offset: Int, end: Int)? {
        while let order = self.due.first {
            if let end = end(order), self.offset < end { return (order, self.offset, end) }
            self.due.removeFirst()
            self.offset = SegmentHeader.bytes
        }
        return nil
    }

    /// All of the segment was looked at before `next`.
    package mutating func verified(_ order: UInt64, next: Int) {
        if self.due.first == order { self.offset = next }
    }
}

/// Work at segments that no commit goes to any more.
package struct SegmentUpkeep: Sendable {
    package var footers = FooterSchedule()
    package var scrub = ScrubSchedule()

    package init() {}
}
