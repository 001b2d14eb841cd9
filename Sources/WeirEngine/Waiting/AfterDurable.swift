// SPDX-License-Identifier: Apache-2.0
import DequeModule
import WeirLog

/// Things to do once a mark is reached, in the order of their marks. Nothing computed from a state that a power cut
/// could undo may happen before. For control calls; answers to puts have `PendingAnswers`.
struct AfterDurable<Action> {
    private var waiting = Deque<(mark: Mark, action: Action)>()

    var count: Int { self.waiting.count }

    mutating func add(_ mark: Mark, _ action: Action) {
        // Marks nearly always rise.
        guard let last = self.waiting.last, mark.precedes(last.mark) else { return self.waiting.append((mark, action)) }
        let before = self.waiting.lastIndex { !mark.precedes($0.mark) }
        self.waiting.insert((mark, action), at: before.map { $0 + 1 } ?? 0)
    }

    /// The oldest action about which the log has decided: `isReached`, or lost for ever.
    mutating func popSettled(_ watermark: Watermark) -> (action: Action, isReached: Bool)? {
        guard let first = self.waiting.first else { return nil }
        switch watermark.judge(first.mark) {
        case .pending: return nil
        case .reached:
            self.waiting.removeFirst()
            return (first.action, true)
        case .lost:
            self.waiting.removeFirst()
            return (first.action, false)
        }
    }
}
