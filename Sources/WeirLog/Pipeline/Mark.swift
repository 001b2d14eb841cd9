// SPDX-License-Identifier: Apache-2.0

/// From when on a result may be told: when the commit is durable that holds the last thing it was computed from.
///
/// A position of one log in one term. Nobody outside the log compares two of them: the same number means one thing
/// before a failed write and another after it. Only a `Watermark` judges whether a mark is reached.
package struct Mark: Hashable, Sendable, CustomStringConvertible {
    let log: UInt64
    let term: UInt64
    let lsn: LSN

    package init(log: UInt64, term: UInt64, lsn: LSN) {
        self.log = log
        self.term = term
        self.lsn = lsn
    }

    /// Of a result that depends on nothing in the log: it may be told at once.
    package static let none = Mark(log: 0, term: 0, lsn: .none)

    /// Whether it settles before the other. For the order of what waits; it does not say whether one may be told.
    package func precedes(_ other: Mark) -> Bool { (self.term, self.lsn) < (other.term, other.lsn) }

    /// For a result that depends on both. They come from one look at the log, so from one term.
    package func joined(_ other: Mark) -> Mark {
        if other.lsn == .none { return self }
        if self.lsn == .none { return other }
        precondition(
            self.log == other.log && self.term == other.term, "\(self) and \(other) come from two looks at the log")
        return self.lsn < other.lsn ? other : self
    }

    package var description: String { self.lsn == .none ? "no mark" : "\(self.lsn) of term \(self.term)" }
}

/// How far a log is durable, and therefore what may be told. Read it together with the result that it is to judge.
///
/// A term ends with a failed write. What of it lay above its last watermark is lost for ever, although its commit may
/// have reached the disk and count in the next term: its outcome was unknown, and that was told.
package struct Watermark: Hashable, Sendable, CustomStringConvertible {
    /// The last watermark of a term that is over.
    package struct End: Hashable, Sendable {
        let term: UInt64
        let lsn: LSN
    }

    package enum Verdict: Hashable, Sendable {
        /// It may be told.
        case reached
        /// It may be told later, or it will be lost.
        case pending
        /// It is never told: nobody knows its outcome.
        case lost
    }

    /// What a newer watermark brought.
    package enum News: Hashable, Sendable {
        case nothing
        /// More may be told, and nothing is lost.
        case rose
        /// A term is over: some of what waited is lost.
        case ended
    }

    let log: UInt64
    let term: UInt64
    let lsn: LSN
    /// A write of the term has failed: `lsn` is its last.
    let isOver: Bool
    /// The term before, in the same process.
    let before: End?

    package init(log: UInt64, term: UInt64, lsn: LSN, isOver: Bool = false, before: End? = nil) {
        self.log = log
        self.term = term
        self.lsn = lsn
        self.isOver = isOver
        self.before = before
    }

    /// What the next term must know of this one.
    package var end: End { End(term: self.term, lsn: self.lsn) }

    package func judge(_ mark: Mark) -> Verdict {
        if mark.lsn == .none { return .reached }
        // Of a log that this one knows nothing of.
        guard mark.log == self.log else { return .lost }
        if mark.term > self.term { return .pending }
        if mark.term == self.term {
            if mark.lsn <= self.lsn { return .reached }
            return self.isOver ? .lost : .pending
        }
        // Of a term long over nothing is known any more: it is not told rather than told wrongly.
        guard let before, before.term == mark.term else { return .lost }
        return mark.lsn <= before.lsn ? .reached : .lost
    }

    /// Whether both speak of one term, and agree whether it is over.
    package func isInStep(with other: Watermark) -> Bool {
        self.log == other.log && self.term == other.term && self.isOver == other.isOver
    }

    /// Takes over what another knows more, in whatever order they come.
    package mutating func advance(to other: Watermark) -> News {
        guard other.log == self.log, other.term >= self.term else { return .nothing }
        if other.term > self.term {
            let wasKnownToEnd = self.isOver && other.before == self.end && !other.isOver
            self = other
            return wasKnownToEnd ? .rose : .ended
        }
        if self.isOver { return .nothing }
        if other.isOver {
            self = other
            return .ended
        }
        guard other.lsn > self.lsn else { return .nothing }
        self = other
        return .rose
    }

    package var description: String { "\(self.lsn) of term \(self.term)" + (self.isOver ? ", which is over" : "") }
}

/// Where the state lies that a log tells of, in one term: by this, marks are made.
package struct TermPositions: Sendable {
    package let log: UInt64
    package let term: UInt64
    /// The last valid commit when the term began.
    package let cut: CommitPoint
    /// The term before, in the same process.
    package var before: Watermark.End?
    /// The last event of the catalog.
    package var catalog: LSN
    /// The last change of the lease table.
    package var leases: LSN
    /// The last commit whose records were looked at, durable or not, since `beginLook`.
    private var looked = LSN.none

    package init(log: UInt64, term: UInt64, cut: CommitPoint) {
        self.log = log
        self.term = term
        self.cut = cut
        self.catalog = cut.lsn
        self.leases = cut.lsn
    }

    /// From here on it is noted what is looked at.
    package mutating func beginLook() { self.looked = .none }

    /// Somebody sees what the records of commit `lsn` have changed, before it is durable.
    package mutating func look(at lsn: LSN) { self.looked = max(self.looked, lsn) }

    package func mark(_ lsn: LSN) -> Mark { Mark(log: self.log, term: self.term, lsn: lsn) }

    /// For what was computed from the lease table, the catalog, and the records that were looked at.
    package var lookMark: Mark { self.mark(max(self.leases, self.catalog, self.looked)) }

    package func watermark(_ lsn: LSN, isOver: Bool) -> Watermark {
        Watermark(log: self.log, term: self.term, lsn: lsn, isOver: isOver, before: self.before)
    }
}
