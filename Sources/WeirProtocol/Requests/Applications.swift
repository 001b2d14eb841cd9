// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The applications that consume a stream, in the order of their names.
///
/// ```
/// u64 stream
/// ```
package struct ListApplications: WireCall {
    package typealias Answer = ListApplicationsAnswer
    package static let type = FrameType.listApplications

    package let stream: StreamID

    package init(stream: StreamID) {
        self.stream = stream
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
    }
}

/// ```
/// u32 n, n x (text name | i64 created, ms | u32 workers | u32 leases | u64 records behind | i64 ms behind)
/// ```
package struct ListApplicationsAnswer: WireMessage {
    /// At most 64.
    package let applications: [ApplicationDescription]

    package init(applications: [ApplicationDescription]) {
        self.applications = applications
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.applications)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.applications = try reader.readList(of: ApplicationDescription.self)
    }
}

extension ApplicationDescription: WireElement {
    static let listMax = Limits.applicationsPerStream
    /// A name of one byte.
    static let wireBytesMin = 3 + 8 + 4 + 4 + LeaseDescription.Lag.wireBytes

    func encode(into writer: inout ByteWriter) {
        writer.write(self.name.description)
        writer.write(self.createdAtMillis)
        writer.write(UInt32(clamping: self.workers))
        writer.write(UInt32(clamping: self.leases))
        self.lag.encode(into: &writer)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let name = try reader.readName(maxBytes: Limits.nameCharacters.upperBound) { text throws(WeirError) in
            try ApplicationName(text)
        }
        self.init(
            name: name, createdAtMillis: try reader.read(), workers: Int(try reader.read(UInt32.self)),
            leases: Int(try reader.read(UInt32.self)), lag: try LeaseDescription.Lag(reading: &reader))
    }
}

/// Forgets an application and its checkpoints.
///
/// ```
/// u64 stream | text application | u8 force (0, 1)
/// ```
package struct DeleteApplication: WireCall {
    package typealias Answer = Empty
    package static let type = FrameType.deleteApplication

    package let stream: StreamID
    package let application: SentName<ApplicationName>
    /// Also while it has workers.
    package let isForced: Bool

    package init(stream: StreamID, application: SentName<ApplicationName>, isForced: Bool = false) {
        self.stream = stream
        self.application = application
        self.isForced = isForced
    }

    package func validate() throws(WeirError) {
        _ = try self.application.get()
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        self.application.encode(into: &writer)
        writer.write(self.isForced)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.application = try SentName(reading: &reader)
        self.isForced = try reader.readBool()
    }
}

