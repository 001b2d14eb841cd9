// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A record whose bytes follow from its number: what was read can be compared without keeping what was written.
package struct SimRecord: Hashable, Sendable {
    /// Counted up over a whole history; every put of a record has its own.
    package let id: Int
    /// The number of its partition key.
    package let key: Int
    /// Bytes of its data, at least 8.
    package let length: Int

    package init(id: Int, key: Int, length: Int) {
        precondition(length >= 8, "the data holds the record's number")
        self.id = id
        self.key = key
        self.length = length
    }

    package var partitionKey: String { "key-\(self.key)" }
    package var hashKey: HashKey { HashKey(partitionKey: self.partitionKey) }

    /// Its number, then bytes that follow from it.
    package var data: [UInt8] {
        var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: self.id &* 31 &+ 7), count: self.length)
        bytes.withUnsafeMutableBytes { $0.store(UInt64(self.id), at: 0) }
        return bytes
    }

    package func append(to builder: inout BatchBodyBuilder) {
        var key = self.partitionKey
        let data = self.data
        key.withUTF8 { key in
            data.withUnsafeBytes { builder.append(key: UnsafeRawBufferPointer(key), data: $0) }
        }
    }

    /// The number that the data of a record begins with; `nil` when it holds none.
    package static func id(in data: UnsafeRawBufferPointer) -> Int? {
        data.count >= 8 ? Int(exactly: data.integer(UInt64.self, at: 0)) : nil
    }

    /// Whether a record as it was read is this one, to the last byte.
    package func matches(_ view: RecordView) -> Bool {
        guard view.explicitHashKey == nil, view.data.count == self.length,
            Self.id(in: view.data) == self.id, view.key.elementsEqual(self.partitionKey.utf8)
        else { return false }
        let filler = UInt8(truncatingIfNeeded: self.id &* 31 &+ 7)
        return view.data.dropFirst(8).allSatisfy { $0 == filler }
    }
}
