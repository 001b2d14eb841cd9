// SPDX-License-Identifier: Apache-2.0

/// The name of an attribute. Each part of the node that keeps attributes has a namespace of its own, 1 to 32 of
/// `a-z 0-9 . -`, so that none meets the names of another; the key is any text of 1 to 512 bytes.
package struct AttributeName: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let namespace: String
    package let key: String

    package init(namespace: String, key: String) throws(WeirError) {
        let isAllowed = namespace.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."),
                UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard Limits.attributeNamespaceCharacters.contains(namespace.utf8.count), isAllowed else {
            throw WeirError(
                .invalidArgument,
                "a namespace of attributes '\(namespace.prefix(40))' is not allowed: "
                    + "\(Limits.attributeNamespaceCharacters.lowerBound) to "
                    + "\(Limits.attributeNamespaceCharacters.upperBound) of a-z, 0-9, '.' and '-'")
        }
        guard Limits.attributeKeyBytes.contains(key.utf8.count) else {
            throw WeirError(
                .invalidArgument,
                "the key of an attribute has \(key.utf8.count) bytes; \(Limits.attributeKeyBytes.lowerBound) to "
                    + "\(Limits.attributeKeyBytes.upperBound) are allowed")
        }
        self.namespace = namespace
        self.key = key
    }

    package var bytes: Int { self.namespace.utf8.count + self.key.utf8.count }
    package var description: String { "\(self.namespace)/\(self.key)" }

    // By bytes, as they are counted and stored: `String` takes texts of other bytes for the same, and orders them by
    // the tables of the Unicode version that happens to be linked.

    package static func == (left: Self, right: Self) -> Bool {
        left.namespace.utf8.elementsEqual(right.namespace.utf8) && left.key.utf8.elementsEqual(right.key.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        for byte in self.namespace.utf8 { hasher.combine(byte) }
        // In no name, so that it divides the two.
        hasher.combine(UInt8(0xFF))
        for byte in self.key.utf8 { hasher.combine(byte) }
    }

    package static func < (left: Self, right: Self) -> Bool {
        guard left.namespace.utf8.elementsEqual(right.namespace.utf8) else {
            return left.namespace.utf8.lexicographicallyPrecedes(right.namespace.utf8)
        }
        return left.key.utf8.lexicographicallyPrecedes(right.key.utf8)
    }
}

/// Sets an attribute, or removes it.
package struct AttributeChange: Hashable, Sendable {
    package let name: AttributeName
    /// `nil` removes it.
    package let value: String?

    /// Whether it would leave `current` as it is, byte by byte.
    package func leaves(_ current: String?) -> Bool {
        switch (current, self.value) {
        case (nil, nil): true
        case (let one?, let other?): one.utf8.elementsEqual(other.utf8)
        default: false
        }
    }

    /// An empty value removes the attribute as none does. Throws for a value of more than 20,480 bytes.
    package init(_ name: AttributeName, _ value: String?) throws(WeirError) {
        if let value, value.utf8.count > Limits.attributeValueBytes.upperBound {
            throw WeirError(
                .invalidArgument,
                "the value of attribute \(name) has \(value.utf8.count) bytes; at most "
                    + "\(Limits.attributeValueBytes.upperBound) are allowed")
        }
        self.name = name
        self.value = value.flatMap { $0.isEmpty ? nil : $0 }
    }
}
