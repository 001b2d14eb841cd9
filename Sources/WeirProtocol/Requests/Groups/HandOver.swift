// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A worker gives back a lease that it was asked for: its processor has finished and its last checkpoint is sent.
///
/// ```
/// member | u32 shard | u64 counter
/// ```
package struct HandOver: WireCall {
    package typealias Answer = Empty
    package static let type = FrameType.handOver

    package let member: Member
    package let shard: ShardNumber
    /// Of the lease as the worker was given it.
    package let counter: UInt64

    package init(member: Member, shard: ShardNumber, counter: UInt64) {
        self.member = member
        self.shard = shard
        self.counter = counter
    }

    package func validate() throws(WeirError) {
        try self.member.validate()
    }

    package func encode(into writer: inout ByteWriter) {
        self.member.encode(into: &writer)
        writer.write(self.shard.rawValue)
        writer.write(self.counter)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.member = try Member(reading: &reader)
        self.shard = ShardNumber(try reader.read())
        self.counter = try reader.read()
    }
}
