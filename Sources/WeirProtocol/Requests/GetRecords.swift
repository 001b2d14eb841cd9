// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Answered with records (`RecordsHeader.answerHead`, `RecordsView`), at the latest after `waitMillis`.
///
/// ```
/// u16 n, n bytes: the iterator | u32 limit, records | u32 bytes at most | u32 wait, ms
/// ```
package struct GetRecords: WireRequest {
    package static let type = FrameType.getRecords

    package let iterator: [UInt8]
    /// 1 to 10,000 records.
    package let limit: UInt32
    /// 1 to 10,485,760 bytes of data and keys; one record comes even if it is larger.
    package let maxBytes: UInt32
    /// How long the server may wait for a first record: 0 to 60,000 ms.
    package let waitMillis: UInt32

    package init(
        iterator: [UInt8], limit: UInt32 = UInt32(Limits.getRecordsMax),
        maxBytes: UInt32 = UInt32(Limits.getBytesMax), waitMillis: UInt32 = 0
    ) {
        self.iterator = iterator
        self.limit = limit
        self.maxBytes = maxBytes
        self.waitMillis = waitMillis
    }

    package func validate() throws(WeirError) {
        guard self.iterator.count <= Limits.iteratorBytesMax else { throw IteratorToken.invalid }
        guard (1...Limits.getRecordsMax).contains(Int(self.limit)) else {
            throw WeirError(
                .invalidArgument, "a limit of \(self.limit) records is not allowed: 1 to \(Limits.getRecordsMax)")
        }
        guard (1...Limits.getBytesMax).contains(Int(self.maxBytes)) else {
            throw WeirError(
                .invalidArgument, "a limit of \(self.maxBytes) bytes is not allowed: 1 to \(Limits.getBytesMax)")
        }
        guard self.waitMillis <= Limits.longPollMillisMax else {
            throw WeirError(
                .invalidArgument,
                "a wait of \(self.waitMillis) ms is not allowed: 0 to \(Limits.longPollMillisMax)")
        }
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(short: self.iterator)
        writer.write(self.limit)
        writer.write(self.maxBytes)
        writer.write(self.waitMillis)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.iterator = try reader.readShortBytes()
        self.limit = try reader.read()
        self.maxBytes = try reader.read()
        self.waitMillis = try reader.read()
    }
}
