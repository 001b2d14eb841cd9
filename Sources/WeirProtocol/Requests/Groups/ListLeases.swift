// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The rows of an application's lease table in the order of their shards.
///
/// ```
/// u64 stream | text application | optional u32 shard after which to begin | u32 limit
/// ```
package struct ListLeases: WireCall {
    package typealias Answer = ListLeasesAnswer
    package static let type = FrameType.listLeases

    package let stream: StreamID
    /// As it came: `ApplicationName` judges it.
    package let application: String
    package let after: ShardNumber?
    /// 1 to 10,000.
    package let limit: UInt32

    package init(
        stream: StreamID, application: String, after: ShardNumber? = nil, limit: UInt32 = UInt32(Wire.pageMax)
    ) {
        self.stream = stream
        self.application = application
        self.after = after
        self.limit = limit
    }

    package func applicationName() throws(WeirError) -> ApplicationName { try ApplicationName(self.application) }

    package func validate() throws(WeirError) {
        _ = try self.applicationName()
        try PageLimit.check(self.limit)
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        writer.write(self.application)
        writer.write(optional: self.after?.rawValue)
        writer.write(self.limit)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.application = try reader.readString()
        self.after = try reader.readOptional(UInt32.self).map { ShardNumber($0) }
        self.limit = try reader.read()
    }
}

/// ```
/// u8 more follow (0, 1) | u32 n, n x lease description
/// ```
package struct ListLeasesAnswer: WireMessage {
    package let leases: [LeaseDescription]
    /// Whether a page after the last shard would hold something.
    package let hasMore: Bool

    package init(leases: [LeaseDescription], hasMore: Bool) {
        self.leases = leases
        self.hasMore = hasMore
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.hasMore)
        writer.write(self.leases)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.hasMore = try reader.readBool()
        self.leases = try reader.readList(of: LeaseDescription.self)
    }
}
