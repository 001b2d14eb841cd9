// SPDX-License-Identifier: Apache-2.0

/// First in, first out, with a way back to the front. Removing leaves a gap that is closed now and then.
struct Queue<Element> {
    private var elements: [Element?] = []
    private var head = 0

    var count: Int { self.elements.count - self.head }
    var isEmpty: Bool { self.head == self.elements.count }
    var first: Element? { self.isEmpty ? nil : self.elements[self.head] }

    /// The element at `position` behind the front.
    subscript(position: Int) -> Element {
        get {
            guard let element = self.elements[self.head + position] else {
                preconditionFailure("a queue has no gap behind its front")
            }
            return element
        }
        set { self.elements[self.head + position] = newValue }
    }

    mutating func append(_ element: Element) { self.elements.append(element) }

    mutating func popFirst() -> Element? {
        guard self.head < self.elements.count else { return nil }
        let element = self.elements[self.head]
        self.elements[self.head] = nil
        self.head += 1
        if self.head == self.elements.count {
            self.elements.removeAll(keepingCapacity: true)
            self.head = 0
        } else if self.head >= 64, self.head * 2 >= self.elements.count {
            self.elements.removeSubrange(0..<self.head)
            self.head = 0
        }
        return element
    }

    /// Puts elements in front of all others, in their order.
    mutating func prepend(_ more: [Element]) {
        if more.count <= self.head {
            self.head -= more.count
            for (position, element) in more.enumerated() { self.elements[self.head + position] = element }
        } else {
            self.elements.replaceSubrange(0..<self.head, with: more.map { Optional($0) })
            self.head = 0
        }
    }

    mutating func removeAll() -> [Element] {
        let all = self.elements[self.head...].compactMap { $0 }
        self.elements.removeAll()
        self.head = 0
        return all
    }
}
