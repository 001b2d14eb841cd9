// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Bytes that connections may hold at one time, over the whole node: reserved before they are allocated.
package final class MemoryBudget: Sendable {
    package let bytesMax: Int
    private let reserved = Atomic<Int>(0)
    private let isAwaited = Atomic<Bool>(false)
    private let awaiting = Mutex<[Int: @Sendable () -> Void]>([:])

    package init(bytesMax: Int) { self.bytesMax = bytesMax }

    package var reservedBytes: Int { self.reserved.load(ordering: .relaxed) }

    /// Reserves `bytes` if they fit.
    package func reserve(_ bytes: Int) -> Bool {
        var current = self.reserved.load(ordering: .sequentiallyConsistent)
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
        let (old, _) = self.reserved.subtract(bytes, ordering: .sequentiallyConsistent)
        precondition(old >= bytes, "more memory was released than reserved")
        guard bytes > 0, self.isAwaited.load(ordering: .sequentiallyConsistent) else { return }
        let wakes = self.awaiting.withLock { awaiting in
            self.isAwaited.store(false, ordering: .sequentiallyConsistent)
            defer { awaiting.removeAll() }
            return awaiting.values.map { $0 }
        }
        for wake in wakes { wake() }
    }

    /// Calls `wake` once, when something is released the next time; it may come at once and from any thread. One call
    /// is kept for each `waiter`, the newest. What was released before this returns may not be told: try again after.
    package func whenReleased(_ waiter: Int, _ wake: @escaping @Sendable () -> Void) {
        self.awaiting.withLock { awaiting in
            awaiting[waiter] = wake
            self.isAwaited.store(true, ordering: .sequentiallyConsistent)
        }
    }
}
