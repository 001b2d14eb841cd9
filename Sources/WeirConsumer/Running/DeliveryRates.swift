// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Bytes a second of each shard, for the server's balance. Pure.
struct DeliveryRates: Sendable {
    /// Shorter times say nothing; what was measured before is said again.
    static let shortestNanos: UInt64 = 500_000_000

    private var bytes: [ShardNumber: UInt64] = [:]
    private var since: UInt64?
    private var measured: [(shard: ShardNumber, bytesPerSecond: UInt64)] = []

    mutating func add(_ shard: ShardNumber, bytes: UInt64) { self.bytes[shard, default: 0] += bytes }

    mutating func forget(_ shard: ShardNumber) {
        self.bytes[shard] = nil
        self.measured.removeAll { $0.shard == shard }
    }

    mutating func measure(now: UInt64) -> [(shard: ShardNumber, bytesPerSecond: UInt64)] {
        guard let since else {
            self.since = now
            return []
        }
        let elapsed = now - since
        guard elapsed >= Self.shortestNanos else { return self.measured }
        self.measured = self.bytes.keys.sorted().map { shard in
            (shard, UInt64(Double(self.bytes[shard] ?? 0) * 1e9 / Double(elapsed)))
        }
        for shard in self.bytes.keys { self.bytes[shard] = 0 }
        self.since = now
        return self.measured
    }
}
