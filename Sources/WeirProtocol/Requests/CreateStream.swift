// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// ```
/// text name | u32 shards | settings | [u8 profile]
/// ```
package struct CreateStream: WireCall {
    package typealias Answer = StreamAnswer
    package static let type = FrameType.createStream

    /// As it came: `StreamName` judges it.
    package let name: String
    package let shards: UInt32
    package private(set) var settings: StreamSettings
    /// Whether the profile is named, for a server that has `Wire.Features.limitsProfiles`.
    package private(set) var namesProfile = false

    package init(name: String, shards: UInt32, settings: StreamSettings) {
        self.name = name
        self.shards = shards
        self.settings = settings
    }

    package func validate() throws(WeirError) {
        _ = try StreamName(self.name)
        try ShardCount.check(self.shards)
        try self.settings.validate()
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.name)
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
        self.name = try reader.readString()
        self.shards = try reader.read()
        self.settings = try StreamSettings(reading: &reader)
        guard reader.remaining > 0 else { return }
        self.namesProfile = true
        self.settings.profile = try self.settings.profile.named(reading: &reader)
    }
}
