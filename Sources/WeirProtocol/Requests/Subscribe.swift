// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Asks for the records of a shard to be pushed as they become durable.
///
/// ```
/// u64 stream | u32 shard | u32 credit, bytes | start (kinds 0 to 5)
/// optional (text application | u64 counter) | optional text consumer
/// ```
package struct Subscribe: WireCall {
    package typealias Answer = SubscribeAnswer
    package static let type = FrameType.subscribe

    package let stream: StreamID
    package let shard: ShardNumber
    /// Bytes of batches that may be pushed before more `Credit` comes.
    package let creditBytes: UInt32
    package let start: ReadStart
    /// The lease that a worker reads under: the subscription ends with `leaseLost` when it is no more that one.
    package let lease: ReadLease?
    /// A registered consumer, whose read budget is used; as it came: `ConsumerName` judges it.
    package let consumer: String?

    package init(
        stream: StreamID, shard: ShardNumber, start: ReadStart, creditBytes: UInt32, lease: ReadLease? = nil,
        consumer: String? = nil
    ) {
        self.stream = stream
        self.shard = shard
        self.creditBytes = creditBytes
        self.start = start
        self.lease = lease
        self.consumer = consumer
    }

    package func consumerName() throws(WeirError) -> ConsumerName? {
        guard let consumer else { return nil }
        return try ConsumerName(consumer)
    }

    package func validate() throws(WeirError) {
        _ = try self.lease?.applicationName()
        _ = try self.consumerName()
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        writer.write(self.shard.rawValue)
        writer.write(self.creditBytes)
        self.start.encode(into: &writer)
        writer.write(self.lease != nil)
        self.lease?.encode(into: &writer)
        writer.write(self.consumer != nil)
        if let consumer { writer.write(consumer) }
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.shard = ShardNumber(try reader.read())
        self.creditBytes = try reader.read()
        self.start = try ReadStart(reading: &reader)
        self.lease = try reader.readBool() ? try ReadLease(reading: &reader) : nil
        self.consumer = try reader.readBool() ? try reader.readString() : nil
    }
}

/// ```
/// u32 subscription id
/// ```
package struct SubscribeAnswer: WireMessage {
    /// Of this connection, never used twice on it.
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
