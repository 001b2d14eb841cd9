// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel

/// The admission of every shard that was used lately.
///
/// It forgets what it can afford to: buckets that are full again are the same as new ones. So the table holds the
/// shards in use, whatever becomes of the others, and a shard that was deleted or has expired leaves by itself.
package struct AdmissionTable: Sendable {
    private var shards: [ShardRef: ShardAdmission] = [:]
    private var sweepAt: Int
    private let sweepAtLeast: Int

    /// `sweepAtLeast`: entries below which nothing is looked through.
    package init(sweepAtLeast: Int = 1024) {
        self.sweepAtLeast = sweepAtLeast
        self.sweepAt = sweepAtLeast
    }

    package var count: Int { self.shards.count }

    /// Runs `body` on the admission of `shard` under the stream's settings as they are now.
    package mutating func with<R>(
        _ shard: ShardRef, _ settings: StreamSettings, nowNanos: UInt64, _ body: (inout ShardAdmission) -> R
    ) -> R {
        if self.shards.count >= self.sweepAt { self.sweep(nowNanos: nowNanos) }
        return Self.run(
            &self.shards[shard, default: ShardAdmission(settings, nowNanos: nowNanos)], settings, nowNanos, body)
    }

    private static func run<R>(
        _ admission: inout ShardAdmission, _ settings: StreamSettings, _ nowNanos: UInt64,
        _ body: (inout ShardAdmission) -> R
    ) -> R {
        admission.follow(settings, nowNanos: nowNanos)
        return body(&admission)
    }

    package mutating func removeAll(of stream: StreamID) {
        self.shards = self.shards.filter { $0.key.stream != stream }
    }

    /// Looking through all costs as much as the entries that were added since the last time.
    private mutating func sweep(nowNanos: UInt64) {
        self.shards = self.shards.filter { !$0.value.isUnused(nowNanos: nowNanos) }
        self.sweepAt = max(self.sweepAtLeast, self.shards.count * 2)
    }
}
