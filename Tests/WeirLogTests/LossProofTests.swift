// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirLog

/// What a commit in a later segment says of a place where nothing can be read.
@Suite struct LossProofTests {
    private static func commit(_ lsn: UInt64, after previous: UInt64, acknowledged: UInt64 = 0) -> CommitHeader {
        CommitHeader(
            logID: 1, term: 1, lsn: LSN(lsn), previous: CommitPoint(lsn: LSN(previous), checksum: UInt32(previous)),
            acknowledged: LSN(acknowledged), length: CommitHeader.bytes, eventsLength: 0, catalogVersion: 0,
            eventCount: 0, batchCount: 0, batchesLength: 0, useCount: 1, timeMillis: 0)
    }

    private static func point(_ lsn: UInt64) -> CommitPoint { CommitPoint(lsn: LSN(lsn), checksum: UInt32(lsn)) }

    /// A snapshot of commit 50 when there is one; commits up to `seen` were read.
    private static func proof(
        snapshot: Bool = true, seen: UInt64, isListed: Bool = true, end: UInt64 = 0, isBeginning: Bool = true
    ) -> LossProof {
        LossProof(
            snapshot: snapshot ? Self.point(50) : nil, seen: LSN(seen),
            last: Self.point(snapshot ? max(seen, 50) : seen),
            isListed: isListed, listedEnd: LSN(end), isBeginning: isBeginning)
    }

    @Test func aSegmentThatTheSnapshotDoesNotListHeldNothingThatItCovers() {
        // Commits 21 to 30 were dropped with their file; 31 stands in a later one.
        let later = Self.commit(31, after: 30)
        #expect(
            Self.proof(seen: 20, isListed: false).judge(laterSegmentWith: later, atBeginning: true) == .nothingMissing)
        #expect(
            Self.proof(seen: 20, isListed: false).judge(laterSegmentWith: later, atBeginning: false) == .nothingMissing)
    }

    /// Commits up to `seen` were read; the snapshot says that the segment ends with `end`, or does not say.
    @Test(arguments: [
        (20, 0, false), (20, 19, true), (20, 20, true), (20, 21, false), (0, 0, false), (0, 1, false), (50, 50, true),
    ])
    func aSegmentThatWasReadUpToItsListedEndMissesNothing(_ seen: UInt64, _ end: UInt64, _ isExcluded: Bool) {
        #expect(Self.proof(seen: seen, end: end, isBeginning: false).isExcluded == isExcluded)
    }

    @Test func aListedSegmentWithoutAWholeCommitIsDamaged() {
        let later = Self.commit(31, after: 30)
        #expect(Self.proof(seen: 20).judge(laterSegmentWith: later, atBeginning: true) == .missing)
    }

    @Test func whereCommitsWereReadTheListSaysNothing() {
        let later = Self.commit(31, after: 30)
        let proof = Self.proof(seen: 20, isListed: false, isBeginning: false)
        #expect(proof.judge(laterSegmentWith: later, atBeginning: true) == .missing)
    }

    @Test func whatFollowsWhatWasReadMissesNothing() {
        #expect(
            Self.proof(seen: 30).judge(laterSegmentWith: Self.commit(31, after: 30), atBeginning: true)
                == .nothingMissing)
        #expect(
            Self.proof(seen: 50).judge(laterSegmentWith: Self.commit(51, after: 50), atBeginning: true)
                == .nothingMissing)
        #expect(
            Self.proof(snapshot: false, seen: 7)
                .judge(laterSegmentWith: Self.commit(71, after: 7), atBeginning: true) == .nothingMissing)
    }

    /// Above the snapshot the chain decides, whatever the list says.
    @Test(arguments: [false, true]) func aboveTheSnapshotOnlyAnAcknowledgementProvesLoss(isListed: Bool) {
        let proof = Self.proof(seen: 50, isListed: isListed)
        #expect(
            proof.judge(laterSegmentWith: Self.commit(61, after: 60, acknowledged: 60), atBeginning: true) == .missing)
        #expect(proof.judge(laterSegmentWith: Self.commit(61, after: 60, acknowledged: 50), atBeginning: true) == .open)
        // The right number with another checksum is another commit.
        var other = Self.commit(51, after: 50, acknowledged: 50)
        other.previous = CommitPoint(lsn: LSN(50), checksum: 1)
        #expect(proof.judge(laterSegmentWith: other, atBeginning: true) == .open)
    }

    /// Every combination: loss is never proven by what a snapshot says was not there, and never missed where it lists.
    @Test func allPlacesAndCommits() {
        for seen in [0, 20, 49, 50, 51, 60] as [UInt64] {
            for lsn in [21, 49, 50, 51, 52, 61, 62] as [UInt64] where lsn > seen {
                for acknowledged in [0, 20, 50, 51, 60] as [UInt64] where acknowledged < lsn {
                    let header = Self.commit(lsn, after: lsn - 1, acknowledged: acknowledged)
                    for listed in [false, true] {
                        let verdict = Self.proof(seen: seen, isListed: listed)
                            .judge(laterSegmentWith: header, atBeginning: true)
                        let follows = lsn - 1 <= seen || (lsn > 50 && lsn - 1 == max(seen, 50))
                        switch verdict {
                        case .nothingMissing: #expect(follows || (!listed && lsn <= 50))
                        case .missing: #expect(!follows && (lsn <= 50 ? listed : acknowledged > max(seen, 50)))
                        case .open: #expect(!follows && lsn > 50 && acknowledged <= max(seen, 50))
                        }
                    }
                }
            }
        }
    }
}
