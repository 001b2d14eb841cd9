// SPDX-License-Identifier: Apache-2.0

/// Which segments of a stream its maximum size takes. No I/O, no clock.
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

    package init(maxBytes: Int64, isShortOfSpace: Bool) {
        self.maxBytes = maxBytes
        self.kept = isShortOfSpace ? maxBytes / 2 : maxBytes
    }

    /// Whether a segment goes in which the stream takes `bytes`, and with it all before it. Newer ones hold `newer`.
    package func takes(_ bytes: Int64, behind newer: Int64) -> Bool {
        newer >= self.kept && newer + bytes > self.maxBytes
    }
}
