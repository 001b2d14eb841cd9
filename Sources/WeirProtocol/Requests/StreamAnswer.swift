// SPDX-License-Identifier: Apache-2.0
import WeirModel

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
