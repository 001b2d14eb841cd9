// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// ```
/// optional i64 bytes in | optional i64 records in | optional i64 bytes out | optional i64 reads out
/// ```
extension RateLimits {
    func encode(into writer: inout ByteWriter) {
        writer.write(optional: self.bytesIn)
        writer.write(optional: self.recordsIn)
        writer.write(optional: self.bytesOut)
        writer.write(optional: self.readsOut)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.init(
            bytesIn: try reader.readOptional(), recordsIn: try reader.readOptional(),
            bytesOut: try reader.readOptional(), readsOut: try reader.readOptional())
    }
}

/// ```
/// u8 profile (0 explicit, 1 kinesis, 2 open)
/// ```
/// Stands behind the message that holds the settings, when both ends have `Wire.Features.limitsProfiles`. Without it
/// the rates are what the profile means to the sender, and say by themselves which one it is.
extension LimitsProfile {
    func encode(into writer: inout ByteWriter) {
        let code: UInt8 =
            switch self {
            case .explicit: 0
            case .kinesis: 1
            case .open: 2
            }
        writer.write(code)
    }

    /// The profile that goes with rates that were read.
    func named(reading reader: inout ByteReader) throws(MalformedBytes) -> LimitsProfile {
        switch try reader.read(UInt8.self) {
        case 0: return .explicit(self.rates)
        case 1: return .kinesis
        case 2: return .open
        case let other: throw MalformedBytes("a limits profile is 0, 1 or 2, not \(other)")
        }
    }
}

/// ```
/// i64 retention, ms | optional i64 size cap, bytes | rate limits | u32 bytes of a record, at most
/// ```
extension StreamSettings {
    func encode(into writer: inout ByteWriter) {
        writer.write(self.retentionMillis)
        writer.write(optional: self.maxBytes)
        self.limits.encode(into: &writer)
        writer.write(UInt32(clamping: self.recordBytesMax))
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.init(
            retentionMillis: try reader.read(), maxBytes: try reader.readOptional(),
            limits: LimitsProfile(named: try RateLimits(reading: &reader)),
            recordBytesMax: Int(try reader.read(UInt32.self)))
    }
}

/// ```
/// u64 id | text name | settings | i64 created, ms | u32 open shards | u64 map version | i64 horizon, ms
/// ```
extension StreamDescription: WireElement {
    static let listMax = Wire.pageMax
    /// A name of one byte and nothing optional set.
    static let wireBytesMin = 8 + 3 + 17 + 8 + 4 + 8 + 8

    func encode(into writer: inout ByteWriter) {
        writer.write(self.id.rawValue)
        writer.write(self.name.description)
        self.settings.encode(into: &writer)
        writer.write(self.createdAtMillis)
        writer.write(UInt32(clamping: self.openShards))
        writer.write(self.mapVersion)
        writer.write(self.horizonMillis)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.init(
            id: StreamID(try reader.read()), name: try Self.readName(&reader),
            settings: try StreamSettings(reading: &reader), createdAtMillis: try reader.read(),
            openShards: Int(try reader.read(UInt32.self)), mapVersion: try reader.read(),
            horizonMillis: try reader.read())
    }

    /// The same stream with the profile that is named behind it.
    func named(reading reader: inout ByteReader) throws(MalformedBytes) -> StreamDescription {
        var settings = self.settings
        settings.profile = try settings.profile.named(reading: &reader)
        return StreamDescription(
            id: self.id, name: self.name, settings: settings, createdAtMillis: self.createdAtMillis,
            openShards: self.openShards, mapVersion: self.mapVersion, horizonMillis: self.horizonMillis)
    }

    private static func readName(_ reader: inout ByteReader) throws(MalformedBytes) -> StreamName {
        let text = try reader.readString(maxBytes: Limits.streamNameCharacters.upperBound)
        do {
            return try StreamName(text)
        } catch {
            throw MalformedBytes(error.message)
        }
    }
}
