// SPDX-License-Identifier: Apache-2.0
import WeirTestKit

/// What is going to happen, by time; at the same time in the order in which it was scheduled.
struct EventQueue {
    /// Whose doing it is: it waits while that one is paused.
    enum Place {
        case anywhere
        case server
        case worker(SimWorker)
    }

    struct Event {
        /// In milliseconds of the monotonic clock.
        let at: UInt64
        let order: UInt64
        let place: Place
        let run: () throws(Violation) -> Void

        func isBefore(_ other: Event) -> Bool { (self.at, self.order) < (other.at, other.order) }
    }

    /// A heap: no event comes before its parent at half its place.
    private var heap: [Event] = []
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
        self.heap.append(event)
        var place = self.heap.count - 1
        while place > 0, self.heap[place].isBefore(self.heap[(place - 1) / 2]) {
            self.heap.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    mutating func take() -> Event? {
        guard let first = self.heap.first, let last = self.heap.popLast() else { return nil }
        guard !self.heap.isEmpty else { return first }
        self.heap[0] = last
        var place = 0
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2]
            where child < self.heap.count && self.heap[child].isBefore(self.heap[least]) {
                least = child
            }
            guard least != place else { return first }
            self.heap.swapAt(place, least)
            place = least
        }
    }
}
