// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// ```
/// text name | u32 shards | settings | [u8 profile]
/// ```
package struct CreateStream: WireCall {
    package typealias Answer = StreamAnswer
    package static let type = FrameType.createStream

    package let name: SentName<StreamName>
    package let shards: UInt32
    package private(set) var settings: StreamSettings
    /// Whether the profile is named, for a server that has `Wire.Features.limitsProfiles`.
    package private(set) var namesProfile = false

    package init(name: SentName<StreamName>, shards: UInt32, settings: StreamSettings) {
        self.name = name
        self.shards = shards
        self.settings = settings
    }

    package func validate() throws(WeirError) {
        _ = try self.name.get()
        try ShardCount.check(self.shards)
        try self.settings.validate()
    }

    package func encode(into writer: inout ByteWriter) {
        self.name.encode(into: &writer)
        writer.write(self.shards)
        self.settings.encode(into: &writer)
        if self.namesProfile { self.settings.profile.encode(into: &writer) }
    }

    package func told(to features: UInt64) -> Self {
        var told = self
        told.namesProfile = features & Wire.Features.limitsProfiles != 0
        return told
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.name = try SentName(reading: &reader)
        self.shards = try reader.read()
        self.settings = try StreamSettings(reading: &reader)
        guard reader.remaining > 0 else { return }
        self.namesProfile = true
        self.settings.profile = try self.settings.profile.named(reading: &reader)
    }
}

/// The one call that takes a name: what it answers holds the id that every other call takes.
///
/// ```
/// u8 kind (0 name, 1 id) | text name or u64 id
/// ```
package struct DescribeStream: WireCall {
    package typealias Answer = StreamAnswer
    package static let type = FrameType.describeStream

    package enum Reference: Hashable, Sendable {
        case name(SentName<StreamName>)
        case id(StreamID)
    }

    package let stream: Reference

    package init(stream: Reference) {
        self.stream = stream
    }

    package func validate() throws(WeirError) {
        if case .name(let name) = self.stream { _ = try name.get() }
    }

    package func encode(into writer: inout ByteWriter) {
        switch self.stream {
        case .name(let name):
            writer.write(UInt8(0))
            name.encode(into: &writer)
        case .id(let id):
            writer.write(UInt8(1))
            writer.write(id.rawValue)
        }
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        switch try reader.read(UInt8.self) {
        case 0: self.stream = .name(try SentName(reading: &reader))
        case 1: self.stream = .id(StreamID(try reader.read()))
        case let other: throw MalformedBytes("a stream is named by kind 0 or 1, not \(other)")
        }
    }
}

/// Streams in the order of their names.
///
/// ```
/// u8 (0, 1), then if 1: text name after which to begin | u32 limit
/// ```
package struct ListStreams: WireCall {
    package typealias Answer = ListStreamsAnswer
    package static let type = FrameType.listStreams

    /// Need not name a stream that exists.
    package let afterName: SentName<StreamName>?
    /// 1 to 10,000.
    package let limit: UInt32

    package init(afterName: SentName<StreamName>? = nil, limit: UInt32 = UInt32(Wire.pageMax)) {
        self.afterName = afterName
        self.limit = limit
    }

    package func validate() throws(WeirError) {
        try PageLimit.check(self.limit)
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.afterName != nil)
        self.afterName?.encode(into: &writer)
        writer.write(self.limit)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.afterName = try reader.readBool() ? try SentName(reading: &reader) : nil
        self.limit = try reader.read()
    }
}

/// ```
/// u8 more follow (0, 1) | u32 n, n x stream description | [n x u8 profile]
/// ```
package struct ListStreamsAnswer: WireMessage {
    package let streams: [StreamDescription]
    /// Whether a page after the last name would hold something.
    package let hasMore: Bool
    /// Whether the profiles are named, for a client that has `Wire.Features.limitsProfiles`.
    package private(set) var namesProfiles = false

    package init(streams: [StreamDescription], hasMore: Bool) {
        self.streams = streams
        self.hasMore = hasMore
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.hasMore)
        writer.write(self.streams)
        guard self.namesProfiles else { return }
        for stream in self.streams { stream.settings.profile.encode(into: &writer) }
    }

    package func told(to features: UInt64) -> Self {
        var told = self
        told.namesProfiles = !self.streams.isEmpty && features & Wire.Features.limitsProfiles != 0
        return told
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.hasMore = try reader.readBool()
        var streams = try reader.readList(of: StreamDescription.self)
        self.namesProfiles = !streams.isEmpty && reader.remaining > 0
        if self.namesProfiles {
            for position in streams.indices { streams[position] = try streams[position].named(reading: &reader) }
        }
        self.streams = streams
    }
}

