// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A stream as the catalog knows it after the request: the answer to Create, Describe and UpdateStream.
///
/// ```
/// stream description
/// ```
package struct StreamAnswer: WireMessage {
    package let stream: StreamDescription

    package init(stream: StreamDescription) {
        self.stream = stream
    }

    package func encode(into writer: inout ByteWriter) {
        self.stream.encode(into: &writer)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = try StreamDescription(reading: &reader)
    }
}
