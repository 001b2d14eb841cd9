// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Bytes a second of each shard, for the server's balance, which smooths what it is told. Says only what has changed:
/// as often as it takes until the server's figure is as good as the measured one. Pure.
struct DeliveryRates: Sendable {
    /// Shorter times say nothing.
    static let shortestNanos: UInt64 = 500_000_000
    /// The server takes the mean of what it knew and what it hears: behind so many it is off by a 16th of the change.
    static let repeats = 4
    /// Bytes a second that make no difference to the balance, which counts each lease as as much.
    static let indifferent: UInt64 = 1024

    private struct Shard {
        var bytes: UInt64 = 0
        /// The rate that is told; `nil`: not measured yet.
        var told: UInt64?
        /// How often it is still to be told.
        var left = DeliveryRates.repeats

        mutating func measure(_ rate: UInt64) {
            if let told, max(told, rate) - min(told, rate) <= max(DeliveryRates.indifferent, told / 8) { return }
            self.told = rate
            self.left = DeliveryRates.repeats
        }
    }

    private var shards: [ShardNumber: Shard] = [:]
    private var since: UInt64?

    mutating func add(_ shard: ShardNumber, bytes: UInt64) { self.shards[shard, default: Shard()].bytes += bytes }

    mutating func forget(_ shard: ShardNumber) { self.shards[shard] = nil }

    /// What a heartbeat that is sent now says.
    mutating func measure(now: UInt64) -> [(shard: ShardNumber, bytesPerSecond: UInt64)] {
        guard let since else {
            self.since = now
            return []
        }
        let elapsed = now - since
        guard elapsed >= Self.shortestNanos else { return [] }
        self.since = now
        var news: [(shard: ShardNumber, bytesPerSecond: UInt64)] = []
        for number in self.shards.keys.sorted() {
            guard var shard = self.shards[number] else { continue }
            shard.measure(UInt64(Double(shard.bytes) * 1e9 / Double(elapsed)))
            shard.bytes = 0
            if let told = shard.told, shard.left > 0 {
                shard.left -= 1
                news.append((number, told))
            }
            self.shards[number] = shard
        }
        return news
    }

    /// The server may not have heard what was said, or has begun anew.
    mutating func tellAgain() {
        for shard in self.shards.keys { self.shards[shard]?.left = Self.repeats }
    }
}
