// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// More bytes that may be pushed to a subscription. Not answered; for one that has ended it means nothing.
///
/// ```
/// u32 subscription id | u32 bytes
/// ```
package struct Credit: WirePush {
    package static let type = FrameType.credit

    package let subscription: UInt32
    package let bytes: UInt32

    package init(subscription: UInt32, bytes: UInt32) {
        self.subscription = subscription
        self.bytes = bytes
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.subscription)
        writer.write(self.bytes)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.subscription = try reader.read()
        self.bytes = try reader.read()
    }
}
