// SPDX-License-Identifier: Apache-2.0
import WeirEngine
import WeirModel
import WeirProtocol

extension PutBatch {
    /// Bytes of the frame that answers a put that was not refused whole.
    func answerLength(_ request: Request) -> Int {
        FrameHeader.bytes + PutRecordsAnswer.headerBytes + request.entries.count * PutRecordsAnswer.entryBytes
            + (request.isRoutedByServer ? request.recordCount * 2 : 0)
    }

    /// Writes that frame.
    func writeAnswer(_ request: Request, to raw: UnsafeMutableRawBufferPointer) {
        FrameHeader(
            PutRecordsAnswer.type, length: raw.count - FrameHeader.bytes, correlation: request.correlation
        ).write(to: raw)
        var offset = FrameHeader.bytes
        raw.store(request.mapVersion, at: offset)
        raw.store(UInt32(request.entries.count), at: offset + 8)
        raw.store(UInt32(request.isRoutedByServer ? request.recordCount : 0), at: offset + 12)
        offset += PutRecordsAnswer.headerBytes
        for position in request.entries {
            self.entries[position].write(to: UnsafeMutableRawBufferPointer(rebasing: raw[offset...]))
            offset += PutRecordsAnswer.entryBytes
        }
        guard request.isRoutedByServer else { return }
        for record in 0..<request.recordCount {
            raw.store(self.recordEntries[request.firstRecordEntry + record], at: offset)
            offset += 2
        }
    }
}
