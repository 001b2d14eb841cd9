// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Pushes that were under way may still come before the answer, none after it.
///
/// ```
/// u32 subscription id
/// ```
package struct Unsubscribe: WireCall {
    package typealias Answer = Empty
    package static let type = FrameType.unsubscribe

    package let subscription: UInt32

    package init(subscription: UInt32) {
        self.subscription = subscription
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.subscription)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.subscription = try reader.read()
    }
}
