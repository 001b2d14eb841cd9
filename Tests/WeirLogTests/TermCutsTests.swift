// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirLog

/// A commit counts only when no newer term began before it.
@Suite struct TermCutsTests {
    /// Terms 1, 2 and 4: the second kept commits up to 10, the fourth up to 80.
    static let cuts = TermCuts(
        [(1, 0), (1, 0), (2, 10), (4, 80), (4, 80)].map { header(term: $0, cut: $1) })

    static func header(term: UInt64, cut: UInt64) -> SegmentHeader {
        SegmentHeader(
            logID: 1, file: 1, useCount: 1, order: 1, size: 1, term: term,
            cut: CommitPoint(lsn: LSN(cut), checksum: 0))
    }

    @Test(
        arguments: [
            (1, 1, false), (10, 1, false), (11, 1, true), (70, 1, true), (1000, 1, true),
            (74, 2, false), (80, 2, false), (81, 2, true),
            // A term of which no header is left is cut like the others.
            (80, 3, false), (81, 3, true),
            (81, 4, false), (1000, 4, false), (1000, 5, false),
        ] as [(UInt64, UInt64, Bool)])
    func aCommitAboveANewerCutIsVoid(_ lsn: UInt64, _ term: UInt64, _ isVoid: Bool) {
        #expect(Self.cuts.isVoid(LSN(lsn), term: term) == isVoid)
    }

    @Test func alsoACutThatLiesBelowAnOlderOneCuts() {
        let cuts = TermCuts([(1, 0), (2, 10), (3, 5)].map { Self.header(term: $0, cut: $1) })
        #expect(cuts.isVoid(LSN(7), term: 1))
        #expect(cuts.isVoid(LSN(7), term: 2))
        #expect(!cuts.isVoid(LSN(5), term: 1))
        #expect(!cuts.isVoid(LSN(7), term: 3))
    }

    @Test func theNewestTermIsTheHighest() {
        #expect(Self.cuts.newestTerm == 4)
        #expect(TermCuts([]).newestTerm == 0)
        #expect(!TermCuts([]).isVoid(LSN(1), term: 0))
    }

    @Test func numbersOfCommitsAreOrdered() {
        #expect(LSN.none < LSN(1))
        #expect(LSN(9).next == LSN(10))
        #expect("\(LSN(640))" == "LSN 640")
        #expect(CommitPoint.origin == CommitPoint(lsn: .none, checksum: 0))
    }
}
