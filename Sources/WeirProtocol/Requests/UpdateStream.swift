// SPDX-License-Identifier: Apache-2.0
import WeirModel

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
