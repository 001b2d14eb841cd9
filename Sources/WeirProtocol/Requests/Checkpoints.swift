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

/// Says what a worker keeps with its lease, in the place of what has that checksum. Refused with `leaseLost` when
/// the lease is not, or not any more, the one that it was given.
///
/// ```
/// member | u32 shard | u64 counter | u32 checksum of what it replaces | u32 length | bytes
/// ```
package struct SaveLeaseState: WireCall {
    package typealias Answer = Empty
    package static let type = FrameType.saveLeaseState

    package let member: Member
    package let shard: ShardNumber
    /// Of the lease as the worker was given it.
    package let counter: UInt64
    /// `LeaseState.checksum` of what is kept now.
    package let replaces: UInt32
    /// At most `Limits.leaseStateBytesMax`; empty: nothing any more.
    package let state: [UInt8]

    package init(member: Member, shard: ShardNumber, counter: UInt64, replaces: UInt32, state: [UInt8]) {
        self.member = member
        self.shard = shard
        self.counter = counter
        self.replaces = replaces
        self.state = state
    }

    package func validate() throws(WeirError) {
        try self.member.validate()
        guard self.state.count <= Limits.leaseStateBytesMax else {
            throw WeirError(
                .limitExceeded,
                "\(self.state.count) bytes cannot be kept with a lease; at most \(Limits.leaseStateBytesMax) can")
        }
    }

    package func encode(into writer: inout ByteWriter) {
        self.member.encode(into: &writer)
        writer.write(self.shard.rawValue)
        writer.write(self.counter)
        writer.write(self.replaces)
        writer.write(UInt32(clamping: self.state.count))
        writer.append(self.state)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.member = try Member(reading: &reader)
        self.shard = ShardNumber(try reader.read())
        self.counter = try reader.read()
        self.replaces = try reader.read()
        self.state = Array(try reader.readBytes(Int(try reader.read(UInt32.self))))
    }
}

/// Asks what is kept with a lease that the worker holds.
///
/// ```
/// member | u32 shard | u64 counter
/// ```
package struct ReadLeaseState: WireCall {
    package typealias Answer = LeaseStateAnswer
    package static let type = FrameType.leaseState

    package let member: Member
    package let shard: ShardNumber
    /// Of the lease as the worker was given it.
    package let counter: UInt64

    package init(member: Member, shard: ShardNumber, counter: UInt64) {
        self.member = member
        self.shard = shard
        self.counter = counter
    }

    package func validate() throws(WeirError) { try self.member.validate() }

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

/// ```
/// u32 length | bytes
/// ```
package struct LeaseStateAnswer: WireMessage {
    package let state: [UInt8]

    package init(state: [UInt8]) { self.state = state }

    package func encode(into writer: inout ByteWriter) {
        writer.write(UInt32(clamping: self.state.count))
        writer.append(self.state)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let count = Int(try reader.read(UInt32.self))
        guard count <= Limits.leaseStateBytesMax else {
            throw MalformedBytes("\(count) bytes are kept with a lease; at most \(Limits.leaseStateBytesMax) can be")
        }
        self.state = Array(try reader.readBytes(count))
    }
}
