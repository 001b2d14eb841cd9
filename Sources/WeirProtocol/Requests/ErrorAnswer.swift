// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Answers any request that failed as a whole, with its correlation id.
///
/// ```
/// error
/// ```
package struct ErrorAnswer: WireMessage {
    package static let type = FrameType.error

    package let error: WeirError

    package init(error: WeirError) {
        self.error = error
    }

    package func frame(correlation: UInt64) -> [UInt8] {
        self.frame(Self.type, correlation: correlation)
    }

    package func encode(into writer: inout ByteWriter) {
        self.error.encode(into: &writer)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.error = try WeirError(reading: &reader)
    }
}
