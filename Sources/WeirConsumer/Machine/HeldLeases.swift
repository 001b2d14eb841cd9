// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The leases of a worker by shard, with what is asked of all of them kept as sums: a worker may hold 10,000, and each
/// record that it processes asks.
struct HeldLeases: Sendable {
    /// How many leases are so.
    struct Counts: Equatable, Sendable {
        var usable = 0
        var busy = 0
        var resting = 0
        var failed = 0

        fileprivate mutating func count(_ lease: HeldLease?, _ sign: Int) {
            guard let lease else { return }
            if lease.isUsable { self.usable += sign }
            if lease.isBusy { self.busy += sign }
            guard case .resting(let outcome) = lease.stage else { return }
            self.resting += sign
            if outcome == .failed { self.failed += sign }
        }
    }

    private var byShard: [ShardNumber: HeldLease] = [:]
    private(set) var counts = Counts()
    /// No lease wants to be looked at before; `nil`: none does at all.
    private(set) var againAt: UInt64?

    var count: Int { self.byShard.count }
    /// In order of the shards.
    var shards: [ShardNumber] { self.byShard.keys.sorted() }

    subscript(shard: ShardNumber) -> HeldLease? {
        get { self.byShard[shard] }
        _modify {
            self.counts.count(self.byShard[shard], -1)
            defer {
                self.counts.count(self.byShard[shard], 1)
                if let next = self.byShard[shard]?.againAt { self.againAt = min(self.againAt ?? .max, next) }
            }
            yield &self.byShard[shard]
        }
    }

    mutating func removeAll() { self = HeldLeases() }

    /// Leases may want to be looked at later now, or not any more: looks at all of them.
    mutating func settleTimes() { self.againAt = self.byShard.values.compactMap(\.againAt).min() }
}
