// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirTestKit

/// What producers and readers do, and the lanes that all share.
struct LoadPlan: CustomStringConvertible {
    let lanes: Int
    let producers: Int
    let keysPerProducer: Int
    /// Puts of one producer without an answer.
    let window: Int
    let readers: Int
    let limits: RateLimits
    let readMemoryBytes: Int
    /// Milliseconds with trouble.
    let trouble: UInt64
    /// The longest wait of a read, in milliseconds.
    let pollMillis: Int
    let recordBytesMax: Int
    /// A put in so many milliseconds, for each producer.
    let pace: Int

    /// `isLong`: the history lasts longer than these alone would need.
    init(_ random: inout SplitMix64, isLong: Bool) {
        self.lanes = random.within(1...3)
        self.producers = random.within(1...4)
        self.keysPerProducer = random.within(1...4)
        self.window = random.pick([1, 2, 4, 8])
        self.readers = random.within(1...2)
        let isLimited = random.chance(2, of: 3)
        self.limits = RateLimits(
            bytesIn: isLimited && random.chance(1, of: 3) ? 4000 : nil,
            recordsIn: isLimited ? Int64(random.pick([5, 20, 100])) : nil, bytesOut: nil,
            readsOut: isLimited && random.chance(1, of: 4) ? 20 : nil)
        self.readMemoryBytes = random.pick([1 << 20, 3 << 20, 64 << 20])
        self.trouble = UInt64(random.within(2_000...8_000))
        self.pollMillis = random.pick([0, 50, 1000, 5000])
        self.recordBytesMax = random.pick([20, 60, 400])
        self.pace = random.pick(isLong ? [100, 300] : [5, 20, 100])
    }

    var description: String {
        "\(self.lanes) lanes, \(self.producers) producers with \(self.keysPerProducer) keys and \(self.window) puts "
            + "under way, one in \(self.pace) ms, \(self.readers) readers a shard that wait \(self.pollMillis) ms, "
            + "limits \(self.limits), \(self.readMemoryBytes >> 20) MiB for reads, "
            + "\(self.trouble) ms of trouble"
    }
}
