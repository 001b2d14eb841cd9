// SPDX-License-Identifier: Apache-2.0
package import WeirModel

// The signatures, for those who build against them; bodies follow in the next commits.
extension Catalog {
    package func plan(
        _ command: CatalogCommand, nowMillis: Int64, nextIndex: (ShardRef) -> UInt64
    ) throws(WeirError) -> [CatalogEvent] {
        throw WeirError(.unavailable, "not yet written")
    }

    package mutating func apply(_ event: CatalogEvent) throws(CatalogMismatch) {
        throw CatalogMismatch("not yet written")
    }

    /// At replay: `nextIndex` is the log's, so that a close event with another end index is refused.
    package mutating func apply(
        _ event: CatalogEvent, nextIndex: (ShardRef) -> UInt64
    ) throws(CatalogMismatch) {
        throw CatalogMismatch("not yet written")
    }

    package func encodeSnapshot() -> [UInt8] { [] }

    package init(snapshot: UnsafeRawBufferPointer, bounds: Bounds = Bounds()) throws(CatalogDecodeError) {
        throw .malformed("not yet written")
    }

    package func checkInvariants() throws(CatalogMismatch) {}
}

extension CatalogEvent {
    package var kind: UInt16 { 0 }
    package func encode() -> [UInt8] { [] }

    package init(kind: UInt16, payload: UnsafeRawBufferPointer) throws(CatalogDecodeError) {
        throw .unknownKind(kind)
    }
}
