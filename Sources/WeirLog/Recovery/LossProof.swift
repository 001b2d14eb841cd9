// SPDX-License-Identifier: Apache-2.0

/// What a whole commit found further on says of a place where the history does not go on: whether commits that were
/// acknowledged stood there and cannot be read any more. No I/O.
///
/// A snapshot lists the uses of files that held commits up to its own. A use that it does not list, and in which no
/// commit is whole, held none of them: it was prepared and never used. That the segment behind it does not follow what
/// was read before it says nothing then, because the ones between them may have been dropped and used again.
package struct LossProof: Hashable, Sendable {
    /// What a commit at the very beginning of a later segment says.
    package enum Verdict: Hashable, Sendable {
        /// Nothing that was acknowledged is missing before it.
        case nothingMissing
        /// Something that was acknowledged is missing.
        case missing
        /// It does not say.
        case open
    }

    /// The commit of the snapshot that was loaded; `none` without one.
    private let covered: LSN
    /// The highest commit that was read.
    private let seen: LSN
    /// The last one that counts.
    private let last: CommitPoint
    /// The place is the beginning of a segment that no commit up to `covered` was written to.
    private let heldNothingCovered: Bool
    /// Nothing is missing here, whatever comes later: the snapshot lists the last commit of the file, and it was read.
    /// The segments behind it may have been dropped and used again, so that nothing there follows it.
    package let isExcluded: Bool

    /// `isListed`: the snapshot lists the use of the file in which the history stops, with the last commit `listedEnd`
    /// when it says one. `isBeginning`: it stops at the beginning of that file.
    package init(
        snapshot: CommitPoint?, seen: LSN, last: CommitPoint, isListed: Bool, listedEnd: LSN, isBeginning: Bool
    ) {
        self.covered = snapshot?.lsn ?? .none
        self.seen = seen
        self.last = last
        self.heldNothingCovered = isBeginning && !isListed
        self.isExcluded = listedEnd > .none && seen >= listedEnd
    }

    /// Whether a commit proves that something above what was seen had been acknowledged. What a snapshot covers was.
    package func isGiven(by header: CommitHeader) -> Bool {
        header.lsn <= self.covered || header.acknowledged > max(self.seen, self.covered)
    }

    /// Whether the footer of the segment in which the history stops proves it: it names the last commit that the
    /// segment held, and is written when that one is acknowledged.
    package func isGiven(by footer: SegmentFooter) -> Bool { footer.last.lsn > max(self.seen, self.last.lsn) }

    /// Judges by the first whole commit of a later segment, be it at its beginning or behind something unreadable.
    package func judge(laterSegmentWith header: CommitHeader, atBeginning: Bool) -> Verdict {
        // Numbers rise from segment to segment: what was here was covered too, and the snapshot says that nothing was.
        if self.heldNothingCovered, header.lsn <= self.covered { return .nothingMissing }
        if atBeginning, self.follows(header) { return .nothingMissing }
        return self.isGiven(by: header) ? .missing : .open
    }

    /// Whether a commit follows what was seen.
    private func follows(_ header: CommitHeader) -> Bool {
        header.lsn <= self.covered ? header.previous.lsn <= self.seen : header.previous == self.last
    }
}
