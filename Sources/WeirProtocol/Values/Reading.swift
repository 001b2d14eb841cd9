// SPDX-License-Identifier: Apache-2.0
import WeirModel

extension ByteReader {
    /// A count that stands in front of a list: refused above `max`, and when so many elements of at least
    /// `elementBytes` bytes cannot be in what is left; so that nobody allocates for what was never sent.
    mutating func readCount<T: FixedWidthInteger & UnsignedInteger>(
        _ type: T.Type, max: Int, elementBytes: Int
    ) throws(MalformedBytes) -> Int {
        let count = try self.read(T.self)
        guard count <= max else { throw MalformedBytes("a list of \(count); \(max) are allowed here") }
        guard Int(count) * elementBytes <= self.remaining else {
            throw MalformedBytes("a list of \(count) does not fit into the \(self.remaining) bytes that are left")
        }
        return Int(count)
    }

    mutating func readList<Element>(
        _ count: Int, _ read: (inout ByteReader) throws(MalformedBytes) -> Element
    ) throws(MalformedBytes) -> [Element] {
        var list: [Element] = []
        list.reserveCapacity(count)
        for _ in 0..<count { list.append(try read(&self)) }
        return list
    }

    mutating func readShardNumbers() throws(MalformedBytes) -> [ShardNumber] {
        let count = try self.readCount(UInt32.self, max: Limits.openShardsMax, elementBytes: 4)
        return try self.readList(count) { reader throws(MalformedBytes) in ShardNumber(try reader.read()) }
    }

    /// Bytes behind their length as `UInt16`.
    mutating func readShortBytes() throws(MalformedBytes) -> [UInt8] {
        let count = Int(try self.read(UInt16.self))
        return [UInt8](try self.readBytes(count))
    }
}

extension ByteWriter {
    mutating func write(_ shards: [ShardNumber]) {
        self.write(UInt32(clamping: shards.count))
        for shard in shards { self.write(shard.rawValue) }
    }

    /// Bytes behind their length as `UInt16`; more than 65,535 are cut.
    mutating func write(short bytes: [UInt8]) {
        let count = min(bytes.count, Int(UInt16.max))
        self.write(UInt16(count))
        if count == bytes.count { self.append(bytes) } else { self.append([UInt8](bytes.prefix(count))) }
    }

    mutating func write(_ text: String, maxBytes: Int) {
        self.write(cut(text, toBytes: maxBytes))
    }
}
