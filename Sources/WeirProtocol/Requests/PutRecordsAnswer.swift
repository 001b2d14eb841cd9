// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The form of a put's answer.
///
/// ```
/// 0   u64  map version now      8  u32  entries      12  u32  records (0 when the put was grouped)
/// 16  entries, 48 bytes each, then for a put that the server routed one u16 per record: the entry that holds it
/// ```
/// Of a grouped put entries follow the groups in their order; a group that was admitted only in part has two, the
/// stored prefix and then the refused rest. Of a put that the server routed, the records of one entry take
/// consecutive indexes in their order in the request.
package enum PutRecordsAnswer {
    package static let type = FrameType.putRecordsAnswer
    package static let headerBytes = 16
    package static let entryBytes = 48
    /// More than two for each group; the entry of a record is told in 16 bits.
    package static let entriesMax = 65_536
}

/// Builds the whole frame of a put's answer in one array.
///
/// Entries come first, then for a put that the server routed the entry of each record.
package struct PutRecordsAnswerWriter {
    package private(set) var entryCount = 0
    package private(set) var recordCount = 0
    private var bytes: [UInt8]

    /// With `entries` and `records` as many as will come, nothing is copied while the frame grows.
    package init(mapVersion: UInt64, entries: Int, records: Int = 0) {
        self.bytes = []
        self.bytes.reserveCapacity(
            FrameHeader.bytes + PutRecordsAnswer.headerBytes + entries * PutRecordsAnswer.entryBytes + records * 2)
        self.bytes.append(contentsOf: repeatElement(0, count: FrameHeader.bytes + PutRecordsAnswer.headerBytes))
        self.bytes.withUnsafeMutableBytes { $0.store(mapVersion, at: FrameHeader.bytes) }
    }

    /// Position of the entry, for `appendRecord`. All entries come before the first record.
    @discardableResult
    package mutating func append(_ entry: PutEntry) -> Int {
        precondition(self.recordCount == 0, "an entry behind records")
        precondition(self.entryCount < PutRecordsAnswer.entriesMax, "too many entries for one answer")
        let offset = self.bytes.count
        self.bytes.append(contentsOf: repeatElement(0, count: PutRecordsAnswer.entryBytes))
        self.bytes.withUnsafeMutableBytes { raw in
            entry.write(to: UnsafeMutableRawBufferPointer(rebasing: raw[offset...]))
        }
        self.entryCount += 1
        return self.entryCount - 1
    }

    /// The next record of the request is in the entry at `position`.
    package mutating func appendRecord(inEntry position: Int) {
        precondition(position < self.entryCount, "a record of an entry that is not there")
        self.bytes.append(UInt8(truncatingIfNeeded: position))
        self.bytes.append(UInt8(truncatingIfNeeded: position >> 8))
        self.recordCount += 1
    }

    /// The finished frame.
    package consuming func finish(correlation: UInt64) -> [UInt8] {
        let header = FrameHeader(
            PutRecordsAnswer.type, length: self.bytes.count - FrameHeader.bytes, correlation: correlation)
        let (entries, records) = (UInt32(self.entryCount), UInt32(self.recordCount))
        self.bytes.withUnsafeMutableBytes { raw in
            header.write(to: raw)
            raw.store(entries, at: FrameHeader.bytes + 8)
            raw.store(records, at: FrameHeader.bytes + 12)
        }
        return self.bytes
    }
}

/// The answer to a put as it lies in the bytes that arrived. `init` checks all of it, so reading cannot fail.
package struct PutRecordsAnswerView {
    package let mapVersion: UInt64
    package let entryCount: Int
    /// Records of a put that the server routed; 0 when it was grouped.
    package let recordCount: Int
    private let bytes: UnsafeRawBufferPointer

    /// `payload` must outlive the view.
    package init(payload: UnsafeRawBufferPointer) throws(MalformedBytes) {
        guard payload.count >= PutRecordsAnswer.headerBytes else { throw MalformedBytes("a put's answer is cut short") }
        let entries = Int(payload.integer(UInt32.self, at: 8))
        let records = Int(payload.integer(UInt32.self, at: 12))
        guard (1...PutRecordsAnswer.entriesMax).contains(entries) else {
            throw MalformedBytes("a put's answer of \(entries) entries")
        }
        guard payload.count == PutRecordsAnswer.headerBytes + entries * PutRecordsAnswer.entryBytes + records * 2 else {
            throw MalformedBytes(
                "a put's answer of \(payload.count) bytes cannot hold \(entries) entries and \(records) records")
        }
        self.mapVersion = payload.integer(at: 0)
        self.entryCount = entries
        self.recordCount = records
        self.bytes = payload
        var counted = 0
        for position in 0..<entries { counted += Int(try self.readEntry(at: position).count) }
        guard records == 0 || records == counted else {
            throw MalformedBytes("a put's answer of \(records) records whose entries count \(counted)")
        }
        for record in 0..<records where self.entryPosition(ofRecord: record) >= entries {
            throw MalformedBytes("a record of a put's answer points behind the last entry")
        }
    }

    private func readEntry(at position: Int) throws(MalformedBytes) -> PutEntry {
        let offset = PutRecordsAnswer.headerBytes + position * PutRecordsAnswer.entryBytes
        return try PutEntry(reading: self.bytes.slice(offset, PutRecordsAnswer.entryBytes))
    }

    /// The entry at `position` in `0..<entryCount`.
    package subscript(position: Int) -> PutEntry {
        precondition(position >= 0 && position < self.entryCount, "no entry \(position) of \(self.entryCount)")
        guard let entry = try? self.readEntry(at: position) else {
            preconditionFailure("an entry that init accepted does not read")
        }
        return entry
    }

    /// Where in the entries the record at `record` in `0..<recordCount` is.
    package func entryPosition(ofRecord record: Int) -> Int {
        precondition(record >= 0 && record < self.recordCount, "no record \(record) of \(self.recordCount)")
        let table = PutRecordsAnswer.headerBytes + self.entryCount * PutRecordsAnswer.entryBytes
        return Int(self.bytes.integer(UInt16.self, at: table + record * 2))
    }
}

/// The sentence for records that a put's answer refuses: no text is sent for them, so the reader of the answer composes
/// it from the code and the shard.
package enum PutRefusal {
    package static func message(_ code: WeirError.Code, shard: ShardNumber) -> String {
        switch code {
        case .throughputExceeded: "the rate of \(shard) is used up"
        case .wrongShard: "a record's hash key is not in \(shard), or the shard is closed: refresh the shard map"
        case .shardNotFound: "\(shard) does not exist in this stream"
        case .behind: "an earlier record for \(shard) was refused: re-send from there, in order"
        case .outcomeUnknown: "whether the records for \(shard) were stored is not known"
        case .unavailable: "\(shard) cannot take records now"
        case .storageFull: "no room is left to store records for \(shard)"
        case .streamDeleted: "the stream of \(shard) was deleted"
        case .checksumMismatch: "the bytes of a batch for \(shard) do not match their checksum"
        case .malformedRequest: "a batch for \(shard) does not have the form of one"
        case .recordTooLarge: "a record for \(shard) is larger than its stream allows"
        case .invalidArgument: "a record for \(shard) has a partition key that is not 1 to 256 characters of UTF-8"
        case .internalFailure: "\(shard) failed inside the server"
        default: "\(shard) refused the records: \(code.name)"
        }
    }
}
