// SPDX-License-Identifier: Apache-2.0

/// Log sequence number: one per commit, rising, never used twice, with gaps where a term began.
package struct LSN: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// Before the first commit.
    package static let none = LSN(0)

    package var next: LSN { LSN(self.rawValue + 1) }
    package var description: String { "LSN \(self.rawValue)" }
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// A commit named by number and checksum: what a chain points back at.
package struct CommitPoint: Hashable, Sendable {
    package let lsn: LSN
    package let checksum: UInt32

    package init(lsn: LSN, checksum: UInt32) {
        self.lsn = lsn
        self.checksum = checksum
    }

    package static let origin = CommitPoint(lsn: .none, checksum: 0)
}
