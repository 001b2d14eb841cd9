// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The last frame of a connection that the server closes, so that the client can say why.
///
/// ```
/// error
/// ```
package struct Closing: WirePush {
    package static let type = FrameType.closing

    /// Its verdict says when to connect again, if ever.
    package let error: WeirError

    package init(error: WeirError) {
        self.error = error
    }

    package func encode(into writer: inout ByteWriter) {
        self.error.encode(into: &writer)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.error = try WeirError(reading: &reader)
    }
}
