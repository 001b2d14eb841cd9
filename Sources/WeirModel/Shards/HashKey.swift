// SPDX-License-Identifier: Apache-2.0
import CWeir

/// A point in the 128-bit key space that shards divide among themselves: the MD5 of a partition key, read as an
/// unsigned big-endian number, or the explicit hash key of a record
/// (docs/kinesis-semantics.md, Partition keys and hashing).
public struct HashKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let value: UInt128

    @inlinable
    public init(_ value: UInt128) { self.value = value }

    public static let min = HashKey(0)
    public static let max = HashKey(UInt128.max)

    /// The MD5 of the key's UTF-8 bytes. For one key; the server hashes many at once with `weir_md5_many`.
    public init(partitionKey: String) {
        var key = partitionKey
        self = key.withUTF8 { HashKey(hashing: UnsafeRawBufferPointer($0)) }
    }

    public init(hashing key: UnsafeRawBufferPointer) {
        var hash = weir_hash_key()
        var start: UnsafePointer<UInt8>? =
            key.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? HashKey.empty
        var length = UInt32(key.count)
        weir_md5_many(&start, &length, 1, &hash)
        self.value = UInt128(hash.high) << 64 | UInt128(hash.low)
    }

    // Somewhere to point at for an empty key, which C does not read. Never written, so shared safely.
    private nonisolated(unsafe) static let empty = UnsafePointer<UInt8>(
        UnsafeMutablePointer<UInt8>.allocate(capacity: 1))

    /// Reads the decimal form, `0` or up to 39 digits without a leading zero, within 0...2^128-1.
    public init(parsing text: String) throws(WeirError) {
        guard let value = Decimal128.parse(text) else {
            throw WeirError(
                .invalidArgument,
                "hash key '\(text.prefix(140))' is not a whole number from 0 to \(UInt128.max) without leading zeros")
        }
        self.value = value
    }

    public var description: String { String(self.value) }
    @inlinable
    public static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}

enum Decimal128 {
    static func parse(_ text: String) -> UInt128? {
        guard !text.isEmpty, text.utf8.count <= 39, text.utf8.allSatisfy({ (48...57).contains($0) }),
            text == "0" || !text.hasPrefix("0")
        else { return nil }
        return UInt128(text)
    }
}
