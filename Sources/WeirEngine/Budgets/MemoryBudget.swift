// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Synchronization

/// Bytes that connections may hold at one time, over the whole node: reserved before they are allocated.
///
/// Who wants to wait for memory gets it in turn: whoever comes later waits behind, or a large request would wait for
/// ever while small ones take what is released.
package final class MemoryBudget: Sendable {
    /// A place among those who wait.
    package struct Ticket: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    private struct Waiting {
        let bytes: Int
        let grant: @Sendable () -> Void
    }

    private struct Queue {
        /// In the order in which they came. One that was given up stays until its turn, or until too many are left so.
        var order = Deque<Ticket>()
        var waiting: [Ticket: Waiting] = [:]
        var lastTicket: UInt64 = 0

        mutating func add(_ waiting: Waiting) -> Ticket {
            self.lastTicket += 1
            let ticket = Ticket(number: self.lastTicket)
            self.order.append(ticket)
            self.waiting[ticket] = waiting
            return ticket
        }

        mutating func remove(_ ticket: Ticket) -> Bool {
            guard self.waiting.removeValue(forKey: ticket) != nil else { return false }
            if self.order.count > 64, self.order.count > 2 * self.waiting.count {
                self.order.removeAll { self.waiting[$0] == nil }
            }
            return true
        }

        /// Who has waited longest.
        mutating func first() -> Waiting? {
            while let ticket = self.order.first {
                if let waiting = self.waiting[ticket] { return waiting }
                self.order.removeFirst()
            }
            return nil
        }

        mutating func removeFirst() {
            if let ticket = self.order.popFirst() { self.waiting[ticket] = nil }
        }
    }

    package let bytesMax: Int
    private let reserved = Atomic<Int>(0)
    private let isAwaited = Atomic<Bool>(false)
    private let queue = Mutex(Queue())

    package init(bytesMax: Int) { self.bytesMax = bytesMax }

    package var reservedBytes: Int { self.reserved.load(ordering: .relaxed) }

    /// Reserves `bytes` if they fit, whoever waits.
    package func reserve(_ bytes: Int) -> Bool {
        var current = self.reserved.load(ordering: .sequentiallyConsistent)
        while bytes <= self.bytesMax - current {
            let (exchanged, original) = self.reserved.weakCompareExchange(
                expected: current, desired: current + bytes, ordering: .sequentiallyConsistent)
            if exchanged { return true }
            current = original
        }
        return false
    }

    /// Counts bytes that are there already and cannot be refused any more.
    package func reserveAnyway(_ bytes: Int) { self.reserved.add(bytes, ordering: .relaxed) }

    /// What was reserved turns out to be `now` bytes, which are there already.
    package func change(_ bytes: Int, to now: Int) {
        if now > bytes { self.reserveAnyway(now - bytes) } else { self.release(bytes - now) }
    }

    package func release(_ bytes: Int) {
        let (old, _) = self.reserved.subtract(bytes, ordering: .sequentiallyConsistent)
        precondition(old >= bytes, "more memory was released than reserved")
        if self.isAwaited.load(ordering: .sequentiallyConsistent) { self.serve() }
    }

    // MARK: Waiting

    /// Reserves `bytes` when they fit and nobody waits. Else returns a place in the queue; `grant` is called, once and
    /// on any thread, when they have been reserved for it. More than there is at all is granted when nothing else is
    /// reserved.
    package func reserve(_ bytes: Int, orWait grant: @escaping @Sendable () -> Void) -> Ticket? {
        if !self.isAwaited.load(ordering: .sequentiallyConsistent), self.reserve(bytes) { return nil }
        let ticket = self.queue.withLock { queue in
            self.isAwaited.store(true, ordering: .sequentiallyConsistent)
            return queue.add(Waiting(bytes: bytes, grant: grant))
        }
        // Something may have been released before anybody was seen to wait.
        self.serve()
        return ticket
    }

    /// Gives the place up. False: its bytes are reserved already, and `grant` has been or will be called.
    package func cancel(_ ticket: Ticket) -> Bool {
        let wasWaiting = self.queue.withLock { $0.remove(ticket) }
        // Those behind it may fit.
        if wasWaiting { self.serve() }
        return wasWaiting
    }

    private func serve() {
        let grants = self.queue.withLock { queue in
            var grants: [@Sendable () -> Void] = []
            while let first = queue.first(), self.reserve(first.bytes) || self.reserveAlone(first.bytes) {
                queue.removeFirst()
                grants.append(first.grant)
            }
            self.isAwaited.store(!queue.waiting.isEmpty, ordering: .sequentiallyConsistent)
            return grants
        }
        for grant in grants { grant() }
    }

    private func reserveAlone(_ bytes: Int) -> Bool {
        self.reserved.compareExchange(expected: 0, desired: bytes, ordering: .sequentiallyConsistent).exchanged
    }
}
