// SPDX-License-Identifier: Apache-2.0

/// What has become durable, how much of it the disk itself proves, and since when nothing has happened. A commit says
/// how far the ones before it were acknowledged, so the last one that holds anything is proven only by one behind it.
/// No I/O, no clock.
package struct LogActivity: Sendable {
    package struct Counters: Hashable, Sendable {
        package internal(set) var commits: UInt64 = 0
        package internal(set) var commitBytes: UInt64 = 0
        package internal(set) var batches: UInt64 = 0
    }

    /// Up to here the disk itself proves that it was acknowledged.
    private var proven: LSN
    /// The last acknowledged commit that held anything.
    package private(set) var lastContent: LSN
    private var lastNanos: UInt64
    package private(set) var counters = Counters()

    /// A term begins behind commit `cut`.
    package init(cut: LSN, nowNanos: UInt64) {
        self.proven = cut
        self.lastContent = cut
        self.lastNanos = nowNanos
    }

    /// A write has returned.
    package mutating func note(nowNanos: UInt64) { self.lastNanos = nowNanos }

    /// A commit is acknowledged.
    package mutating func acknowledged(_ header: CommitHeader) {
        self.proven = max(self.proven, header.acknowledged)
        if header.eventCount + header.batchCount > 0 { self.lastContent = header.lsn }
        self.counters.commits += 1
        self.counters.commitBytes += UInt64(header.paddedLength)
        self.counters.batches += UInt64(header.batchCount)
    }

    /// Whether something was acknowledged that no commit on the disk proves.
    package var isUnproven: Bool { self.proven < self.lastContent }

    /// Whether nothing has happened for `idleNanos`.
    package func isQuiet(nowNanos: UInt64, for idleNanos: UInt64) -> Bool { nowNanos >= self.lastNanos + idleNanos }
}
