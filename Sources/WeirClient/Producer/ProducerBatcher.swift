// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Takes many records at little cost each: they are written straight into the memory that requests are made from.
///
/// Results come in the order of the records. When the producer's buffer is full the caller waits.
public final class ProducerBatcher: Sendable {
    init() {}

    /// Appends one record; waits while the buffer is full. Throws `invalidArgument` or `recordTooLarge` for a record
    /// that may not be, which is then not taken, and the producer's error once it has failed.
    public func append(key: String, explicitHashKey: HashKey? = nil, data: [UInt8]) async throws {
        preconditionFailure("signature")
    }

    /// Appends many records under one lock: waits until there is room, then calls `body` once. It appends until it has
    /// no more or until `append` says that there is no room, and then calls `fill` again. It must not block.
    public func fill<E: Error>(_ body: (inout BatchFiller) throws(E) -> Void) async throws {
        preconditionFailure("signature")
    }

    /// Sends what was appended without waiting for more.
    public func flush() {
        preconditionFailure("signature")
    }

    /// `flush`, and waits until the results of all records that were appended before have been delivered.
    public func drain() async throws {
        preconditionFailure("signature")
    }
}

/// The room for records inside one call of `ProducerBatcher.fill`.
public struct BatchFiller: ~Copyable {
    /// Copies a record in. `false`: there is no room for it now; it was not taken. `key` is UTF-8.
    ///
    /// Throws `invalidArgument` for a key that is not 1 to 256 characters of UTF-8, and `recordTooLarge`.
    public mutating func append(
        key: UnsafeRawBufferPointer, explicitHashKey: HashKey? = nil, data: UnsafeRawBufferPointer
    ) throws(WeirError) -> Bool {
        preconditionFailure("signature")
    }
}
