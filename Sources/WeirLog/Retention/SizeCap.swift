// SPDX-License-Identifier: Apache-2.0

/// Which segments of a stream its maximum size takes, asked from the newest to the oldest. No I/O, no clock.
///
/// Records go a whole segment at a time, so a cap that held to the byte would take the newest ones too when a single
/// segment is larger than it. A segment goes when what is newer fills the cap by itself, as in Kafka: a reader finds at
/// least the newest `maxBytes`, and the disk holds them and at most one segment more. Where the log has no room for
/// another segment nothing newer can come that would fill it; then half of the cap is enough, so that a full log with
/// capped streams goes on.
package struct SizeCap: Sendable {
    /// A segment goes when newer ones hold this many bytes.
    private let kept: Int64
    private let maxBytes: Int64
    private var newer: Int64 = 0

    package init(maxBytes: Int64, isShortOfSpace: Bool) {
        self.maxBytes = maxBytes
        self.kept = isShortOfSpace ? maxBytes / 2 : maxBytes
    }

    /// Whether the next older segment goes, in which the stream takes `bytes`, and with it all before it.
    package mutating func takesNext(_ bytes: Int64) -> Bool {
        defer { self.newer += bytes }
        return self.newer >= self.kept && self.newer + bytes > self.maxBytes
    }
}
