// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirTestKit

/// How long nobody has taken care of a shard although somebody was there who could.
struct HolderWatch {
    private var since: [LeaseAuditor.Hold: UInt64] = [:]

    /// The server was away: whoever was late then has time again.
    mutating func reset() { self.since.removeAll() }

    /// The holder of these was awake when it died: the server may have heard of it just before, so its silence counts
    /// from now on.
    mutating func heard(_ shards: Set<ShardNumber>) {
        self.since = self.since.filter { !shards.contains($0.key.shard) }
    }

    /// `unheld`: eligible leases that no living worker holds. Whoever gets one and dies has a timeout of their own.
    mutating func look(_ unheld: [LeaseAuditor.Hold], now: UInt64, atMost: UInt64) throws(Violation) {
        let old = self.since
        self.since.removeAll(keepingCapacity: true)
        for hold in unheld {
            let start = old[hold] ?? now
            self.since[hold] = start
            guard now - start <= atMost else {
                throw Violation("nobody has held \(hold.shard) for \(now - start) ms, and a worker is there")
            }
        }
    }
}
