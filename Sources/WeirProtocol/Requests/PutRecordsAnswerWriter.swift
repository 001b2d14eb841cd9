// SPDX-License-Identifier: Apache-2.0
import WeirModel

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