/// The rows of an application's lease table in the order of their shards.
///
/// ```
/// u64 stream | text application | optional u32 shard after which to begin | u32 limit
/// ```
package struct ListLeases: WireCall {
    package typealias Answer = ListLeasesAnswer
    package static let type = FrameType.listLeases

    package let stream: StreamID
    package let application: SentName<ApplicationName>
    package let after: ShardNumber?
    /// 1 to 10,000.
    package let limit: UInt32

    package init(
        stream: StreamID, application: SentName<ApplicationName>, after: ShardNumber? = nil,
        limit: UInt32 = UInt32(Wire.pageMax)
    ) {
        self.stream = stream
        self.application = application
        self.after = after
        self.limit = limit
    }

    package func validate() throws(WeirError) {
        _ = try self.application.get()
        try PageLimit.check(self.limit)
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        self.application.encode(into: &writer)
        writer.write(optional: self.after?.rawValue)
        writer.write(self.limit)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.application = try SentName(reading: &reader)
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

/// An operator sends the checkpoints of an application, or of one shard of it, elsewhere. Who held a lease loses it.
///
/// ```
/// u64 stream | text application | optional u32 shard
/// u8 target: 0 trim horizon, 1 latest, 2 at timestamp: i64 ms, 3 sequence number (only with a shard)
/// u8 force (0, 1) | u8 dry run (0, 1) | text reason
/// ```
package struct ResetLeases: WireCall {
    package typealias Answer = ResetLeasesAnswer
    package static let type = FrameType.resetLeases

    package let stream: StreamID
    package let application: SentName<ApplicationName>
    /// `nil`: all of them.
    package let shard: ShardNumber?
    package let target: ResetTarget
    /// Also while workers hold the leases.
    package let isForced: Bool
    /// Tell what would be done, and do nothing.
    package let isDryRun: Bool
    /// For whoever looks at the lease table later: 1 to 256 bytes.
    package let reason: String

    package init(
        stream: StreamID, application: SentName<ApplicationName>, shard: ShardNumber? = nil, target: ResetTarget,
        isForced: Bool = false,
        isDryRun: Bool = false, reason: String
    ) {
        self.stream = stream
        self.application = application
        self.shard = shard
        self.target = target
        self.isForced = isForced
        self.isDryRun = isDryRun
        self.reason = reason
    }

    package func validate() throws(WeirError) {
        _ = try self.application.get()
        if case .sequenceNumber(let number) = self.target {
            guard let shard else {
                throw WeirError(.invalidArgument, "a reset to a sequence number names one shard")
            }
            try ShardOfNumber.check(number, is: shard, "a reset")
        }
        guard (1...Limits.reasonBytesMax).contains(self.reason.utf8.count) else {
            throw WeirError(
                .invalidArgument,
                "a reason of \(self.reason.utf8.count) bytes is not allowed: 1 to \(Limits.reasonBytesMax)")
        }
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        self.application.encode(into: &writer)
        writer.write(optional: self.shard?.rawValue)
        self.target.encode(into: &writer)
        writer.write(self.isForced)
        writer.write(self.isDryRun)
        writer.write(self.reason)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.application = try SentName(reading: &reader)
        self.shard = try reader.readOptional(UInt32.self).map { ShardNumber($0) }
        self.target = try ResetTarget(reading: &reader)
        self.isForced = try reader.readBool()
        self.isDryRun = try reader.readBool()
        self.reason = try reader.readString()
    }
}

/// What was done, or with a dry run would be. The count is there when both sides have `Wire.Features.resetCount`.
///
/// ```
/// u32 n, n x (u32 shard | checkpoint from | checkpoint to | optional text owner) | [u32 count]
/// ```
package struct ResetLeasesAnswer: WireMessage {
    /// In the order of the shards, the first `Wire.resetsMax`.
    package let leases: [LeaseReset]
    /// How many leases there are in all; `nil` in an answer that does not say it.
    package let count: Int?

    package init(leases: [LeaseReset], count: Int? = nil) {
        self.leases = leases
        self.count = count
    }

    /// The answer for a connection with these features: all leases, as far as they fit, and how many they are.
    package init(all leases: [LeaseReset], features: UInt64) {
        self.init(
            leases: Array(leases.prefix(LeaseReset.listMax)),
            count: features & Wire.Features.resetCount == 0 ? nil : leases.count)
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.leases)
        if let count { writer.write(UInt32(clamping: count)) }
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.leases = try reader.readList(of: LeaseReset.self)
        guard reader.remaining > 0 else {
            self.count = nil
            return
        }
        let count = Int(try reader.read(UInt32.self))
        guard count >= self.leases.count else {
            throw MalformedBytes("a reset of \(count) leases names \(self.leases.count)")
        }
        self.count = count
    }
}

extension LeaseReset: WireElement {
    static let listMax = Wire.resetsMax
    static let wireBytesMin = 4 + 2 * LeaseCheckpoint.wireBytesMin + 1

    func encode(into writer: inout ByteWriter) {
        writer.write(self.shard.rawValue)
        self.from.encode(into: &writer)
        self.to.encode(into: &writer)
        writer.write(optional: self.owner)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.init(
            shard: ShardNumber(try reader.read()), from: try LeaseCheckpoint(reading: &reader),
            to: try LeaseCheckpoint(reading: &reader), owner: try reader.readOptionalWorker())
    }
}
