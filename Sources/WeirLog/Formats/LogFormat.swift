// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What fixes the bytes on disk. A change here is a new format version.
package enum LogFormat {
    package static let version: UInt32 = 2
    /// What this program reads. Segments, commits and snapshots of format 1 have the same forms; format 2 knows more
    /// kinds of events, and other forms of the catalog and the lease table in a snapshot.
    package static let versions: ClosedRange<UInt32> = 1...2
    package static var known: String { "\(Self.versions.lowerBound) to \(Self.versions.upperBound)" }
    /// Commits and headers begin at and are padded to this many bytes.
    package static let block = 4096
    /// Commits of one term in flight at once; numbers skipped at the start of a term exceed it by far.
    package static let depthMax = 2
    package static let termGap: UInt64 = 64
    /// No commit is longer: what closes one, and one request with the changes that waited for its commit.
    package static let commitBytesMax = Limits.commitBytes + Limits.frameBytesMax + (1 << 20)

    package static func padded(_ length: Int) -> Int { (length + Self.block - 1) / Self.block * Self.block }
}

/// A stored form that cannot be what was written.
package struct FormatError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
