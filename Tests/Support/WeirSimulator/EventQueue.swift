// SPDX-License-Identifier: Apache-2.0
import WeirTestKit

/// What is going to happen, by time; at the same time in the order in which it was scheduled.
struct EventQueue {
    /// Whose doing it is: it waits while that one is paused.
    enum Place {
        case anywhere
        case node
        case worker(SimWorker)
    }

    struct Event {
        /// In milliseconds of the monotonic clock.
        let at: UInt64
        let order: UInt64
        let place: Place
        let run: () throws(Violation) -> Void
    }

    /// Where an event stands in the heap. Apart from the event, so that nothing is counted when it moves.
    private struct Key {
        let at: UInt64
        let order: UInt64
        let slot: Int

        func isBefore(_ other: Key) -> Bool { self.at != other.at ? self.at < other.at : self.order < other.order }
    }

    /// A heap: no key comes before its parent at half its place.
    private var heap: [Key] = []
    private var slots: [Event?] = []
    private var free: [Int] = []
    private var orders: UInt64 = 0

    mutating func schedule(at: UInt64, _ place: Place, _ run: @escaping () throws(Violation) -> Void) {
        self.orders += 1
        self.insert(Event(at: at, order: self.orders, place: place, run: run))
    }

    /// The same event later, before all that are scheduled from now on for that time.
    mutating func postpone(_ event: Event, to at: UInt64) {
        self.insert(Event(at: at, order: event.order, place: event.place, run: event.run))
    }

    private mutating func insert(_ event: Event) {
        let slot: Int
        if let last = self.free.popLast() {
            slot = last
            self.slots[slot] = event
        } else {
            slot = self.slots.count
            self.slots.append(event)
        }
        let key = Key(at: event.at, order: event.order, slot: slot)
        self.heap.append(key)
        var place = self.heap.count - 1
        while place > 0, key.isBefore(self.heap[(place - 1) / 2]) {
            self.heap[place] = self.heap[(place - 1) / 2]
            place = (place - 1) / 2
        }
        self.heap[place] = key
    }

    mutating func take() -> Event? {
        guard let first = self.heap.first, let last = self.heap.popLast() else { return nil }
        if !self.heap.isEmpty { self.sink(last) }
        self.free.append(first.slot)
        defer { self.slots[first.slot] = nil }
        return self.slots[first.slot]
    }

    /// Puts the key into the place of the first.
    private mutating func sink(_ key: Key) {
        var place = 0
        while true {
            var child = 2 * place + 1
            guard child < self.heap.count else { break }
            if child + 1 < self.heap.count, self.heap[child + 1].isBefore(self.heap[child]) { child += 1 }
            guard self.heap[child].isBefore(key) else { break }
            self.heap[place] = self.heap[child]
            place = child
        }
        self.heap[place] = key
    }
}
