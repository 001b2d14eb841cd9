// SPDX-License-Identifier: Apache-2.0

/// An event that does not fit the catalog it is applied to, or a state that breaks a rule: never a user's mistake, but
/// a lost, repeated or damaged event, or a defect. The catalog was not changed.
package struct CatalogMismatch: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// Why bytes are not an event or a snapshot.
package enum CatalogDecodeError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Written by a newer version: refuse to start rather than lose it.
    case unknownKind(UInt16)
    /// A snapshot in a form that this version does not know.
    case unknownFormat(UInt16)
    /// Cut short, damaged, or against the rules; the sentence says where.
    case malformed(String)

    package var description: String {
        switch self {
        case .unknownKind(let kind): "catalog event kind \(kind) is unknown; this version knows 1 to 10 and 32 to 42"
        case .unknownFormat(let format):
            "format \(format) of a snapshot's catalog or lease table is unknown to this version"
        case .malformed(let sentence): sentence
        }
    }
}
