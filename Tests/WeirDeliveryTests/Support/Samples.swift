// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirConsumer
import WeirDelivery
import WeirModel

enum Samples {
    static let shard = ShardNumber(3)

    static func number(_ index: UInt64) -> SequenceNumber {
        SequenceNumber(shardCreationSecond: 1000, shard: Self.shard, index: index, arrivalSecond: 2000)
    }

    /// One whose data is its index.
    static func record(_ index: UInt64, arrivalMillis: Int64) -> Record {
        Record(
            sequenceNumber: SequenceNumber(
                shardCreationSecond: 1000, shard: Self.shard, index: index,
                arrivalSecond: UInt64(arrivalMillis / 1000)),
            partitionKey: "k", explicitHashKey: nil,
            data: Array("\(index)".utf8), approximateArrivalMillis: arrivalMillis)
    }
}

/// The same numbers for the same seed.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { self.state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 1 }

    mutating func next() -> UInt64 {
        self.state ^= self.state << 13
        self.state ^= self.state >> 7
        self.state ^= self.state << 17
        return self.state &* 0x2545_f491_4f6c_dd1d
    }
}
