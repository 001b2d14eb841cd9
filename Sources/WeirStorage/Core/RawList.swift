// SPDX-License-Identifier: Apache-2.0

/// Trivial values one behind the other in memory of its own, for loops over many records: no reference counting, no
/// uniqueness or access checks. Whoever holds it frees it.
struct RawList<Element: BitwiseCopyable> {
    private(set) var start: UnsafeMutablePointer<Element>
    private(set) var count = 0
    private var capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        self.start = .allocate(capacity: capacity)
    }

    func free() { self.start.deallocate() }

    /// Makes room for `more` elements at once.
    mutating func reserve(_ more: Int) {
        guard self.count + more > self.capacity else { return }
        let capacity = max(self.count + more, self.capacity * 2)
        let new = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
        new.moveInitialize(from: self.start, count: self.count)
        self.start.deallocate()
        (self.start, self.capacity) = (new, capacity)
    }

    /// Returns its position.
    @inline(__always)
    mutating func append(_ element: Element) -> Int {
        if self.count == self.capacity { self.reserve(1) }
        (self.start + self.count).initialize(to: element)
        self.count += 1
        return self.count - 1
    }

    mutating func removeAll() { self.count = 0 }
}
