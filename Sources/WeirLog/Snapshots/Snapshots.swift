// SPDX-License-Identifier: Apache-2.0

/// A snapshot file that is whole.
package struct SnapshotName: Hashable, Sendable {
    package let name: String
    /// The commit that it is of.
    package let lsn: LSN

    package init(name: String, lsn: LSN) {
        self.name = name
        self.lsn = lsn
    }
}

/// The snapshots of a log: those that are kept, and the one that is on its way. Its state is captured when its commit
/// closes, written when that commit is durable, and named by a later commit; only then older ones may go. `Captured` is
/// the state, which is not looked into. No I/O, no clock.
package struct Snapshots<Captured> {
    private enum Pending {
        case none
        /// Its commit is not durable yet.
        case captured(LSN, Captured)
        /// It may be written.
        case durable(Captured)
    }

    /// Whole ones, the oldest first.
    package private(set) var kept: [SnapshotName]
    /// Found unreadable at the start: they go when there are two whole ones again.
    private var damaged: [String]
    private var removals = Removals<String>()
    package private(set) var schedule = SnapshotSchedule()
    private var pending = Pending.none
    /// The commit that names the newest one.
    private var naming = LSN.none

    /// As a start has found them.
    package init(kept: [SnapshotName], damaged: [String]) {
        self.kept = kept
        self.damaged = damaged
    }

    // MARK: When

    /// Whether the next commit to be closed is the one that a snapshot is taken of.
    package var capturesNext: Bool { self.schedule.capturesNext }

    package mutating func demand() { self.schedule.demand() }
    package mutating func tick() {
        self.schedule.tick()
        self.removals.tick()
    }

    package mutating func hurry() { self.schedule.hurry() }

    // MARK: The one on its way

    /// Commit `lsn` has closed, and this is the state behind it.
    package mutating func capture(_ lsn: LSN, _ state: Captured) {
        self.schedule.captured()
        self.pending = .captured(lsn, state)
    }

    /// Commit `lsn` is durable. When a snapshot was taken of it, it may be written once `complete` has put in what is
    /// known only now.
    package mutating func settle(_ lsn: LSN, _ complete: (inout Captured) -> Void) {
        guard case .captured(lsn, var state) = self.pending else { return }
        complete(&state)
        self.pending = .durable(state)
    }

    /// What may be written and nobody writes yet.
    package var next: Captured? {
        if case .durable(let state) = self.pending { state } else { nil }
    }

    /// As `next`, and now somebody writes it.
    package mutating func take() -> Captured? {
        guard let state = self.next else { return nil }
        self.pending = .none
        self.schedule.began()
        return state
    }

    /// It is written. Commit `lsn` names it.
    package mutating func done(_ name: SnapshotName, namedBy lsn: LSN) {
        self.schedule.done()
        self.kept.append(name)
        self.kept.sort { $0.lsn < $1.lsn }
        self.naming = lsn
    }

    package mutating func failed() { self.schedule.failed() }

    // MARK: Those that are kept

    /// Names of files that are unlinked now: two are kept, and the newest is named by a durable commit.
    package mutating func takeOld(durable: LSN) -> [String] {
        if self.naming <= durable, self.kept.count >= 2 {
            self.removals.add(self.damaged + self.kept.dropLast(2).map(\.name))
            self.kept.removeFirst(self.kept.count - 2)
            self.damaged.removeAll()
        }
        return self.removals.take()
    }

    package mutating func oldRemoved() { _ = self.removals.done() }

    /// They are tried again.
    package mutating func oldNotRemoved() { self.removals.failed() }

    /// Everything up to here is in the older of the two that are kept, named durably.
    package func covered(durable: LSN) -> LSN {
        guard self.naming <= durable, self.kept.count >= 2 else { return .none }
        return self.kept[self.kept.count - 2].lsn
    }
}
