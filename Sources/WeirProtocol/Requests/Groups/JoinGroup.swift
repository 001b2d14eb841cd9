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
