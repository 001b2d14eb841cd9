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
    package let consumer: SentName<ConsumerName>

    package init(stream: StreamID, consumer: SentName<ConsumerName>) {
        self.stream = stream
        self.consumer = consumer
    }

    package func validate() throws(WeirError) {
        _ = try self.consumer.get()
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        self.consumer.encode(into: &writer)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.consumer = try SentName(reading: &reader)
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

/// Takes back what `RegisterConsumer` gave; its subscriptions end.
///
/// ```
/// u64 stream | text consumer
/// ```
package struct DeregisterConsumer: WireCall {
    package typealias Answer = Empty
    package static let type = FrameType.deregisterConsumer

    package let stream: StreamID
    package let consumer: SentName<ConsumerName>

    package init(stream: StreamID, consumer: SentName<ConsumerName>) {
        self.stream = stream
        self.consumer = consumer
    }

    package func validate() throws(WeirError) {
        _ = try self.consumer.get()
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        self.consumer.encode(into: &writer)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.consumer = try SentName(reading: &reader)
    }
}

/// The registered consumers of a stream, in the order of their names.
///
/// ```
/// u64 stream
/// ```
package struct ListConsumers: WireCall {
    package typealias Answer = ListConsumersAnswer
    package static let type = FrameType.listConsumers

    package let stream: StreamID

    package init(stream: StreamID) {
        self.stream = stream
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
    }
}

/// ```
/// u32 n, n x (text name | i64 created, ms)
/// ```
package struct ListConsumersAnswer: WireMessage {
    /// At most 20.
    package let consumers: [ConsumerDescription]

    package init(consumers: [ConsumerDescription]) {
        self.consumers = consumers
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.consumers)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.consumers = try reader.readList(of: ConsumerDescription.self)
    }
}

extension ConsumerDescription: WireElement {
    static let listMax = Limits.consumersPerStream
    /// A name of one byte, and the time.
    static let wireBytesMin = 3 + 8

    func encode(into writer: inout ByteWriter) {
        writer.write(self.name.description)
        writer.write(self.createdAtMillis)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let name = try reader.readName(maxBytes: Limits.nameCharacters.upperBound) { text throws(WeirError) in
            try ConsumerName(text)
        }
        self.init(name: name, createdAtMillis: try reader.read())
    }
}
