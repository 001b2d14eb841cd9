// SPDX-License-Identifier: Apache-2.0
package import WeirModel

/// The attributes of one stream, consumer or application.
package struct Attributes: Hashable, Sendable {
    private var values: [AttributeName: String] = [:]
    /// Bytes of names and values.
    package private(set) var bytes = 0

    package init() {}

    package var count: Int { self.values.count }
    package var isEmpty: Bool { self.values.isEmpty }

    package subscript(_ name: AttributeName) -> String? { self.values[name] }

    package func count(in namespace: String) -> Int { self.values.keys.count { $0.namespace == namespace } }

    /// All by name, or those of one namespace.
    package func sorted(in namespace: String? = nil) -> [(name: AttributeName, value: String)] {
        self.values.filter { namespace == nil || $0.key.namespace == namespace }.sorted { $0.key < $1.key }
            .map { ($0.key, $0.value) }
    }

    /// What the changes are worth: those that change something. `room`: bytes that the node has left for attributes.
    /// Throws when one name is changed twice, or when there is no room.
    package func plan(
        _ changes: [AttributeChange], room: Int, of what: String
    ) throws(WeirError) -> [AttributeChange] {
        guard changes.count <= Limits.attributesMax else {
            throw WeirError(
                .invalidArgument,
                "\(changes.count) changes of attributes at once; at most \(Limits.attributesMax) are allowed")
        }
        var names: Set<AttributeName> = []
        for change in changes where !names.insert(change.name).inserted {
            throw WeirError(.invalidArgument, "attribute \(change.name) is changed twice by one call")
        }
        var after = self
        for change in changes { after.apply(change) }
        guard after.count <= max(Limits.attributesMax, self.count) else {
            throw WeirError(
                .limitExceeded,
                "\(what) would have \(after.count) attributes; \(Limits.attributesMax) are allowed")
        }
        guard after.bytes <= max(Limits.attributeBytesMax, self.bytes) else {
            throw WeirError(
                .limitExceeded,
                "the attributes of \(what) would take \(after.bytes) bytes; \(Limits.attributeBytesMax) are allowed")
        }
        guard after.bytes - self.bytes <= max(0, room) else {
            throw WeirError(
                .limitExceeded,
                "the node has \(max(0, room)) bytes left for attributes, and \(after.bytes - self.bytes) more were "
                    + "asked for \(what); all together may take \(Limits.attributeBytesOfNodeMax)")
        }
        return changes.filter { !$0.leaves(self.values[$0.name]) }
    }

    mutating func apply(_ change: AttributeChange) {
        if let old = self.values.removeValue(forKey: change.name) { self.bytes -= change.name.bytes + old.utf8.count }
        guard let value = change.value else { return }
        self.values[change.name] = value
        self.bytes += change.name.bytes + value.utf8.count
    }
}

/// Attributes of a stream, or of what belongs to it, were set or removed. One form for all, and for whatever they are
/// used for.
package struct AttributesChanged: Hashable, Sendable {
    /// Whose they are.
    package enum Owner: Hashable, Sendable {
        case stream
        case application(ApplicationName)
        case consumer(ConsumerName)
    }

    package let stream: StreamID
    package let atMillis: Int64
    package let owner: Owner
    /// At least one, each of another name.
    package let changes: [AttributeChange]

    package init(stream: StreamID, atMillis: Int64, owner: Owner, changes: [AttributeChange]) {
        self.stream = stream
        self.atMillis = atMillis
        self.owner = owner
        self.changes = changes
    }
}
