// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Records as they lie in the bytes that arrived: an answer to GetRecords, or a push. Batches are not copied.
package struct RecordsView {
    package let header: RecordsHeader
    /// Placements and bodies.
    let bytes: UnsafeRawBufferPointer

    /// `payload`, that of a GetRecords answer, must outlive the view.
    package init(payload: UnsafeRawBufferPointer) throws(MalformedBytes) {
        var reader = ByteReader(payload)
        try self.init(reading: &reader)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.header = try RecordsHeader(reading: &reader)
        guard reader.remaining == Int(self.header.batchBytes) else {
            throw MalformedBytes("\(self.header.batchBytes) bytes of batches, \(reader.remaining) are there")
        }
        self.bytes = try reader.readBytes(reader.remaining)
    }

    package var batches: BatchCursor {
        BatchCursor(bytes: self.bytes, stream: self.header.stream, shard: self.header.shard)
    }

    /// Visits the records in `[firstIndex, nextIndex)` in order: index, arrival in milliseconds since 1970, record.
    /// The checksums of a batch are verified before its first record is visited.
    package func forEachRecord(
        _ visit: (_ index: UInt64, _ arrivalMillis: Int64, RecordView) -> Void
    ) throws(MalformedBytes) {
        var batches = self.batches
        while let batch = try batches.next() {
            var index = batch.placement.firstIndex
            var records = RecordCursor(records: batch.records)
            while let record = try records.next() {
                guard index < batch.placement.endIndex else { throw batch.miscounted }
                if index >= self.header.firstIndex, index < self.header.nextIndex {
                    visit(index, batch.placement.arrivalMillis, record)
                }
                index += 1
            }
            guard index == batch.placement.endIndex else { throw batch.miscounted }
        }
    }
}
