// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirModel

/// The first block of a log segment, written twice (bytes 0 and 4096) with a sync between, so that one copy is whole at
/// every moment. The copy with the higher use count is the newer one.
///
/// ```
/// 0 u64 magic "WEIRSEG1"  16 u64 log id    32 u64 order      48 u64 term      64 u32 cut checksum
/// 8 u32 format version    24 u64 file      40 u64 size       56 u64 cut LSN   68 u32 0
/// 12 u32 use count                                                           72 i64 trusted time, 0: none
///                                                              80...4091 0, 4092 u32 CRC-32C of 0..<4092
/// ```
package struct SegmentHeader: Hashable, Sendable {
    package static let magic: UInt64 = 0x3147_4553_5249_4557
    /// Both copies: where the first commit begins.
    package static let bytes = 2 * LogFormat.block

    package let logID: UInt64
    /// The number in the file's name: it stays when the file is recycled.
    package let file: UInt64
    /// Counts the uses of the file; part of every commit's checksum, so that commits of an earlier use are noticed.
    package let useCount: UInt32
    /// Rises with every segment put to use: the order of replay.
    package let order: UInt64
    /// Bytes of the file.
    package let size: UInt64
    package let term: UInt64
    /// The last valid commit when the term began: whatever older terms hold after it is void for ever.
    package let cut: CommitPoint
    /// `LogTime.trustedMillis` when the file was made ready; 0 in those of versions that had none.
    package let trustedMillis: Int64

    package init(
        logID: UInt64, file: UInt64, useCount: UInt32, order: UInt64, size: UInt64, term: UInt64, cut: CommitPoint,
        trustedMillis: Int64 = 0
    ) {
        self.logID = logID
        self.file = file
        self.useCount = useCount
        self.order = order
        self.size = size
        self.term = term
        self.cut = cut
        self.trustedMillis = trustedMillis
    }

    /// Fills one block.
    package func write(to block: UnsafeMutableRawBufferPointer) {
        precondition(block.count >= LogFormat.block)
        block.baseAddress!.initializeMemory(as: UInt8.self, repeating: 0, count: LogFormat.block)
        block.store(Self.magic, at: 0)
        block.store(LogFormat.version, at: 8)
        block.store(self.useCount, at: 12)
        block.store(self.logID, at: 16)
        block.store(self.file, at: 24)
        block.store(self.order, at: 32)
        block.store(self.size, at: 40)
        block.store(self.term, at: 48)
        block.store(self.cut.lsn.rawValue, at: 56)
        block.store(self.cut.checksum, at: 64)
        block.store(self.trustedMillis, at: 72)
        block.store(weir_crc32c(0, block.baseAddress, 4092), at: 4092)
    }

    package init(reading block: UnsafeRawBufferPointer) throws(FormatError) {
        guard block.count >= LogFormat.block else { throw FormatError("a segment header is cut short") }
        guard block.integer(UInt64.self, at: 0) == Self.magic else {
            throw FormatError("no segment header stands here")
        }
        guard block.integer(UInt32.self, at: 4092) == weir_crc32c(0, block.baseAddress, 4092) else {
            throw FormatError("a segment header's checksum does not match")
        }
        let version = block.integer(UInt32.self, at: 8)
        guard LogFormat.versions.contains(version) else {
            throw FormatError("segment format version \(version); this program reads versions \(LogFormat.known)")
        }
        self.init(
            logID: block.integer(at: 16), file: block.integer(at: 24), useCount: block.integer(at: 12),
            order: block.integer(at: 32), size: block.integer(at: 40), term: block.integer(at: 48),
            cut: CommitPoint(lsn: LSN(block.integer(at: 56)), checksum: block.integer(at: 64)),
            trustedMillis: block.integer(at: 72))
    }
}
