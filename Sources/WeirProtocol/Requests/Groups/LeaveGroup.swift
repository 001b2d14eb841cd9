// SPDX-License-Identifier: Apache-2.0
import WeirModel

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
