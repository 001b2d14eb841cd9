// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// The user records that a producer library has packed into one record
/// (docs/kinesis-semantics.md, Aggregated records):
///
/// ```
/// F3 89 9A C2 | AggregatedRecord, protobuf | MD5 of the protobuf bytes, 16 bytes
/// ```
///
/// All of it is checked when it is opened, so that taking a user record out cannot fail. What does not check is no
/// aggregate: it is delivered as the ordinary record that it may well be, so nothing is lost by it.
struct Aggregate: Sendable {
    static let magic: [UInt8] = [0xf3, 0x89, 0x9a, 0xc2]
    static let digestBytes = 16
    /// Entries of each of the three tables. A record of 10 MiB has room for more only when they are all but empty.
    static let entriesMax = 1 << 20

    private struct Entry {
        var key: Int32
        /// Negative: it has none.
        var hashKey: Int32 = -1
        var dataStart: Int32
        var dataEnd: Int32
    }

    private let container: Record
    private let keys: [Range<Int32>]
    private let hashKeys: [HashKey]
    private let entries: [Entry]

    /// User records; at least 1.
    var count: Int { self.entries.count }

    /// `nil` when the record is not an aggregate, or one that holds nothing.
    init?(_ record: Record) {
        let overhead = Self.magic.count + Self.digestBytes
        guard record.data.count > overhead, record.data.starts(with: Self.magic),
            record.data.count <= Limits.recordBytesMax
        else { return nil }
        let tables = record.data.withUnsafeBytes { raw in
            Self.isIntact(raw) ? try? Tables(raw, Self.magic.count..<raw.count - Self.digestBytes) : nil
        }
        guard let tables, !tables.entries.isEmpty else { return nil }
        self.container = record
        self.keys = tables.keys
        self.hashKeys = tables.hashKeys
        self.entries = tables.entries
    }

    /// Hash keys are MD5 digests read as big-endian numbers, so that the digest of anything is one function away.
    private static func isIntact(_ raw: UnsafeRawBufferPointer) -> Bool {
        let message = raw.slice(Self.magic.count, raw.count - Self.magic.count - Self.digestBytes)
        let digest = UInt128(
            bigEndian: raw.loadUnaligned(fromByteOffset: raw.count - Self.digestBytes, as: UInt128.self))
        return HashKey(hashing: message).value == digest
    }

    /// The user record at `position` in `0..<count`, which is its sub-sequence number.
    subscript(position: Int) -> UserRecord {
        let entry = self.entries[position]
        let key = self.keys[Int(entry.key)]
        let record = Record(
            sequenceNumber: self.container.sequenceNumber,
            partitionKey: String(
                decoding: self.container.data[Int(key.lowerBound)..<Int(key.upperBound)], as: UTF8.self),
            explicitHashKey: entry.hashKey < 0 ? nil : self.hashKeys[Int(entry.hashKey)],
            data: [UInt8](self.container.data[Int(entry.dataStart)..<Int(entry.dataEnd)]),
            approximateArrivalMillis: self.container.approximateArrivalMillis)
        return UserRecord(record, subSequence: UInt64(position), isLast: position == self.entries.count - 1)
    }

    /// What the protobuf message says.
    private struct Tables {
        var keys: [Range<Int32>] = []
        var hashKeys: [HashKey] = []
        var entries: [Entry] = []

        init(_ raw: UnsafeRawBufferPointer, _ range: Range<Int>) throws {
            var reader = ProtobufReader(raw, range)
            // A known field with another wire type is an unknown field.
            while let (number, value) = try reader.next() {
                guard case .bytes(let place) = value else { continue }
                switch number {
                case 1: self.keys.append(Int32(place.lowerBound)..<Int32(place.upperBound))
                case 2:
                    let text = String(decoding: raw[place], as: UTF8.self)
                    self.hashKeys.append(try HashKey(parsing: text))
                case 3: self.entries.append(try Self.entry(raw, place))
                default: continue
                }
                guard max(self.keys.count, self.hashKeys.count, self.entries.count) <= Aggregate.entriesMax else {
                    throw MalformedBytes("more than \(Aggregate.entriesMax) entries")
                }
            }
            for entry in self.entries {
                guard entry.key < self.keys.count, entry.hashKey < self.hashKeys.count else {
                    throw MalformedBytes("a user record has a key that is not in the table")
                }
            }
        }

        /// The last one of a field that is there twice counts.
        private static func entry(_ raw: UnsafeRawBufferPointer, _ range: Range<Int>) throws -> Entry {
            var reader = ProtobufReader(raw, range)
            var (key, hashKey, data): (Int32?, Int32, Range<Int>?) = (nil, -1, nil)
            while let (number, value) = try reader.next() {
                switch (number, value) {
                case (1, .varint(let index)): key = try Self.index(index)
                case (2, .varint(let index)): hashKey = try Self.index(index)
                case (3, .bytes(let place)): data = place
                default: continue
                }
            }
            guard let key, let data else { throw MalformedBytes("a user record lacks its key or its data") }
            return Entry(
                key: key, hashKey: hashKey, dataStart: Int32(data.lowerBound), dataEnd: Int32(data.upperBound))
        }

        private static func index(_ value: UInt64) throws(MalformedBytes) -> Int32 {
            guard value < UInt64(Aggregate.entriesMax) else { throw MalformedBytes("the index \(value) is no index") }
            return Int32(value)
        }
    }
}
