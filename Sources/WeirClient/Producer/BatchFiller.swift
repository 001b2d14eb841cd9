// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The room for records inside one call of `ProducerBatcher.fill`.
public struct BatchFiller: ~Copyable {
    private let chunk: RecordChunk
    /// Taken out of the chunk until `finish`.
    private var records: RecordStore
    private let recordBytesMax: Int
    private let recordsMax: Int
    private let bytesMax: Int
    /// Nothing more fits.
    private(set) var isFull = false

    /// `recordsMax`, `bytesMax`: when the chunk is full. `recordBytesMax`: what the stream takes.
    init(_ chunk: RecordChunk, recordsMax: Int, bytesMax: Int, recordBytesMax: Int) {
        self.chunk = chunk
        self.records = chunk.records
        self.recordBytesMax = recordBytesMax
        self.recordsMax = recordsMax
        self.bytesMax = bytesMax
        self.isFull = chunk.count >= recordsMax
    }

    /// The chunk has what was appended.
    mutating func finish() { self.chunk.records = self.records }

    /// Copies a record in. `false`: there is no room for it now; it was not taken. `key` is UTF-8.
    ///
    /// Throws `invalidArgument` for a key that is not 1 to 256 characters of UTF-8, and `recordTooLarge`; the record is
    /// then not taken.
    public mutating func append(
        key: UnsafeRawBufferPointer, explicitHashKey: HashKey? = nil, data: UnsafeRawBufferPointer
    ) throws(WeirError) -> Bool {
        if self.isFull { return false }
        try PartitionKey.check(key)
        guard key.count + data.count <= self.recordBytesMax else {
            throw WeirError(
                .recordTooLarge,
                "a record of \(key.count + data.count) bytes, its key included; the stream takes at most "
                    + "\(self.recordBytesMax)")
        }
        let bytes = RecordStore.storedBytes(
            key: key.count, data: data.count, isExplicit: explicitHashKey != nil)
        if self.records.count > 0, self.records.length + bytes > self.bytesMax {
            self.isFull = true
            return false
        }
        self.records.append(key: key, explicitHashKey: explicitHashKey, data: data)
        self.isFull = self.records.count >= self.recordsMax || self.records.length >= self.bytesMax
        return true
    }

    /// As above; the key may be changed to a form that is quicker to read.
    mutating func append(
        key: inout String, explicitHashKey: HashKey?, data: [UInt8]
    ) throws(WeirError) -> Bool {
        var result: Result<Bool, WeirError> = .success(false)
        key.withUTF8 { key in
            data.withUnsafeBytes { data in
                do throws(WeirError) {
                    result = .success(
                        try self.append(
                            key: UnsafeRawBufferPointer(key), explicitHashKey: explicitHashKey, data: data))
                } catch {
                    result = .failure(error)
                }
            }
        }
        return try result.get()
    }
}

enum PartitionKey {
    /// Throws `invalidArgument` for what is not 1 to 256 characters of UTF-8.
    static func check(_ key: UnsafeRawBufferPointer) throws(WeirError) {
        // Up to 256 bytes of ASCII are as many characters.
        if key.count >= 1, key.count <= Limits.partitionKeyCharacters.upperBound, Self.isASCII(key) { return }
        guard key.count <= Limits.partitionKeyBytes, let text = String(validating: key, as: UTF8.self),
            Limits.partitionKeyCharacters.contains(text.unicodeScalars.count)
        else {
            throw WeirError(
                .invalidArgument,
                "a partition key of \(key.count) bytes is not allowed: 1 to 256 characters of UTF-8")
        }
    }

    private static func isASCII(_ key: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        var bits: UInt64 = 0
        while offset + 8 <= key.count {
            bits |= key.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            offset += 8
        }
        while offset < key.count {
            bits |= UInt64(key[offset])
            offset += 1
        }
        return bits & 0x8080_8080_8080_8080 == 0
    }
}
