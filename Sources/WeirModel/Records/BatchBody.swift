// SPDX-License-Identifier: Apache-2.0
import CWeir

/// The body of a batch: one shard's records as one writer framed them. One form on the wire, in the log and in memory.
///
/// ```
/// 0  u8   format (1)          4  u32  count             12 u32  CRC-32C of bytes 0..<12 and of the records
/// 1  u8   codec (0: none)     8  u32  records length    16 ...  records
/// 2  u16  flags (0)
/// record: u32 data length | u16 key length | u16 flags (bit 0: explicit hash key) | [u128 hash key] | key | data
/// ```
/// All little-endian. The writer computes the checksum, the server verifies it on arrival, and it is kept for ever.
package enum BatchBody {
    package static let headerBytes = 16
    package static let recordHeaderBytes = 8
    package static let explicitHashKeyFlag: UInt16 = 1
    package static let explicitHashKeyBytes = 16
    package static let format: UInt8 = 1

    /// What the header says; read before anything is believed.
    package struct Header: Hashable, Sendable {
        package let count: Int
        package let recordsLength: Int
        package let checksum: UInt32

        package var bodyLength: Int { BatchBody.headerBytes + self.recordsLength }
    }

    /// Reads the header and checks it against the bytes that are there; does not look at records or checksum.
    package static func header(of body: UnsafeRawBufferPointer) throws(MalformedBytes) -> Header {
        guard body.count >= Self.headerBytes else { throw MalformedBytes("a batch body is shorter than its header") }
        guard body.integer(UInt8.self, at: 0) == Self.format else {
            throw MalformedBytes("batch format \(body.integer(UInt8.self, at: 0)) is unknown; this version knows 1")
        }
        guard body.integer(UInt8.self, at: 1) == 0, body.integer(UInt16.self, at: 2) == 0 else {
            throw MalformedBytes("a batch names a codec or flags that this version does not know")
        }
        let header = Header(
            count: Int(body.integer(UInt32.self, at: 4)), recordsLength: Int(body.integer(UInt32.self, at: 8)),
            checksum: body.integer(UInt32.self, at: 12))
        guard header.count >= 1 else { throw MalformedBytes("a batch without records; at least 1 is allowed") }
        guard header.bodyLength <= body.count else {
            throw MalformedBytes("a batch of \(header.bodyLength) bytes, \(body.count) are there")
        }
        return header
    }

    package static func checksum(header: UnsafeRawBufferPointer, records: UnsafeRawBufferPointer) -> UInt32 {
        weir_crc32c(weir_crc32c(0, header.baseAddress, 12), records.baseAddress, records.count)
    }

    package static func checksumMatches(_ body: UnsafeRawBufferPointer, _ header: Header) -> Bool {
        let records = body.slice(Self.headerBytes, header.recordsLength)
        return Self.checksum(header: body, records: records) == header.checksum
    }

    /// Writes the header in front of `recordsLength` bytes of records that already stand behind it.
    package static func seal(_ body: UnsafeMutableRawBufferPointer, count: Int, recordsLength: Int) {
        body.store(Self.format, at: 0)
        body.store(UInt8(0), at: 1)
        body.store(UInt16(0), at: 2)
        body.store(UInt32(count), at: 4)
        body.store(UInt32(recordsLength), at: 8)
        let raw = UnsafeRawBufferPointer(body)
        body.store(Self.checksum(header: raw, records: raw.slice(Self.headerBytes, recordsLength)), at: 12)
    }
}

/// A record as it lies in a body: offsets into the bytes it was read from, nothing copied.
package struct RecordView {
    package let explicitHashKey: HashKey?
    package let key: UnsafeRawBufferPointer
    package let data: UnsafeRawBufferPointer
    /// The whole record with its header.
    package let bytes: UnsafeRawBufferPointer

    @inlinable
    package init(
        explicitHashKey: HashKey?, key: UnsafeRawBufferPointer, data: UnsafeRawBufferPointer,
        bytes: UnsafeRawBufferPointer
    ) {
        self.explicitHashKey = explicitHashKey
        self.key = key
        self.data = data
        self.bytes = bytes
    }

    /// Data and partition key: what limits and rates count.
    @inlinable
    package var payloadBytes: Int { self.key.count + self.data.count }
}