/// Changes what is set; what is absent stays.
///
/// ```
/// u64 stream | optional i64 retention, ms | u8 size cap (0 stays, 1 set, 2 removed), if 1: i64 bytes
/// u8 (0, 1), if 1: rate limits | optional u32 bytes of a record, at most | [u8 profile, when there are rate limits]
/// ```
package struct UpdateStream: WireCall {
    package typealias Answer = StreamAnswer
    package static let type = FrameType.updateStream

    package enum SizeCap: Hashable, Sendable {
        case unchanged
        /// Bytes on disk.
        case set(Int64)
        case removed
    }

    package let stream: StreamID
    package var retentionMillis: Int64?
    package var sizeCap: SizeCap
    package var limits: LimitsProfile?
    package var recordBytesMax: UInt32?
    /// Whether the profile is named, for a server that has `Wire.Features.limitsProfiles`.
    package private(set) var namesProfile = false

    package init(
        stream: StreamID, retentionMillis: Int64? = nil, sizeCap: SizeCap = .unchanged, limits: LimitsProfile? = nil,
        recordBytesMax: UInt32? = nil
    ) {
        self.stream = stream
        self.retentionMillis = retentionMillis
        self.sizeCap = sizeCap
        self.limits = limits
        self.recordBytesMax = recordBytesMax
    }

    /// What the stream's settings become. Not validated.
    package func applied(to settings: StreamSettings) -> StreamSettings {
        var settings = settings
        if let retentionMillis { settings.retentionMillis = retentionMillis }
        switch self.sizeCap {
        case .unchanged: break
        case .set(let bytes): settings.maxBytes = bytes
        case .removed: settings.maxBytes = nil
        }
        if let limits { settings.profile = limits }
        if let recordBytesMax { settings.recordBytesMax = Int(recordBytesMax) }
        return settings
    }

    /// Each value that is set is one that a stream may have.
    package func validate() throws(WeirError) {
        try self.applied(to: StreamSettings()).validate()
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        writer.write(optional: self.retentionMillis)
        switch self.sizeCap {
        case .unchanged: writer.write(UInt8(0))
        case .set(let bytes):
            writer.write(UInt8(1))
            writer.write(bytes)
        case .removed: writer.write(UInt8(2))
        }
        writer.write(self.limits != nil)
        self.limits?.rates.encode(into: &writer)
        writer.write(optional: self.recordBytesMax)
        if self.namesProfile { self.limits?.encode(into: &writer) }
    }

    package func told(to features: UInt64) -> Self {
        var told = self
        told.namesProfile = self.limits != nil && features & Wire.Features.limitsProfiles != 0
        return told
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.retentionMillis = try reader.readOptional()
        switch try reader.read(UInt8.self) {
        case 0: self.sizeCap = .unchanged
        case 1: self.sizeCap = .set(try reader.read())
        case 2: self.sizeCap = .removed
        case let other: throw MalformedBytes("a size cap changes by 0, 1 or 2, not \(other)")
        }
        let limits = try reader.readBool() ? LimitsProfile(named: try RateLimits(reading: &reader)) : nil
        self.recordBytesMax = try reader.readOptional()
        self.limits = limits
        guard let limits, reader.remaining > 0 else { return }
        self.namesProfile = true
        self.limits = try limits.named(reading: &reader)
    }
}

/// Hides the records that arrived before a time, for good.
///
/// ```
/// u64 stream | i64 ms since 1970
/// ```
package struct TrimStream: WireCall {
    package typealias Answer = Empty
    package static let type = FrameType.trimStream

    package let stream: StreamID
    package let beforeMillis: Int64

    package init(stream: StreamID, beforeMillis: Int64) {
        self.stream = stream
        self.beforeMillis = beforeMillis
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        writer.write(self.beforeMillis)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.beforeMillis = try reader.read()
    }
}

/// ```
/// u64 stream
/// ```
package struct DeleteStream: WireCall {
    package typealias Answer = Empty
    package static let type = FrameType.deleteStream

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

/// A stream as the catalog knows it after the request: the answer to Create, Describe and UpdateStream.
///
/// ```
/// stream description | [u8 profile]
/// ```
package struct StreamAnswer: WireMessage {
    package let stream: StreamDescription
    /// Whether the profile is named, for a client that has `Wire.Features.limitsProfiles`.
    package private(set) var namesProfile = false

    package init(stream: StreamDescription) {
        self.stream = stream
    }

    package func encode(into writer: inout ByteWriter) {
        self.stream.encode(into: &writer)
        if self.namesProfile { self.stream.settings.profile.encode(into: &writer) }
    }

    package func told(to features: UInt64) -> Self {
        var told = self
        told.namesProfile = features & Wire.Features.limitsProfiles != 0
        return told
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let stream = try StreamDescription(reading: &reader)
        self.namesProfile = reader.remaining > 0
        self.stream = self.namesProfile ? try stream.named(reading: &reader) : stream
    }
}
