// SPDX-License-Identifier: Apache-2.0

/// Which commits of older terms are void: each term names the last valid commit at its start (its cut), and whatever an
/// older term holds after it never happened.
package struct TermCuts: Sendable {
    private var cuts: [(term: UInt64, cut: LSN)]

    package init(_ headers: [SegmentHeader]) {
        var byTerm: [UInt64: LSN] = [:]
        for header in headers { byTerm[header.term] = header.cut.lsn }
        self.cuts = byTerm.map { (term: $0.key, cut: $0.value) }.sorted { $0.term < $1.term }
    }

    package var newestTerm: UInt64 { self.cuts.last?.term ?? 0 }

    /// A commit is void when a newer term began before it.
    package func isVoid(_ lsn: LSN, term: UInt64) -> Bool {
        self.cuts.contains { $0.term > term && $0.cut < lsn }
    }
}
