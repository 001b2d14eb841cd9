// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Whether bytes are a partition key: 1 to 256 characters, that is code points, in UTF-8
/// (docs/kinesis-semantics.md, Partition keys and hashing).
enum PartitionKeyCheck {
    /// True for nearly every key there is; when it is false, `problem` tells.
    @inline(__always)
    static func isPlain(_ key: UnsafeRawBufferPointer) -> Bool {
        key.count >= 1 && key.count <= Limits.partitionKeyCharacters.upperBound && Self.isASCII(key)
    }

    @inline(__always)
    private static func isASCII(_ key: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        var bits: UInt64 = 0
        while offset + 8 <= key.count {
            bits |= key.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            offset += 8
        }
        while offset < key.count {
            bits |= UInt64(key[offset]) << 56
            offset += 1
        }
        return bits & 0x8080_8080_8080_8080 == 0
    }

    /// What is wrong with a key; `nil` when nothing is.
    static func problem(_ key: UnsafeRawBufferPointer) -> String? {
        let allowed = "1 to \(Limits.partitionKeyCharacters.upperBound) characters of UTF-8 are allowed"
        guard !key.isEmpty else { return "its partition key is empty; \(allowed)" }
        guard key.count <= Limits.partitionKeyBytes else {
            return "its partition key has \(key.count) bytes; \(allowed)"
        }
        guard let text = String(validating: key, as: UTF8.self) else {
            return "its partition key is not UTF-8; \(allowed)"
        }
        let characters = text.unicodeScalars.count
        guard characters <= Limits.partitionKeyCharacters.upperBound else {
            return "its partition key has \(characters) characters; \(allowed)"
        }
        return nil
    }
}
