// SPDX-License-Identifier: Apache-2.0
import WeirModel

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
