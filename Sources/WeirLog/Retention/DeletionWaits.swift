// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// From when on the records of a stream may be deleted for good, and when to look for such. No I/O, no clock.
///
/// What age hides is deleted later than it is hidden, by a tenth of the retention and at most an hour: a retention that
/// was lowered by mistake can be raised again. What an operator trimmed goes at once. A horizon that a start finds in
/// the catalog waits once more, counted from the start, because nobody knows who raised it.
package struct DeletionWaits: Sendable {
    /// Between two looks, in nanoseconds.
    package static let lookNanos: UInt64 = 1_000_000_000
    /// The longest wait, in milliseconds.
    package static let graceMillisMax: Int64 = 3_600_000

    /// Up to where trims of this run have hidden, in milliseconds since 1970.
    private var trimmed: [StreamID: Int64] = [:]
    /// Stored horizons as the run found them.
    private var found: [StreamID: Int64] = [:]
    private let foundNanos: UInt64
    /// When it was last looked.
    package private(set) var lastLookNanos: UInt64 = 0
    private var isDemanded = false

    /// A run begins at `nanos` of the monotonic clock with these horizons.
    package init(found: [StreamID: Int64], nanos: UInt64) {
        self.found = found
        self.foundNanos = nanos
    }

    /// How much later than hiding age deletes, in milliseconds.
    package static func graceMillis(retentionMillis: Int64) -> Int64 { min(graceMillisMax, retentionMillis / 10) }

    // MARK: When to look

    /// Something may have become deletable: the next look is due at once.
    package mutating func demand() { self.isDemanded = true }

    package func isDue(nowNanos: UInt64) -> Bool {
        self.isDemanded || nowNanos >= self.lastLookNanos + Self.lookNanos
    }

    package mutating func look(nowNanos: UInt64) {
        self.isDemanded = false
        self.lastLookNanos = nowNanos
    }

    // MARK: What may go

    /// An operator hid what arrived before.
    package mutating func trim(_ stream: StreamID, before millis: Int64) {
        self.trimmed[stream] = max(self.trimmed[stream] ?? .min, millis)
    }

    /// A deleted stream has nothing that waits.
    package mutating func forget(_ stream: StreamID) {
        self.trimmed[stream] = nil
        self.found[stream] = nil
    }

    /// Records of the stream that arrived before this may be deleted, as of the last look. `destroyingMillis`: the
    /// time that destroying goes by.
    package func deletableBefore(_ stream: StreamID, retentionMillis: Int64, destroyingMillis: Int64) -> Int64 {
        let grace = Self.graceMillis(retentionMillis: retentionMillis)
        let since = self.lastLookNanos - min(self.lastLookNanos, self.foundNanos)
        let found = since / 1_000_000 >= UInt64(max(0, grace)) ? self.found[stream] ?? 0 : 0
        return max(self.trimmed[stream] ?? 0, found, destroyingMillis - retentionMillis - grace)
    }

    /// Streams of which something is kept.
    package var count: Int { Set(self.trimmed.keys).union(self.found.keys).count }
}
