// SPDX-License-Identifier: Apache-2.0
import WeirModel

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
