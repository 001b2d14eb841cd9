// SPDX-License-Identifier: Apache-2.0
import CWeir

/// What the server says about a batch, beside the body: where it lies and when it arrived. Stored in front of each body
/// and sent in front of it to readers.
///
/// ```
/// 0 u32 magic "WRB1"   8 u64 stream id   20 u32 count         32 i64 arrival, ms since 1970   44 u32 CRC-32C of 0..<44
/// 4 u32 body length   16 u32 shard       24 u64 first index   40 u32 0
/// ```
package struct Placement: Hashable, Sendable {
    package static let bytes = 48
    static let magic: UInt32 = 0x3142_5257

    package let stream: StreamID
    package let shard: ShardNumber
    package let firstIndex: UInt64
    package let count: Int
    /// One arrival for all records of the batch, stamped when it joined a commit.
    package let arrivalMillis: Int64
    package let bodyLength: Int

    package init(
        stream: StreamID, shard: ShardNumber, firstIndex: UInt64, count: Int, arrivalMillis: Int64, bodyLength: Int
    ) {
        self.stream = stream
        self.shard = shard
        self.firstIndex = firstIndex
        self.count = count
        self.arrivalMillis = arrivalMillis
        self.bodyLength = bodyLength
    }

    /// The index after the last record.
    package var endIndex: UInt64 { self.firstIndex + UInt64(self.count) }
    /// Placement and body together.
    package var totalLength: Int { Self.bytes + self.bodyLength }

    package func write(to raw: UnsafeMutableRawBufferPointer) {
        raw.store(Self.magic, at: 0)
        raw.store(UInt32(self.bodyLength), at: 4)
        raw.store(self.stream.rawValue, at: 8)
        raw.store(self.shard.rawValue, at: 16)
        raw.store(UInt32(self.count), at: 20)
        raw.store(self.firstIndex, at: 24)
        raw.store(self.arrivalMillis, at: 32)
        raw.store(UInt32(0), at: 40)
        raw.store(weir_crc32c(0, raw.baseAddress, 44), at: 44)
    }

    package init(reading raw: UnsafeRawBufferPointer) throws(MalformedBytes) {
        guard raw.count >= Self.bytes else { throw MalformedBytes("a placement is cut short") }
        guard raw.integer(UInt32.self, at: 0) == Self.magic, raw.integer(UInt32.self, at: 40) == 0 else {
            throw MalformedBytes("a placement does not begin with its magic")
        }
        guard raw.integer(UInt32.self, at: 44) == weir_crc32c(0, raw.baseAddress, 44) else {
            throw MalformedBytes("a placement's checksum does not match")
        }
        self.init(
            stream: StreamID(raw.integer(at: 8)), shard: ShardNumber(raw.integer(at: 16)),
            firstIndex: raw.integer(at: 24), count: Int(raw.integer(UInt32.self, at: 20)),
            arrivalMillis: raw.integer(at: 32), bodyLength: Int(raw.integer(UInt32.self, at: 4)))
    }
}
