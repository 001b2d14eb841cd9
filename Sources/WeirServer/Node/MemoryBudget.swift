// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Bytes that connections may hold at one time, over the whole node: reserved before they are allocated.
package final class MemoryBudget: Sendable {
    package let bytesMax: Int
    private let reserved = Atomic<Int>(0)

    package init(bytesMax: Int) { self.bytesMax = bytesMax }

    package var reservedBytes: Int { self.reserved.load(ordering: .relaxed) }

    /// Reserves `bytes` if they fit.
    package func reserve(_ bytes: Int) -> Bool {
        var current = self.reserved.load(ordering: .relaxed)
        while bytes <= self.bytesMax - current {
            let (exchanged, original) = self.reserved.weakCompareExchange(
                expected: current, desired: current + bytes, ordering: .relaxed)
            if exchanged { return true }
            current = original
        }
        return false
    }

    /// Counts bytes that are there already and cannot be refused any more.
    package func reserveAnyway(_ bytes: Int) { self.reserved.add(bytes, ordering: .relaxed) }

    package func release(_ bytes: Int) {
        let (old, _) = self.reserved.subtract(bytes, ordering: .relaxed)
        precondition(old >= bytes, "more memory was released than reserved")
    }
}
