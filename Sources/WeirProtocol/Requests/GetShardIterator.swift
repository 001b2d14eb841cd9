// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// ```
/// u64 stream | u32 shard | start (kinds 0 to 4)
/// ```
package struct GetShardIterator: WireCall {
    package typealias Answer = GetShardIteratorAnswer
    package static let type = FrameType.getShardIterator

    package let stream: StreamID
    package let shard: ShardNumber
    package let start: ShardIteratorType

    package init(stream: StreamID, shard: ShardNumber, start: ShardIteratorType) {
        self.stream = stream
        self.shard = shard
        self.start = start
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        writer.write(self.shard.rawValue)
        ReadStart.iterator(self.start).encode(into: &writer)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.shard = ShardNumber(try reader.read())
        guard case .iterator(let start) = try ReadStart(reading: &reader) else {
            throw MalformedBytes("an iterator begins at one of the kinds 0 to 4")
        }
        self.start = start
    }
}

/// ```
/// u16 n, n bytes: the iterator, opaque to the client, at most 512 bytes
/// ```
package struct GetShardIteratorAnswer: WireMessage {
    package let iterator: [UInt8]

    package init(iterator: [UInt8]) {
        self.iterator = iterator
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(short: self.iterator)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.iterator = try reader.readIterator()
    }
}

extension ByteReader {
    /// An iterator that a server sent; it keeps to the limit.
    mutating func readIterator() throws(MalformedBytes) -> [UInt8] {
        let iterator = try self.readShortBytes()
        guard iterator.count <= Limits.iteratorBytesMax else {
            throw MalformedBytes("an iterator of \(iterator.count) bytes; at most \(Limits.iteratorBytesMax)")
        }
        return iterator
    }
}
