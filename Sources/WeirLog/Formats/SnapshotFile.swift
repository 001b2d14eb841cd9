// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirModel

/// The machines as of one commit, so that a start need not replay from the beginning.
///
/// ```
/// 0 u64 magic "WEIRSNP1" | u32 format version | u32 CRC-32C of all behind byte 16 | u64 length of all behind byte 24
/// 24 log id, LSN and checksum of the commit, time, next file number, next indexes per shard,
///    dropped and live segments, catalog, lease table, ends of the live segments
/// ```
package struct SnapshotFile: Hashable, Sendable {
    static let magic: UInt64 = 0x3150_4e53_5249_4557

    package struct Position: Hashable, Sendable {
        package let stream: StreamID
        package let shard: ShardNumber
        package let nextIndex: UInt64

        package init(stream: StreamID, shard: ShardNumber, nextIndex: UInt64) {
            self.stream = stream
            self.shard = shard
            self.nextIndex = nextIndex
        }
    }

    /// A segment file in one of its uses.
    package struct Use: Hashable, Sendable {
        package let file: UInt64
        package let useCount: UInt32

        package init(file: UInt64, useCount: UInt32) {
            self.file = file
            self.useCount = useCount
        }
    }

    /// A segment with commits up to that of the snapshot.
    package struct Live: Hashable, Sendable {
        package let use: Use
        /// Its last commit, when it takes no more; `none` of one that may still grow, and in snapshots of older
        /// versions.
        package let end: LSN

        package init(_ use: Use, end: LSN) {
            self.use = use
            self.end = end
        }
    }

    package let logID: UInt64
    package let point: CommitPoint
    package let timeMillis: Int64
    /// No file had a number from here on: so that none is given again after its file was unlinked.
    package let nextFile: UInt64
    package let positions: [Position]
    /// Dropped in this use and any before it; their files may still be there.
    package let dropped: [Use]
    /// With commits up to this one, and only these: a start misses a file that is gone, and one that is not listed held
    /// none of them.
    package let live: [Live]
    package let catalog: [UInt8]
    package let leases: [UInt8]

    package init(
        logID: UInt64, point: CommitPoint, timeMillis: Int64, nextFile: UInt64, positions: [Position],
        dropped: [Use], live: [Live], catalog: [UInt8], leases: [UInt8]
    ) {
        self.logID = logID
        self.point = point
        self.timeMillis = timeMillis
        self.nextFile = nextFile
        self.positions = positions
        self.dropped = dropped
        self.live = live
        self.catalog = catalog
        self.leases = leases
    }

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 128 + self.positions.count * 20 + self.catalog.count + self.leases.count)
        writer.write(Self.magic)
        writer.write(LogFormat.version)
        writer.write(UInt32(0))
        writer.write(UInt64(0))
        writer.write(self.logID)
        writer.write(self.point.lsn.rawValue)
        writer.write(self.point.checksum)
        writer.write(self.timeMillis)
        writer.write(self.nextFile)
        writer.write(UInt32(self.positions.count))
        for position in self.positions {
            writer.write(position.stream.rawValue)
            writer.write(position.shard.rawValue)
            writer.write(position.nextIndex)
        }
        for uses in [self.dropped, self.live.map(\.use)] {
            writer.write(UInt32(uses.count))
            for use in uses {
                writer.write(use.file)
                writer.write(use.useCount)
            }
        }
        writer.write(UInt32(self.catalog.count))
        writer.append(self.catalog)
        writer.write(UInt32(self.leases.count))
        writer.append(self.leases)
        for segment in self.live { writer.write(segment.end.rawValue) }
        writer.overwrite(UInt64(writer.count - 24), at: 16)
        let checksum = writer.bytes.withUnsafeBytes { weir_crc32c(0, $0.baseAddress! + 16, $0.count - 16) }
        writer.overwrite(checksum, at: 12)
        return writer.bytes
    }

    /// The checksum inside an encoded snapshot: what the naming event carries.
    package static func checksum(of bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { $0.integer(UInt32.self, at: 12) }
    }

    package init(reading raw: UnsafeRawBufferPointer) throws(FormatError) {
        guard raw.count >= 24, raw.integer(UInt64.self, at: 0) == Self.magic else {
            throw FormatError("it does not begin as a snapshot")
        }
        guard raw.integer(UInt32.self, at: 12) == weir_crc32c(0, raw.baseAddress! + 16, raw.count - 16) else {
            throw FormatError("its checksum does not match")
        }
        guard LogFormat.versions.contains(raw.integer(UInt32.self, at: 8)) else {
            throw FormatError(
                "its format version is \(raw.integer(UInt32.self, at: 8)), this program reads \(LogFormat.known)")
        }
        guard raw.integer(UInt64.self, at: 16) == UInt64(raw.count - 24) else {
            throw FormatError("its length is wrong")
        }
        var reader = ByteReader(raw.slice(24, raw.count - 24))
        do throws(MalformedBytes) {
            let logID: UInt64 = try reader.read()
            let point = CommitPoint(lsn: LSN(try reader.read()), checksum: try reader.read())
            let timeMillis: Int64 = try reader.read()
            let nextFile: UInt64 = try reader.read()
            var positions: [Position] = []
            let positionCount = Int(try reader.read(UInt32.self))
            guard positionCount <= reader.remaining / 20 else { throw MalformedBytes("too many positions") }
            for _ in 0..<positionCount {
                positions.append(
                    Position(
                        stream: StreamID(try reader.read()), shard: ShardNumber(try reader.read()),
                        nextIndex: try reader.read()))
            }
            let dropped = try Self.readUses(&reader)
            let live = try Self.readUses(&reader)
            let catalog = Array(try reader.readBytes(Int(try reader.read(UInt32.self))))
            let leases = Array(try reader.readBytes(Int(try reader.read(UInt32.self))))
            var ends: [LSN] = []
            if reader.remaining > 0 {
                for _ in live { ends.append(LSN(try reader.read())) }
            }
            try reader.expectEnd()
            self.init(
                logID: logID, point: point, timeMillis: timeMillis, nextFile: nextFile, positions: positions,
                dropped: dropped,
                live: live.enumerated().map { Live($0.element, end: ends.isEmpty ? .none : ends[$0.offset]) },
                catalog: catalog, leases: leases)
        } catch {
            throw FormatError("a snapshot: \(error)")
        }
    }

    private static func readUses(_ reader: inout ByteReader) throws(MalformedBytes) -> [Use] {
        let count = Int(try reader.read(UInt32.self))
        guard count <= reader.remaining / 12 else { throw MalformedBytes("\(count) segments do not fit") }
        var uses: [Use] = []
        for _ in 0..<count { uses.append(Use(file: try reader.read(), useCount: try reader.read())) }
        return uses
    }
}
