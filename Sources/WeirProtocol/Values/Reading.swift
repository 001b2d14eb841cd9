// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What stands in a list with a u32 count before it. Writer and reader of such a list know one bound.
protocol WireElement {
    /// Elements of a list, at most.
    static var listMax: Int { get }
    /// Bytes of the shortest element.
    static var wireBytesMin: Int { get }

    func encode(into writer: inout ByteWriter)
    init(reading reader: inout ByteReader) throws(MalformedBytes)
}

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

    /// A list with its count, of at most `Element.listMax`.
    mutating func readList<Element: WireElement>(of type: Element.Type) throws(MalformedBytes) -> [Element] {
        let count = try self.readCount(UInt32.self, max: Element.listMax, elementBytes: Element.wireBytesMin)
        return try self.readList(count) { reader throws(MalformedBytes) in try Element(reading: &reader) }
    }

    mutating func readList<Element>(
        _ count: Int, _ read: (inout ByteReader) throws(MalformedBytes) -> Element
    ) throws(MalformedBytes) -> [Element] {
        var list: [Element] = []
        list.reserveCapacity(count)
        for _ in 0..<count { list.append(try read(&self)) }
        return list
    }

    /// Bytes behind their length as `UInt16`.
    mutating func readShortBytes() throws(MalformedBytes) -> [UInt8] {
        let count = Int(try self.read(UInt16.self))
        return [UInt8](try self.readBytes(count))
    }
}

extension ByteWriter {
    /// A list with its count. Elements beyond `Element.listMax` are left out: they would make the whole message
    /// unreadable. Whoever can have more of them says so in the message.
    mutating func write<Element: WireElement>(_ list: [Element]) {
        let list = list.prefix(Element.listMax)
        self.write(UInt32(list.count))
        for element in list { element.encode(into: &self) }
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
