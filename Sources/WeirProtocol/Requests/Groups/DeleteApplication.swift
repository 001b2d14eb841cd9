// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Forgets an application and its checkpoints.
///
/// ```
/// u64 stream | text application | u8 force (0, 1)
/// ```
package struct DeleteApplication: WireCall {
    package typealias Answer = Empty
    package static let type = FrameType.deleteApplication

    package let stream: StreamID
    /// As it came: `ApplicationName` judges it.
    package let application: String
    /// Also while it has workers.
    package let isForced: Bool

    package init(stream: StreamID, application: String, isForced: Bool = false) {
        self.stream = stream
        self.application = application
        self.isForced = isForced
    }

    package func applicationName() throws(WeirError) -> ApplicationName { try ApplicationName(self.application) }

    package func validate() throws(WeirError) {
        _ = try self.applicationName()
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        writer.write(self.application)
        writer.write(self.isForced)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.application = try reader.readString()
        self.isForced = try reader.readBool()
    }
}
