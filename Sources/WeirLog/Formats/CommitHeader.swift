// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirModel

/// The head of a commit: one write, one sync, for everything that waited. Behind it stand the events, then the batches
/// (placement and body each), then zeros up to the block. The checksum covers all of it, the padding too.
///
/// ```
/// 0  u32 magic "WCM1"       32 u64 previous LSN       60 u32 events length    84 u32 use count
/// 4  u32 format version     40 u32 previous checksum  64 u64 catalog version  88 i64 time, ms since 1970
/// 8  u64 log id             44 u32 checksum           72 u32 event count      96 i64 trusted time, 0: none
/// 16 u64 term               48 u64 acknowledged LSN   76 u32 batch count      104...127 0
/// 24 u64 LSN                56 u32 length             80 u32 batches length
/// ```
package struct CommitHeader: Hashable, Sendable {
    package static let magic: UInt32 = 0x314d_4357
    package static let bytes = 128

    package var logID: UInt64
    package var term: UInt64
    package var lsn: LSN
    package var previous: CommitPoint
    /// The highest LSN that had been acknowledged when this commit was formed: proof that all up to it was on disk.
    package var acknowledged: LSN
    /// Bytes without the padding.
    package var length: Int
    package var eventsLength: Int
    /// Number of catalog events before this commit: a gap tells that events were lost.
    package var catalogVersion: UInt64
    package var eventCount: Int
    package var batchCount: Int
    package var batchesLength: Int
    package var useCount: UInt32
    package var timeMillis: Int64
    /// `LogTime.trustedMillis` when the commit was formed; 0 in commits of versions that had none.
    package var trustedMillis: Int64
    /// CRC-32C of the padded commit with this field as zero.
    package var checksum: UInt32

    package init(
        logID: UInt64, term: UInt64, lsn: LSN, previous: CommitPoint, acknowledged: LSN, length: Int, eventsLength: Int,
        catalogVersion: UInt64, eventCount: Int, batchCount: Int, batchesLength: Int, useCount: UInt32,
        timeMillis: Int64, trustedMillis: Int64 = 0, checksum: UInt32 = 0
    ) {
        self.logID = logID
        self.term = term
        self.lsn = lsn
        self.previous = previous
        self.acknowledged = acknowledged
        self.length = length
        self.eventsLength = eventsLength
        self.catalogVersion = catalogVersion
        self.eventCount = eventCount
        self.batchCount = batchCount
        self.batchesLength = batchesLength
        self.useCount = useCount
        self.timeMillis = timeMillis
        self.trustedMillis = trustedMillis
        self.checksum = checksum
    }

    package var paddedLength: Int { LogFormat.padded(self.length) }
    package var point: CommitPoint { CommitPoint(lsn: self.lsn, checksum: self.checksum) }
    /// Where the batches begin in the commit.
    package var batchesOffset: Int { Self.bytes + self.eventsLength }

    /// Writes the header in front of a commit whose other bytes stand, zeros the padding, and returns the checksum.
    package func seal(_ commit: UnsafeMutableRawBufferPointer) -> UInt32 {
        let padded = self.paddedLength
        precondition(commit.count >= padded)
        let head = UnsafeMutableRawBufferPointer(rebasing: commit[0..<Self.bytes])
        head.initializeMemory(as: UInt8.self, repeating: 0)
        head.store(Self.magic, at: 0)
        head.store(LogFormat.version, at: 4)
        head.store(self.logID, at: 8)
        head.store(self.term, at: 16)
        head.store(self.lsn.rawValue, at: 24)
        head.store(self.previous.lsn.rawValue, at: 32)
        head.store(self.previous.checksum, at: 40)
        head.store(self.acknowledged.rawValue, at: 48)
        head.store(UInt32(self.length), at: 56)
        head.store(UInt32(self.eventsLength), at: 60)
        head.store(self.catalogVersion, at: 64)
        head.store(UInt32(self.eventCount), at: 72)
        head.store(UInt32(self.batchCount), at: 76)
        head.store(UInt32(self.batchesLength), at: 80)
        head.store(self.useCount, at: 84)
        head.store(self.timeMillis, at: 88)
        head.store(self.trustedMillis, at: 96)
        if padded > self.length {
            UnsafeMutableRawBufferPointer(rebasing: commit[self.length..<padded])
                .initializeMemory(as: UInt8.self, repeating: 0)
        }
        let checksum = weir_crc32c(0, commit.baseAddress, padded)
        head.store(checksum, at: 44)
        return checksum
    }

    /// Reads and believes nothing: lengths are checked against each other, not yet the checksum.
    package init(reading raw: UnsafeRawBufferPointer) throws(FormatError) {
        guard raw.count >= Self.bytes, raw.integer(UInt32.self, at: 0) == Self.magic else {
            throw FormatError("no commit begins here")
        }
        guard LogFormat.versions.contains(raw.integer(UInt32.self, at: 4)) else {
            throw FormatError("a commit of format version \(raw.integer(UInt32.self, at: 4))")
        }
        self.init(
            logID: raw.integer(at: 8), term: raw.integer(at: 16), lsn: LSN(raw.integer(at: 24)),
            previous: CommitPoint(lsn: LSN(raw.integer(at: 32)), checksum: raw.integer(at: 40)),
            acknowledged: LSN(raw.integer(at: 48)), length: Int(raw.integer(UInt32.self, at: 56)),
            eventsLength: Int(raw.integer(UInt32.self, at: 60)), catalogVersion: raw.integer(at: 64),
            eventCount: Int(raw.integer(UInt32.self, at: 72)), batchCount: Int(raw.integer(UInt32.self, at: 76)),
            batchesLength: Int(raw.integer(UInt32.self, at: 80)), useCount: raw.integer(at: 84),
            timeMillis: raw.integer(at: 88), trustedMillis: raw.integer(at: 96), checksum: raw.integer(at: 44))
        guard self.length == Self.bytes + self.eventsLength + self.batchesLength else {
            throw FormatError("a commit's lengths do not add up")
        }
    }

    /// Whether all bytes of the padded commit are what was written.
    package func checksumMatches(_ commit: UnsafeRawBufferPointer) -> Bool {
        guard commit.count >= self.paddedLength else { return false }
        var crc = weir_crc32c(0, commit.baseAddress, 44)
        crc = withUnsafeBytes(of: UInt32(0)) { weir_crc32c(crc, $0.baseAddress, 4) }
        return weir_crc32c(crc, commit.baseAddress! + 48, self.paddedLength - 48) == self.checksum
    }
}
