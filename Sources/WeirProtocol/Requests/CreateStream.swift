// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// ```
/// text name | u32 shards | settings
/// ```
package struct CreateStream: WireCall {
    package typealias Answer = StreamAnswer
    package static let type = FrameType.createStream

    /// As it came: `StreamName` judges it.
    package let name: String
    package let shards: UInt32
    package let settings: StreamSettings

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
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.name = try reader.readString()
        self.shards = try reader.read()
        self.settings = try StreamSettings(reading: &reader)
    }
}
