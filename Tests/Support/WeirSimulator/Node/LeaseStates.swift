// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// What the lease table was, change by change. After a recovery it is what it was at the last commit that counts.
struct LeaseStates {
    private struct State {
        /// The change began in this commit and ended in `lsn`: what lies between was seen by nobody.
        let from: LSN
        let lsn: LSN
        let bytes: [UInt8]
    }

    private var states: [State] = []

    mutating func add(_ bytes: [UInt8], from: LSN, to lsn: LSN) {
        if let last = self.states.last, last.lsn == lsn, last.bytes == bytes { return }
        self.states.append(State(from: min(from, lsn), lsn: lsn, bytes: bytes))
    }

    /// Nothing goes back behind this commit.
    mutating func durable(_ lsn: LSN) {
        guard let newest = self.states.lastIndex(where: { $0.lsn <= lsn }), newest > 0 else { return }
        self.states.removeFirst(newest)
    }

    /// A recovery ended in this commit: the state that must be there, when it was seen.
    mutating func recovered(at cut: LSN, _ bytes: [UInt8]) -> Bool {
        defer { self.states = [State(from: cut, lsn: cut, bytes: bytes)] }
        guard !self.states.contains(where: { $0.from <= cut && cut < $0.lsn }),
            let expected = self.states.last(where: { $0.lsn <= cut })
        else { return true }
        return expected.bytes == bytes
    }
}

extension SimNode {
    /// Something changes streams or leases, before the eyes of the judges. It may be refused.
    func change(_ command: CatalogCommand, _ body: () throws(WeirError) -> Void) throws(Violation) {
        self.core.watchClock(self.moment)
        self.noteGivenUp(command)
        try self.change(what: "\(command)", body)
        self.noteCatalog()
    }

    func change(_ command: LeaseCommand, _ body: () throws(WeirError) -> Void) throws(Violation) {
        try self.change(what: "\(command)", body)
    }

    func change(what: @autoclosure () -> String, _ body: () throws(WeirError) -> Void) throws(Violation) {
        let before = self.leasesBefore
        defer { self.noteLeases(since: before) }
        do throws(WeirError) {
            try body()
            self.trace.note("\(what()), \(self.core.headLSN)")
        } catch {
            self.trace.note("\(what()) refused: \(error)")
            guard ![.internalFailure, .damaged].contains(error.code) else { throw Violation("\(what()): \(error)") }
        }
    }

    /// Where a change that comes now begins at the earliest.
    var leasesBefore: (lsn: LSN, version: UInt64) { (self.core.openLSN, self.core.catalog.version) }

    /// The lease table as it is now will be on the disk with its last change.
    func noteLeases(since before: (lsn: LSN, version: UInt64)) {
        guard self.plan.hasLeases else { return }
        let lsn = self.core.leaseLSN
        // More than one event may lie in more than one commit.
        let from = self.core.catalog.version > before.version + 1 ? before.lsn : lsn
        self.tellings.leases.add(self.core.leases.encodeSnapshot(), from: from, to: lsn)
    }

    func checkLeases() throws(Violation) {
        guard self.plan.hasLeases else { return }
        guard self.tellings.leases.recovered(at: self.core.cut.lsn, self.core.leases.encodeSnapshot()) else {
            throw Violation("after a recovery up to \(self.core.cut.lsn) the lease table is not what it was then")
        }
    }
}
