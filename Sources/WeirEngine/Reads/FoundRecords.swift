// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel
import WeirStorage

/// What a read found, as the batches that go to the caller. `batchBytes` are counted in the engine's memory for reads
/// until the door says `Lane.left` of them.
package struct FoundRecords {
    package let shard: ShardRef
    /// What was asked for, or the first record that is still there when that is later.
    package let firstIndex: UInt64
    package let nextIndex: UInt64
    /// Records that are gone, between what was asked for and `firstIndex`.
    package let missed: UInt64
    package let recordCount: Int
    package let millisBehindLatest: Int64
    package let shardCreationSecond: UInt64
    /// The shards that go on, when this one is closed and `nextIndex` has reached its end.
    package let endOfShard: [ShardDescription]?
    /// Placements and bodies.
    package let batchBytes: Int
    /// Data and keys of the records that were asked for; only counted when asked for, else about that.
    package let payload: Int
    private let chunks: [ReadChunk]
    private let pieces: [Piece]

    private enum Piece {
        /// So many bytes of a chunk, from an offset on.
        case stored(chunk: Int, offset: Int, count: Int)
        case cut([UInt8])
    }

    /// Decides which batches are cut. `exact`: counts data and keys record by record.
    init(_ result: ReadResult, of shard: ShardRef, exact: Bool) throws(MalformedBytes) {
        let indexes = result.firstIndex..<max(result.firstIndex, result.nextIndex)
        var pieces: [Piece] = []
        pieces.reserveCapacity(result.chunks.count + 2)
        var total = 0
        var payload = 0
        for (position, chunk) in result.chunks.enumerated() {
            // Only the first and the last chunk can hold records that were not asked for.
            let isInside = !exact && position > 0 && position < result.chunks.count - 1
            if isInside {
                pieces.append(.stored(chunk: position, offset: 0, count: chunk.count))
                total += chunk.count
                payload += chunk.count
                continue
            }
            try chunk.withBytes { raw throws(MalformedBytes) in
                try Self.walk(raw, position, indexes, exact, &pieces, &total, &payload)
            }
        }
        self.shard = shard
        self.firstIndex = result.firstIndex
        self.nextIndex = result.nextIndex
        self.missed = result.missed
        self.recordCount = result.recordCount
        self.millisBehindLatest = result.millisBehindLatest
        self.shardCreationSecond = result.shardCreationSecond
        self.endOfShard = result.endOfShard
        self.batchBytes = total
        self.payload = payload
        self.chunks = result.chunks
        self.pieces = pieces
    }

    private static func walk(
        _ raw: UnsafeRawBufferPointer, _ chunk: Int, _ indexes: Range<UInt64>, _ exact: Bool, _ pieces: inout [Piece],
        _ total: inout Int, _ payload: inout Int
    ) throws(MalformedBytes) {
        var offset = 0
        while offset < raw.count {
            let placement = try Placement(reading: raw.slice(offset, raw.count - offset))
            guard placement.totalLength <= raw.count - offset else {
                throw MalformedBytes("the batch at index \(placement.firstIndex) is cut short")
            }
            let body = raw.slice(offset + Placement.bytes, placement.bodyLength)
            let overlap = BatchCut.overlap(placement, indexes)
            if !overlap.isEmpty {
                if BatchCut.isWorthwhile(placement, indexes) {
                    guard let cut = try BatchCut.cut(placement, body: body, to: indexes) else { continue }
                    pieces.append(.cut(cut))
                    total += cut.count
                } else {
                    pieces.append(.stored(chunk: chunk, offset: offset, count: placement.totalLength))
                    total += placement.totalLength
                }
                payload += exact ? try Self.payload(placement, body, overlap) : placement.bodyLength
            }
            offset += placement.totalLength
        }
    }

    private static func payload(
        _ placement: Placement, _ body: UnsafeRawBufferPointer, _ kept: Range<UInt64>
    ) throws(MalformedBytes) -> Int {
        let header = try BatchBody.header(of: body)
        var cursor = RecordCursor(records: body.slice(BatchBody.headerBytes, header.recordsLength))
        var index = placement.firstIndex
        var bytes = 0
        while let record = try cursor.next() {
            if kept.contains(index) { bytes += record.payloadBytes }
            index += 1
        }
        return bytes
    }

    /// The batches in their order, piece by piece.
    package func forEachPiece(_ body: (UnsafeRawBufferPointer) -> Void) {
        for piece in self.pieces {
            switch piece {
            case .cut(let bytes): bytes.withUnsafeBytes { body($0) }
            case .stored(let chunk, let offset, let count):
                self.chunks[chunk].withBytes { raw in body(raw.slice(offset, count)) }
            }
        }
    }
}
