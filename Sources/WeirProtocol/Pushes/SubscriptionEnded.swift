// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The server ended a subscription: the stream was deleted, the data is damaged, the node goes down.
/// The end of a shard is not told by this but by the last `RecordsPush`.
///
/// ```
/// u32 subscription id | error
/// ```
package struct SubscriptionEnded: WirePush {
    package static let type = FrameType.subscriptionEnded

    package let subscription: UInt32
    package let error: WeirError

    package init(subscription: UInt32, error: WeirError) {
        self.subscription = subscription
        self.error = error
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.subscription)
        self.error.encode(into: &writer)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.subscription = try reader.read()
        self.error = try WeirError(reading: &reader)
    }
}