/// Walks the records of a body without allocating. A record that does not fit ends the walk with an error.
package struct RecordCursor {
    @usableFromInline let records: UnsafeRawBufferPointer
    @usableFromInline var offset = 0

    /// `records` are the bytes behind the body's header.
    @inlinable
    package init(records: UnsafeRawBufferPointer) { self.records = records }

    /// Bytes walked so far.
    @inlinable
    package var position: Int { self.offset }

    @inlinable
    package mutating func next() throws(MalformedBytes) -> RecordView? {
        let start = self.offset
        let left = self.records.count - start
        if left == 0 { return nil }
        guard left >= BatchBody.recordHeaderBytes else { throw MalformedBytes("a record is cut in its header") }
        let dataLength = Int(self.records.integer(UInt32.self, at: start))
        let keyLength = Int(self.records.integer(UInt16.self, at: start + 4))
        let flags = self.records.integer(UInt16.self, at: start + 6)
        guard flags & ~BatchBody.explicitHashKeyFlag == 0 else { throw MalformedBytes("a record has unknown flags") }
        let hashed = flags != 0
        let prefix = BatchBody.recordHeaderBytes + (hashed ? BatchBody.explicitHashKeyBytes : 0)
        let total = prefix + keyLength + dataLength
        guard total <= left else { throw MalformedBytes("a record of \(total) bytes, \(left) are there") }
        self.offset = start + total
        return RecordView(
            explicitHashKey: hashed ? HashKey(self.records.integer(UInt128.self, at: start + 8)) : nil,
            key: self.records.slice(start + prefix, keyLength),
            data: self.records.slice(start + prefix + keyLength, dataLength),
            bytes: self.records.slice(start, total))
    }
}

/// Collects records into a body, for writers that build one record at a time.
package struct BatchBodyBuilder {
    package private(set) var bytes: [UInt8]
    package private(set) var count = 0

    package init(capacity: Int = 4096) {
        self.bytes = []
        self.bytes.reserveCapacity(capacity)
        self.bytes.append(contentsOf: repeatElement(0, count: BatchBody.headerBytes))
    }

    package var recordsLength: Int { self.bytes.count - BatchBody.headerBytes }

    /// Appends one record. The lengths are the caller's to check against the limits.
    package mutating func append(
        key: UnsafeRawBufferPointer, explicitHashKey: HashKey? = nil, data: UnsafeRawBufferPointer
    ) {
        withUnsafeBytes(of: UInt32(data.count).littleEndian) { self.bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: UInt16(key.count).littleEndian) { self.bytes.append(contentsOf: $0) }
        let flags = explicitHashKey == nil ? 0 : BatchBody.explicitHashKeyFlag
        withUnsafeBytes(of: flags.littleEndian) { self.bytes.append(contentsOf: $0) }
        if let explicitHashKey {
            withUnsafeBytes(of: explicitHashKey.value.littleEndian) { self.bytes.append(contentsOf: $0) }
        }
        self.bytes.append(contentsOf: key)
        self.bytes.append(contentsOf: data)
        self.count += 1
    }

    /// Appends a record in its stored form, as `RecordView.bytes` gives it.
    package mutating func append(record: UnsafeRawBufferPointer) {
        self.bytes.append(contentsOf: record)
        self.count += 1
    }

    /// The finished body; the builder is empty again and keeps its memory.
    package mutating func finish() -> [UInt8] {
        let length = self.recordsLength
        let count = self.count
        self.bytes.withUnsafeMutableBytes { BatchBody.seal($0, count: count, recordsLength: length) }
        let body = self.bytes
        self.bytes.removeAll(keepingCapacity: true)
        self.bytes.append(contentsOf: repeatElement(0, count: BatchBody.headerBytes))
        self.count = 0
        return body
    }
}
