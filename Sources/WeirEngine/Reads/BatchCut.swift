// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Cuts a batch down to the records that were asked for: framed anew, with its own checksum.
package enum BatchCut {
    /// Records of the batch that lie in `indexes`.
    package static func overlap(_ placement: Placement, _ indexes: Range<UInt64>) -> Range<UInt64> {
        let lower = max(placement.firstIndex, indexes.lowerBound)
        let upper = min(placement.endIndex, indexes.upperBound)
        return lower < upper ? lower..<upper : lower..<lower
    }

    /// Whether less than half of the batch was asked for: then it is worth the work, otherwise it is sent as it is and
    /// the reader drops what lies outside.
    package static func isWorthwhile(_ placement: Placement, _ indexes: Range<UInt64>) -> Bool {
        Self.overlap(placement, indexes).count * 2 < placement.count
    }

    /// Placement and body with only the records in `indexes`; `nil` when none of them is. Arrival and indexes stay.
    package static func cut(
        _ placement: Placement, body: UnsafeRawBufferPointer, to indexes: Range<UInt64>
    ) throws(MalformedBytes) -> [UInt8]? {
        let kept = Self.overlap(placement, indexes)
        guard !kept.isEmpty else { return nil }
        let header = try BatchBody.header(of: body)
        let records = body.slice(BatchBody.headerBytes, header.recordsLength)
        var cursor = RecordCursor(records: records)
        for _ in placement.firstIndex..<kept.lowerBound { try Self.skip(&cursor, placement) }
        let start = cursor.position
        for _ in kept { try Self.skip(&cursor, placement) }
        let chosen = records.slice(start, cursor.position - start)
        let length = BatchBody.headerBytes + chosen.count
        let cut = Placement(
            stream: placement.stream, shard: placement.shard, firstIndex: kept.lowerBound, count: kept.count,
            arrivalMillis: placement.arrivalMillis, bodyLength: length)
        return [UInt8](unsafeUninitializedCapacity: Placement.bytes + length) { raw, count in
            let bytes = UnsafeMutableRawBufferPointer(raw)
            cut.write(to: bytes)
            let body = UnsafeMutableRawBufferPointer(rebasing: bytes[Placement.bytes...])
            UnsafeMutableRawBufferPointer(rebasing: body[BatchBody.headerBytes...]).copyMemory(from: chosen)
            BatchBody.seal(body, count: kept.count, recordsLength: chosen.count)
            count = Placement.bytes + length
        }
    }

    private static func skip(_ cursor: inout RecordCursor, _ placement: Placement) throws(MalformedBytes) {
        guard try cursor.next() != nil else {
            throw MalformedBytes("the batch at index \(placement.firstIndex) holds fewer records than it names")
        }
    }
}
