// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// What one read from the disk takes of the memory for reads beyond what was reserved for it: at least one batch is
/// always given, and only the index knows how large that is.
final class MoreMemory: Sendable {
    private let budget: MemoryBudget
    private let reserved: Int
    private let taken = Atomic<Int>(0)

    /// `reserved`: bytes that the read has already.
    init(_ budget: MemoryBudget, beyond reserved: Int) {
        self.budget = budget
        self.reserved = reserved
    }

    /// Whether there is memory for so many bytes in all. On the thread that reads.
    func claim(_ bytes: Int) -> Bool {
        let more = bytes - self.reserved - self.taken.load(ordering: .relaxed)
        guard more > 0 else { return true }
        guard self.budget.reserve(more) else { return false }
        self.taken.add(more, ordering: .relaxed)
        return true
    }

    /// All that is reserved for the read. Whoever asks has it from then on, and gives it back.
    func handOver() -> Int { self.reserved + self.taken.exchange(0, ordering: .relaxed) }
}
