// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Makes a worker a member of an application, or resumes its membership when the incarnation is the same. The
/// application is made by its first worker.
///
/// ```
/// member | u32 session timeout, ms | u8 initial position (0 trim horizon, 1 latest, 2 at timestamp), if 2: i64 ms
/// ```
package struct JoinGroup: WireCall {
    package typealias Answer = JoinGroupAnswer
    package static let type = FrameType.joinGroup

    package let member: Member
    /// How long the worker may be silent before its leases go to others: 1,000 to 300,000 ms.
    package let sessionTimeoutMillis: UInt32
    /// Where the application begins; without a meaning when it is there already.
    package let from: StreamStart

    package init(member: Member, sessionTimeoutMillis: UInt32, from: StreamStart) {
        self.member = member
        self.sessionTimeoutMillis = sessionTimeoutMillis
        self.from = from
    }

    package func validate() throws(WeirError) {
        try self.member.validate()
        let allowed = Limits.sessionTimeoutMillis
        guard allowed.contains(Int(self.sessionTimeoutMillis)) else {
            throw WeirError(
                .invalidArgument,
                "a session timeout of \(self.sessionTimeoutMillis) ms is not allowed: \(allowed.lowerBound) to "
                    + "\(allowed.upperBound)")
        }
    }

    package func encode(into writer: inout ByteWriter) {
        self.member.encode(into: &writer)
        writer.write(self.sessionTimeoutMillis)
        self.from.encode(into: &writer)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.member = try Member(reading: &reader)
        self.sessionTimeoutMillis = try reader.read()
        self.from = try StreamStart(reading: &reader)
    }
}

/// ```
/// u64 version | u32 n, n x assigned lease
/// ```
package struct JoinGroupAnswer: WireMessage {
    /// Its leases are always named.
    package let assignment: Assignment

    package init(_ assignment: Assignment) {
        self.assignment = Assignment(version: assignment.version, leases: assignment.leases ?? [])
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.assignment.version)
        writer.write(self.assignment.leases ?? [])
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.assignment = Assignment(version: try reader.read(), leases: try reader.readList(of: AssignedLease.self))
    }
}

/// A worker's sign of life, by which it also learns of its leases. The server answers as soon as the worker's leases
/// differ from those that the worker knows, and after `waitMillis` at the latest.
///
/// ```
/// member | u64 seen version | u32 wait, ms | u32 n, n x (u32 shard | u64 bytes a second)
/// ```
package struct Heartbeat: WireCall {
    package typealias Answer = HeartbeatAnswer
    package static let type = FrameType.heartbeat

    /// The load of one shard as its worker measured it; the server balances shards by it.
    package struct Measurement: Hashable, Sendable {
        package let shard: ShardNumber
        /// Bytes that the processor was given in a second.
        package let bytesPerSecond: UInt64

        static let wireBytes = 4 + 8

        package init(shard: ShardNumber, bytesPerSecond: UInt64) {
            self.shard = shard
            self.bytesPerSecond = bytesPerSecond
        }
    }

    package let member: Member
    /// The version of the assignment that the worker knows; 0 when it knows none.
    package let seenVersion: UInt64
    /// How long the server may wait for a change: 0 to 60,000 ms.
    package let waitMillis: UInt32
    /// At most 20,000; more are not sent.
    package let measured: [Measurement]

    package init(member: Member, seenVersion: UInt64, waitMillis: UInt32, measured: [Measurement] = []) {
        self.member = member
        self.seenVersion = seenVersion
        self.waitMillis = waitMillis
        self.measured = measured
    }

    /// The same heartbeat without its measurements: the server keeps this one while it waits.
    package var withoutMeasurements: Heartbeat {
        Heartbeat(member: self.member, seenVersion: self.seenVersion, waitMillis: self.waitMillis)
    }

    package func validate() throws(WeirError) {
        try self.member.validate()
        guard self.waitMillis <= Limits.longPollMillisMax else {
            throw WeirError(
                .invalidArgument, "a wait of \(self.waitMillis) ms is not allowed: 0 to \(Limits.longPollMillisMax)")
        }
    }

    package func encode(into writer: inout ByteWriter) {
        self.member.encode(into: &writer)
        writer.write(self.seenVersion)
        writer.write(self.waitMillis)
        writer.write(self.measured)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.member = try Member(reading: &reader)
        self.seenVersion = try reader.read()
        self.waitMillis = try reader.read()
        self.measured = try reader.readList(of: Measurement.self)
    }
}

extension Heartbeat.Measurement: WireElement {
    static let listMax = Limits.openShardsMax
    static let wireBytesMin = Self.wireBytes

    func encode(into writer: inout ByteWriter) {
        writer.write(self.shard.rawValue)
        writer.write(self.bytesPerSecond)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.init(shard: ShardNumber(try reader.read()), bytesPerSecond: try reader.read())
    }
}

/// ```
/// u64 version | u8 changed (0, 1) | u32 n, n x assigned lease (none when not changed)
/// ```
package struct HeartbeatAnswer: WireMessage {
    /// Without leases when they are those of the version that the worker had seen.
    package let assignment: Assignment

    package init(_ assignment: Assignment) {
        self.assignment = assignment
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.assignment.version)
        writer.write(self.assignment.leases != nil)
        writer.write(self.assignment.leases ?? [])
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let version = try reader.read(UInt64.self)
        let isChanged = try reader.readBool()
        let leases = try reader.readList(of: AssignedLease.self)
        guard isChanged || leases.isEmpty else {
            throw MalformedBytes("an assignment that did not change names \(leases.count) leases")
        }
        self.assignment = Assignment(version: version, leases: isChanged ? leases : nil)
    }
}

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

/// A worker goes in order: all its leases are free at once.
///
/// ```
/// member
/// ```
package struct LeaveGroup: WireCall {
    package typealias Answer = Empty
    package static let type = FrameType.leaveGroup

    package let member: Member

    package init(member: Member) {
        self.member = member
    }

    package func validate() throws(WeirError) {
        try self.member.validate()
    }

    package func encode(into writer: inout ByteWriter) {
        self.member.encode(into: &writer)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.member = try Member(reading: &reader)
    }
}
