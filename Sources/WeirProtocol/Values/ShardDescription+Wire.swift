// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// ```
/// u32 number | u128 lower key | u128 upper key | u32 n, n x u32 parents | u64 creation second | u64 first index
/// i64 created, ms | u8 closed (0, 1), then if closed: u64 end index | i64 closed, ms | u32 n, n x u32 children
/// ```
extension ShardDescription: WireElement {
    static let listMax = Wire.pageMax
    static let wireBytesMin = 4 + 32 + 4 + 8 + 8 + 8 + 1

    func encode(into writer: inout ByteWriter) {
        writer.write(self.number.rawValue)
        writer.write(self.range.lower.value)
        writer.write(self.range.upper.value)
        writer.write(self.parents)
        writer.write(self.creationSecond)
        writer.write(self.firstIndex)
        writer.write(self.createdAtMillis)
        writer.write(self.closed != nil)
        if let closed {
            writer.write(closed.endIndex)
            writer.write(closed.atMillis)
            writer.write(closed.children)
        }
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.init(
            number: ShardNumber(try reader.read()), range: try HashKeyRange(reading: &reader),
            parents: try reader.readList(of: ShardNumber.self), creationSecond: try reader.read(),
            firstIndex: try reader.read(),
            createdAtMillis: try reader.read(),
            closed: try reader.readBool()
                ? Closing(
                    endIndex: try reader.read(), atMillis: try reader.read(),
                    children: try reader.readList(of: ShardNumber.self)) : nil)
    }
}

extension ShardNumber: WireElement {
    static let listMax = Limits.openShardsMax
    static let wireBytesMin = 4

    func encode(into writer: inout ByteWriter) { writer.write(self.rawValue) }
    init(reading reader: inout ByteReader) throws(MalformedBytes) { self.init(try reader.read()) }
}

extension HashKeyRange {
    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let lower = HashKey(try reader.read())
        let upper = HashKey(try reader.read())
        guard lower <= upper else { throw MalformedBytes("a hash key range ends before it begins") }
        self.init(lower, upper)
    }
}
