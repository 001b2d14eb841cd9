// SPDX-License-Identifier: Apache-2.0

/// A change that waits for its commit.
package protocol WaitingChange {
    associatedtype Key: Hashable
    /// What it is a change of.
    var key: Key { get }
    /// How much it keeps in memory until then, as its owner counts.
    var weight: Int { get }
}

/// A state that runs ahead of the disk, what of it is durable, and the changes between. A change is planned for a
/// commit, and the durable state takes it when that commit is on the disk; a crash undoes what it has not taken. So
/// the price of a change is that of the change, however much there is of the state. No I/O.
package struct Visibility<State, Change: WaitingChange> {
    /// Runs ahead of the disk: what requests are judged by.
    package private(set) var planned: State
    /// What no crash undoes: what readers see.
    package private(set) var durable: State
    /// In the order of their commits.
    private var coming: [(lsn: LSN, change: Change)] = []
    /// The same by what they change, each in the order of their commits.
    private var byKey: [Change.Key: [Change]] = [:]
    /// Of all changes that wait.
    package private(set) var weight = 0

    package init(_ state: State) {
        self.planned = state
        self.durable = state
    }

    /// Changes the planned state, by something that commit `lsn` holds. Nothing is planned for an earlier commit than
    /// the last.
    package mutating func plan<E: Error>(
        for lsn: LSN, _ body: (inout State) throws(E) -> Change
    ) throws(E) {
        precondition(self.coming.last.map { $0.lsn <= lsn } ?? true, "changes come in the order of their commits")
        let change = try body(&self.planned)
        self.coming.append((lsn, change))
        self.byKey[change.key, default: []].append(change)
        self.weight += change.weight
    }

    /// All up to commit `lsn` is durable: the durable state takes the changes. Returns them in their order.
    package mutating func settle(upTo lsn: LSN, _ take: (inout State, Change) -> Void) -> [Change] {
        let settled = self.coming.prefix { $0.lsn <= lsn }.map(\.change)
        guard !settled.isEmpty else { return [] }
        self.coming.removeFirst(settled.count)
        var counts: [Change.Key: Int] = [:]
        for change in settled {
            take(&self.durable, change)
            self.weight -= change.weight
            counts[change.key, default: 0] += 1
        }
        for (key, count) in counts {
            self.byKey[key]?.removeFirst(count)
            if self.byKey[key]?.isEmpty ?? false { self.byKey[key] = nil }
        }
        return settled
    }

    /// Changes of one thing that are not durable, in their order: costs what there is of them.
    package func changes(of key: Change.Key) -> [Change] { self.byKey[key] ?? [] }

    /// Changes that are not durable, in their order.
    package var changes: some Collection<Change> { self.coming.lazy.map(\.change) }
}
