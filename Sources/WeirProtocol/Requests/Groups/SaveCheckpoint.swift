// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Says how far a worker has processed a shard. Refused with `leaseLost` when the lease is not, or not any more, the
/// one that it was given.
///
/// ```
/// member | u32 shard | u64 counter | checkpoint
/// ```
package struct SaveCheckpoint: WireCall {
    package typealias Answer = Empty
    package static let type = FrameType.checkpoint

    package let member: Member
    package let shard: ShardNumber
    /// Of the lease as the worker was given it.
    package let counter: UInt64
    package let checkpoint: LeaseCheckpoint

    package init(member: Member, shard: ShardNumber, counter: UInt64, checkpoint: LeaseCheckpoint) {
        self.member = member
        self.shard = shard
        self.counter = counter
        self.checkpoint = checkpoint
    }

    package func validate() throws(WeirError) {
        try self.member.validate()
        if case .sequenceNumber(let number, _) = self.checkpoint {
            try ShardOfNumber.check(number, is: self.shard, "a checkpoint")
        }
    }

    package func encode(into writer: inout ByteWriter) {
        self.member.encode(into: &writer)
        writer.write(self.shard.rawValue)
        writer.write(self.counter)
        self.checkpoint.encode(into: &writer)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.member = try Member(reading: &reader)
        self.shard = ShardNumber(try reader.read())
        self.counter = try reader.read()
        self.checkpoint = try LeaseCheckpoint(reading: &reader)
    }
}
