// SPDX-License-Identifier: Apache-2.0
import WeirLog

/// Things to do once a position of the log is durable, in the order of their positions. Nothing computed from a state
/// that a power cut could undo may happen before. For control calls; answers to puts have `PendingAnswers`.
struct AfterDurable<Action> {
    private var waiting: [(lsn: LSN, action: Action)] = []

    var count: Int { self.waiting.count }

    mutating func add(_ lsn: LSN, _ action: Action) {
        let position = self.waiting.lastIndex { $0.lsn <= lsn }.map { $0 + 1 } ?? 0
        self.waiting.insert((lsn, action), at: position)
    }

    /// What may happen now, oldest first.
    mutating func take(upTo durable: LSN) -> [Action] {
        guard let first = self.waiting.first, first.lsn <= durable else { return [] }
        let end = self.waiting.firstIndex { $0.lsn > durable } ?? self.waiting.count
        defer { self.waiting.removeFirst(end) }
        return self.waiting[..<end].map(\.action)
    }

    /// A write failed: nobody knows whether what lies above `durable` will ever be. What was to happen then.
    mutating func fail(above durable: LSN) -> [Action] {
        let start = self.waiting.firstIndex { $0.lsn > durable } ?? self.waiting.count
        defer { self.waiting.removeSubrange(start...) }
        return self.waiting[start...].map(\.action)
    }
}
