// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirModel

/// A record whose bytes follow from its number: what was read can be compared without keeping what was written.
package struct SimRecord: Hashable, Sendable {
    /// Bytes of data, at least room for the number.
    package static let lengths = 8...65_536
    /// Counted up over a whole history; every put of a record has its own.
    package let id: Int
    /// The number of its partition key.
    package let key: Int
    /// Bytes of its data.
    package let length: Int

    package init(id: Int, key: Int, length: Int) {
        precondition(Self.lengths.contains(length), "a record of \(length) bytes")
        self.id = id
        self.key = key
        self.length = length
    }

    package var partitionKey: String { "key-\(self.key)" }
    package var hashKey: HashKey { HashKey(partitionKey: self.partitionKey) }

    /// Bytes without a pattern that a slip could keep: a record's data is its number and a piece of them.
    private static let filler: [UInt8] = {
        var random = SplitMix64(seed: 1)
        var bytes: [UInt8] = []
        for _ in 0..<(Self.lengths.upperBound + 4096) / 8 {
            withUnsafeBytes(of: random.next().littleEndian) { bytes.append(contentsOf: $0) }
        }
        return bytes
    }()

    private var fillerStart: Int { self.id &* 13 & 4095 }

    /// Its number, then bytes that follow from it.
    package var data: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(self.length)
        withUnsafeBytes(of: UInt64(self.id).littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: Self.filler[self.fillerStart..<self.fillerStart + self.length - 8])
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
        return Self.filler.withUnsafeBytes { filler in
            let count = self.length - 8
            return weir_crc32c(0, view.data.baseAddress! + 8, count)
                == weir_crc32c(0, filler.baseAddress! + self.fillerStart, count)
        }
    }
}
