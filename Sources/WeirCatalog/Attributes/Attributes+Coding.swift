// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

/// ```
/// event:      u8 owner: 0 the stream | 1 application: text name | 2 consumer: text name
///             u32 changes | each: text namespace | text key | u8 0: removed, or 1 and text value
/// attributes: u32 count | by namespace and key: text namespace | text key | text value
/// ```
extension ByteWriter {
    mutating func write(attributes: Attributes) {
        self.write(UInt32(clamping: attributes.count))
        for (name, value) in attributes.sorted() {
            self.write(name: name)
            self.write(value)
        }
    }

    mutating func write(attributes event: AttributesChanged) {
        switch event.owner {
        case .stream: self.write(UInt8(0))
        case .application(let name):
            self.write(UInt8(1))
            self.write(name.description)
        case .consumer(let name):
            self.write(UInt8(2))
            self.write(name.description)
        }
        self.write(UInt32(clamping: event.changes.count))
        for change in event.changes {
            self.write(name: change.name)
            self.write(change.value != nil)
            if let value = change.value { self.write(value) }
        }
    }

    private mutating func write(name: AttributeName) {
        self.write(name.namespace)
        self.write(name.key)
    }
}

extension ByteReader {
    private static let nameBytesMin = 3 + 3

    mutating func readAttributes() throws(MalformedBytes) -> Attributes {
        var attributes = Attributes()
        var last: AttributeName?
        for _ in 0..<(try self.readCount(ofAtLeast: Self.nameBytesMin + 3)) {
            let name = try self.readAttributeName()
            if let last, last >= name { throw MalformedBytes("attribute \(name) follows \(last)") }
            last = name
            attributes.apply(try self.readAttributeChange(name, hasValue: true))
        }
        return attributes
    }

    mutating func readAttributesChanged(
        of stream: StreamID, atMillis: Int64
    ) throws(MalformedBytes) -> AttributesChanged {
        let owner: AttributesChanged.Owner
        switch try self.read(UInt8.self) {
        case 0: owner = .stream
        case 1:
            let text = try self.readString(maxBytes: Limits.nameCharacters.upperBound)
            do { owner = .application(try ApplicationName(text)) } catch { throw MalformedBytes(error.message) }
        case 2: owner = .consumer(try self.readConsumer())
        case let other: throw MalformedBytes("attributes are of an owner of kind 0 to 2, not \(other)")
        }
        let count = try self.readCount(ofAtLeast: Self.nameBytesMin + 1)
        var changes: [AttributeChange] = []
        var names: Set<AttributeName> = []
        for _ in 0..<count {
            let name = try self.readAttributeName()
            guard names.insert(name).inserted else { throw MalformedBytes("attribute \(name) is changed twice") }
            changes.append(try self.readAttributeChange(name, hasValue: try self.readBool()))
        }
        guard !changes.isEmpty else { throw MalformedBytes("no attribute is named") }
        return AttributesChanged(stream: stream, atMillis: atMillis, owner: owner, changes: changes)
    }

    private mutating func readAttributeName() throws(MalformedBytes) -> AttributeName {
        let namespace = try self.readString(maxBytes: Limits.attributeNamespaceCharacters.upperBound)
        let key = try self.readString(maxBytes: Limits.attributeKeyBytes.upperBound)
        do { return try AttributeName(namespace: namespace, key: key) } catch { throw MalformedBytes(error.message) }
    }

    private mutating func readAttributeChange(
        _ name: AttributeName, hasValue: Bool
    ) throws(MalformedBytes) -> AttributeChange {
        let value = hasValue ? try self.readString(maxBytes: Limits.attributeValueBytes.upperBound) : nil
        if let value, value.isEmpty { throw MalformedBytes("attribute \(name) has an empty value") }
        do { return try AttributeChange(name, value) } catch { throw MalformedBytes(error.message) }
    }
}
