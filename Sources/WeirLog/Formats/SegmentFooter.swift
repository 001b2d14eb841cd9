// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirModel

/// The index of a full segment, written behind its last commit at the roll: what a start reads instead of the segment.
/// It can be lost: then the segment is scanned and the footer made again.
///
/// At the end of the file stands a block: `u64 magic | u32 use count | u32 0 | u64 offset | u64 length | u32 CRC of the
/// footer | u32 CRC of the 36 bytes before`; at `offset` the footer: the commit before the
/// first, the last commit, its end and time, the highest acknowledged LSN, then per shard the entries.
package struct SegmentFooter: Hashable, Sendable {
    static let magic: UInt64 = 0x3154_4f4f_4652_4957
    static let trailerBytes = 40

    package struct Shard: Hashable, Sendable {
        package let stream: StreamID
        package let shard: ShardNumber
        package let index: ShardIndex

        package init(stream: StreamID, shard: ShardNumber, index: ShardIndex) {
            self.stream = stream
            self.shard = shard
            self.index = index
        }
    }

    /// First and last commit of the segment.
    package let firstPrevious: CommitPoint
    package let last: CommitPoint
    /// Where the last commit ends, in bytes from the start of the file.
    package let endOffset: UInt64
    package let timeMillis: Int64
    package let acknowledged: LSN
    package let shards: [Shard]

    package init(
        firstPrevious: CommitPoint, last: CommitPoint, endOffset: UInt64, timeMillis: Int64, acknowledged: LSN,
        shards: [Shard]
    ) {
        self.firstPrevious = firstPrevious
        self.last = last
        self.endOffset = endOffset
        self.timeMillis = timeMillis
        self.acknowledged = acknowledged
        self.shards = shards
    }

    /// Bytes that a footer of so many shards and entries takes on disk, trailer block included.
    package static func diskBytes(shards: Int, entries: Int) -> Int {
        LogFormat.padded(64 + shards * 16 + entries * IndexEntry.bytes) + LogFormat.block
    }

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: Self.diskBytes(shards: self.shards.count, entries: 0))
        writer.write(self.firstPrevious.lsn.rawValue)
        writer.write(self.firstPrevious.checksum)
        writer.write(self.last.lsn.rawValue)
        writer.write(self.last.checksum)
        writer.write(self.endOffset)
        writer.write(self.timeMillis)
        writer.write(self.acknowledged.rawValue)
        writer.write(UInt32(self.shards.count))
        for shard in self.shards {
            writer.write(shard.stream.rawValue)
            writer.write(shard.shard.rawValue)
            writer.write(UInt32(shard.index.entries.count))
            for entry in shard.index.entries {
                writer.write(entry.firstIndex)
                writer.write(entry.arrivalMillis)
                writer.write(entry.offset)
                writer.write(entry.length)
                writer.write(entry.count)
            }
        }
        return writer.bytes
    }

    package init(reading raw: UnsafeRawBufferPointer) throws(FormatError) {
        var reader = ByteReader(raw)
        do throws(MalformedBytes) {
            let firstPrevious = CommitPoint(lsn: LSN(try reader.read()), checksum: try reader.read())
            let last = CommitPoint(lsn: LSN(try reader.read()), checksum: try reader.read())
            let endOffset: UInt64 = try reader.read()
            let timeMillis: Int64 = try reader.read()
            let acknowledged = LSN(try reader.read())
            let count = Int(try reader.read(UInt32.self))
            var shards: [Shard] = []
            for _ in 0..<count {
                let stream = StreamID(try reader.read())
                let shard = ShardNumber(try reader.read())
                let entries = Int(try reader.read(UInt32.self))
                guard entries <= reader.remaining / IndexEntry.bytes else {
                    throw MalformedBytes("\(entries) entries do not fit")
                }
                var index = ShardIndex()
                for _ in 0..<entries {
                    index.append(
                        IndexEntry(
                            firstIndex: try reader.read(), arrivalMillis: try reader.read(),
                            offset: try reader.read(), length: try reader.read(), count: try reader.read()))
                }
                shards.append(Shard(stream: stream, shard: shard, index: index))
            }
            try reader.expectEnd()
            self.init(
                firstPrevious: firstPrevious, last: last, endOffset: endOffset, timeMillis: timeMillis,
                acknowledged: acknowledged, shards: shards)
        } catch {
            throw FormatError("a segment footer: \(error)")
        }
    }

    /// The block at the end of the file that says where the footer lies.
    package struct Trailer: Hashable, Sendable {
        package let useCount: UInt32
        package let offset: UInt64
        package let length: UInt64
        package let checksum: UInt32

        package init(useCount: UInt32, offset: UInt64, length: UInt64, checksum: UInt32) {
            self.useCount = useCount
            self.offset = offset
            self.length = length
            self.checksum = checksum
        }

        /// Bytes that say something; zeros follow to the end of the block.
        package static let bytes = SegmentFooter.trailerBytes

        /// Whether a block is a trailer but for its damage: its magic is right, or wrong in a bit.
        package static func resembles(_ block: UnsafeRawBufferPointer) -> Bool {
            block.count >= Self.bytes
                && (block.integer(UInt64.self, at: 0) ^ SegmentFooter.magic).nonzeroBitCount <= 1
        }

        package func write(to block: UnsafeMutableRawBufferPointer) {
            block.initializeMemory(as: UInt8.self, repeating: 0)
            block.store(SegmentFooter.magic, at: 0)
            block.store(self.useCount, at: 8)
            block.store(self.offset, at: 16)
            block.store(self.length, at: 24)
            block.store(self.checksum, at: 32)
            block.store(weir_crc32c(0, block.baseAddress, 36), at: 36)
        }

        package init?(reading block: UnsafeRawBufferPointer) {
            guard block.count >= SegmentFooter.trailerBytes, block.integer(UInt64.self, at: 0) == SegmentFooter.magic,
                block.integer(UInt32.self, at: 36) == weir_crc32c(0, block.baseAddress, 36)
            else { return nil }
            self.init(
                useCount: block.integer(at: 8), offset: block.integer(at: 16), length: block.integer(at: 24),
                checksum: block.integer(at: 32))
        }
    }
}
