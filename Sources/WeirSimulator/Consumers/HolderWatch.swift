// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirTestKit

/// How long nobody has taken care of a shard although somebody was there who could.
struct HolderWatch {
    private var since: [ShardNumber: UInt64] = [:]

    /// The server was away: whoever was late then has time again.
    mutating func reset() { self.since.removeAll() }

    /// `unheld`: eligible shards that no living worker holds.
    mutating func look(_ unheld: [ShardNumber], now: UInt64, atMost: UInt64) throws(Violation) {
        let old = self.since
        self.since.removeAll(keepingCapacity: true)
        for shard in unheld {
            let start = old[shard] ?? now
            self.since[shard] = start
            guard now - start <= atMost else {
                throw Violation("nobody has held \(shard) for \(now - start) ms, and a worker is there")
            }
        }
    }
}
