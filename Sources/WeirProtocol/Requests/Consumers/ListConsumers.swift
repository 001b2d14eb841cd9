// SPDX-License-Identifier: Apache-2.0
import WeirModel

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
        writer.write(UInt32(clamping: self.consumers.count))
        for consumer in self.consumers {
            writer.write(consumer.name.description)
            writer.write(consumer.createdAtMillis)
        }
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        // A name of one byte, and the time.
        let count = try reader.readCount(UInt32.self, max: Limits.consumersPerStream, elementBytes: 3 + 8)
        self.consumers = try reader.readList(count) { reader throws(MalformedBytes) in
            let name = try reader.readName(maxBytes: Limits.nameCharacters.upperBound) { text throws(WeirError) in
                try ConsumerName(text)
            }
            return ConsumerDescription(name: name, createdAtMillis: try reader.read())
        }
    }
}
