// SPDX-License-Identifier: Apache-2.0

/// What became of some records of a put, all for one shard.
package struct PutEntry: Hashable, Sendable {
    package enum Outcome: Hashable, Sendable {
        case stored(Position)
        case refused(WeirError.Code, WeirError.Verdict)
    }

    /// From which the client makes the sequence numbers of the records.
    package struct Position: Hashable, Sendable {
        package let firstIndex: UInt64
        package let arrivalMillis: Int64
        package let shardCreationSecond: UInt64

        package init(firstIndex: UInt64, arrivalMillis: Int64, shardCreationSecond: UInt64) {
            self.firstIndex = firstIndex
            self.arrivalMillis = arrivalMillis
            self.shardCreationSecond = shardCreationSecond
        }
    }

    package let shard: ShardNumber
    /// Records; at least 1.
    package let count: UInt32
    package let outcome: Outcome

    package init(shard: ShardNumber, count: UInt32, outcome: Outcome) {
        self.shard = shard
        self.count = count
        self.outcome = outcome
    }

    /// A refusal with the usual verdict of its code unless another is given.
    package init(shard: ShardNumber, count: UInt32, refused code: WeirError.Code, verdict: WeirError.Verdict? = nil) {
        self.init(shard: shard, count: count, outcome: .refused(code, verdict ?? code.usualVerdict))
    }

    /// The sequence number of the entry's record at `offset`; `nil` when it was refused or `offset` is outside.
    package func sequenceNumber(at offset: Int) -> SequenceNumber? {
        guard case .stored(let position) = self.outcome, offset >= 0, offset < Int(self.count) else { return nil }
        return SequenceNumber(
            shardCreationSecond: position.shardCreationSecond, shard: self.shard,
            index: position.firstIndex &+ UInt64(offset), arrivalSecond: UInt64(max(0, position.arrivalMillis)) / 1000)
    }
}
