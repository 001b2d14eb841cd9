// SPDX-License-Identifier: Apache-2.0

/// The external number of a record, in Kinesis' layout, version 2 (docs/kinesis-semantics.md, Sequence numbers):
/// 188 bits, of which the two highest are 0, as decimal text.
///
/// Inside Weir a record is its `index` in the shard. The layout puts the creation second of the shard first, so a
/// child, created later than every parent, numbers strictly above them; within a shard the index decides.
public struct SequenceNumber: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// When the shard was created, in seconds since 1970; 36 bits.
    public let shardCreationSecond: UInt64
    public let shard: ShardNumber
    /// Position in the shard's lineage, from 0; at most 2^63 - 1, which marks the end of a closed shard.
    public let index: UInt64
    /// When the record arrived, in seconds since 1970; 36 bits. Never below the creation second: after quick splits
    /// that may lie ahead of the clock, and a record must not number below its shard's start.
    public let arrivalSecond: UInt64

    public static let endIndex: UInt64 = 0x7fff_ffff_ffff_ffff

    public init(shardCreationSecond: UInt64, shard: ShardNumber, index: UInt64, arrivalSecond: UInt64) {
        self.shardCreationSecond = shardCreationSecond & 0xf_ffff_ffff
        self.shard = shard
        self.index = index & Self.endIndex
        self.arrivalSecond = max(arrivalSecond, shardCreationSecond) & 0xf_ffff_ffff
    }

    /// The number as words of 64 bits, most significant first. From the top: marker 2 (4 bits), creation second (36),
    /// low nibble of the shard (4), index (64), zero (8), arrival second (36), shard (32), version 2 (4).
    var words: (UInt64, UInt64, UInt64) {
        let shard = UInt64(self.shard.rawValue)
        let leading: UInt64 = 2 << 40 | self.shardCreationSecond << 4 | (shard & 0xf)
        return (
            leading << 16 | self.index >> 48,
            self.index << 16 | self.arrivalSecond >> 28,
            self.arrivalSecond << 36 | shard << 4 | 2
        )
    }

    public var description: String {
        var (high, middle, low) = self.words
        let chunk: UInt64 = 1_000_000_000_000_000_000
        var chunks: [UInt64] = []
        while high != 0 || middle != 0 || low != 0 {
            let first = high.quotientAndRemainder(dividingBy: chunk)
            let second = chunk.dividingFullWidth((first.remainder, middle))
            let third = chunk.dividingFullWidth((second.remainder, low))
            (high, middle, low) = (first.quotient, second.quotient, third.quotient)
            chunks.append(third.remainder)
        }
        var text = String(chunks.last ?? 0)
        for chunk in chunks.dropLast().reversed() {
            let digits = String(chunk)
            text += String(repeating: "0", count: 18 - digits.utf8.count) + digits
        }
        return text
    }

    public init(parsing text: String) throws(WeirError) {
        guard let number = Self.parse(text) else {
            throw WeirError(
                .invalidArgument,
                "sequence number '\(text.prefix(140))' is not one that this service gives out")
        }
        self = number
    }

    private static func parse(_ text: String) -> SequenceNumber? {
        guard text.utf8.count == 56, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        var (high, middle, low): (UInt64, UInt64, UInt64) = (0, 0, 0)
        for digit in text.utf8 {
            let a = low.multipliedFullWidth(by: 10)
            let b = middle.multipliedFullWidth(by: 10)
            let (low1, carry1) = a.low.addingReportingOverflow(UInt64(digit - 48))
            let (middle1, carry2) = b.low.addingReportingOverflow(a.high + (carry1 ? 1 : 0))
            let c = high.multipliedFullWidth(by: 10)
            let (high1, carry3) = c.low.addingReportingOverflow(b.high + (carry2 ? 1 : 0))
            guard c.high == 0, !carry3 else { return nil }
            (high, middle, low) = (high1, middle1, low1)
        }
        let shard = (low >> 4) & 0xffff_ffff
        let leading = high >> 16
        let number = SequenceNumber(
            shardCreationSecond: (leading >> 4) & 0xf_ffff_ffff,
            shard: ShardNumber(UInt32(shard)),
            index: (high & 0xffff) << 48 | middle >> 16,
            arrivalSecond: (middle & 0xff) << 28 | low >> 36)
        // Every bit must be accounted for, or the text was made by something else.
        return number.words == (high, middle, low) ? number : nil
    }

    /// Comparable only within one lineage; equal shards compare by index.
    public static func < (left: Self, right: Self) -> Bool {
        left.words < right.words
    }
}
