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
    /// A registered consumer, whose read budget is used.
    package let consumer: SentName<ConsumerName>?

    package init(
        stream: StreamID, shard: ShardNumber, start: ReadStart, creditBytes: UInt32, lease: ReadLease? = nil,
        consumer: SentName<ConsumerName>? = nil
    ) {
        self.stream = stream
        self.shard = shard
        self.creditBytes = creditBytes
        self.start = start
        self.lease = lease
        self.consumer = consumer
    }

    package func validate() throws(WeirError) {
        _ = try self.lease?.application.get()
        _ = try self.consumer?.get()
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        writer.write(self.shard.rawValue)
        writer.write(self.creditBytes)
        self.start.encode(into: &writer)
        writer.write(self.lease != nil)
        self.lease?.encode(into: &writer)
        writer.write(self.consumer != nil)
        self.consumer?.encode(into: &writer)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.shard = ShardNumber(try reader.read())
        self.creditBytes = try reader.read()
        self.start = try ReadStart(reading: &reader)
        self.lease = try reader.readBool() ? try ReadLease(reading: &reader) : nil
        self.consumer = try reader.readBool() ? try SentName(reading: &reader) : nil
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
