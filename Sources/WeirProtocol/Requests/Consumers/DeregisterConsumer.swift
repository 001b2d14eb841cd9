// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Takes back what `RegisterConsumer` gave; its subscriptions end.
///
/// ```
/// u64 stream | text consumer
/// ```
package struct DeregisterConsumer: WireCall {
    package typealias Answer = Empty
    package static let type = FrameType.deregisterConsumer

    package let stream: StreamID
    /// As it came: `ConsumerName` judges it.
    package let consumer: String

    package init(stream: StreamID, consumer: String) {
        self.stream = stream
        self.consumer = consumer
    }

    package func consumerName() throws(WeirError) -> ConsumerName { try ConsumerName(self.consumer) }

    package func validate() throws(WeirError) {
        _ = try self.consumerName()
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        writer.write(self.consumer)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.consumer = try reader.readString()
    }
}
