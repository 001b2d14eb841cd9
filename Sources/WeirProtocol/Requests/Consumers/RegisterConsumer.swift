// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Gives a name a read budget of its own, beside the one that all other readers of a shard share.
///
/// ```
/// u64 stream | text consumer
/// ```
package struct RegisterConsumer: WireCall {
    package typealias Answer = RegisterConsumerAnswer
    package static let type = FrameType.registerConsumer

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

/// ```
/// i64 created, ms
/// ```
package struct RegisterConsumerAnswer: WireMessage {
    package let createdAtMillis: Int64

    package init(createdAtMillis: Int64) {
        self.createdAtMillis = createdAtMillis
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.createdAtMillis)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.createdAtMillis = try reader.read()
    }
}
