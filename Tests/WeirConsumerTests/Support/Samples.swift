// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

func number(_ index: UInt64, shard: UInt32 = 0) -> SequenceNumber {
    SequenceNumber(shardCreationSecond: 1000, shard: ShardNumber(shard), index: index, arrivalSecond: 2000)
}

func record(_ index: UInt64, _ data: [UInt8], shard: UInt32 = 0) -> Record {
    Record(
        sequenceNumber: number(index, shard: shard), partitionKey: "key-\(index)", explicitHashKey: nil, data: data,
        approximateArrivalMillis: 2_000_500)
}

/// Through the record with this index.
func through(_ index: UInt64, sub: UInt64? = nil, shard: UInt32 = 0) -> LeaseCheckpoint {
    .sequenceNumber(number(index, shard: shard), subSequence: sub)
}

func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

/// Writes protobuf.
struct Message {
    private(set) var bytes: [UInt8] = []

    private mutating func number(_ value: UInt64) {
        var left = value
        while left >= 0x80 {
            self.bytes.append(UInt8(left & 0x7f) | 0x80)
            left >>= 7
        }
        self.bytes.append(UInt8(left))
    }

    mutating func varint(_ field: UInt64, _ value: UInt64) {
        self.number(field << 3)
        self.number(value)
    }

    mutating func bytes(_ field: UInt64, _ value: [UInt8]) {
        self.number(field << 3 | 2)
        self.number(UInt64(value.count))
        self.bytes += value
    }

    mutating func fixed64(_ field: UInt64) {
        self.number(field << 3 | 1)
        self.bytes += [UInt8](repeating: 7, count: 8)
    }

    mutating func fixed32(_ field: UInt64) {
        self.number(field << 3 | 5)
        self.bytes += [UInt8](repeating: 7, count: 4)
    }
}

/// Magic, message and digest.
func aggregated(_ message: [UInt8]) -> [UInt8] {
    let digest = message.withUnsafeBytes { HashKey(hashing: $0).value }
    return [0xf3, 0x89, 0x9a, 0xc2] + message + withUnsafeBytes(of: digest.bigEndian) { [UInt8]($0) }
}

/// The same numbers for the same seed.
struct Random: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
