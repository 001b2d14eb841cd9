// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What stands in front of the batches in an answer to GetRecords and in a `RecordsPush`.
///
/// ```
/// 0   u64  stream                  32  i64  behind the latest, ms     64  iterator
/// 8   u32  shard                   40  u64  missed records                children: shard descriptions
/// 12  u32  flags                   48  u64  shard creation second         batches: (placement | body)...
/// 16  u64  first index             56  u32  bytes of batches
/// 24  u64  next index              60  u16  bytes of the iterator (0: none)
/// flags bit 0: end of shard        62  u16  children
/// ```
/// The batches may begin before `firstIndex` and end behind `nextIndex`: a reader drops what lies outside.
package struct RecordsHeader: Hashable, Sendable {
    package static let fixedBytes = 64
    static let endOfShardFlag: UInt32 = 1

    package var stream: StreamID
    package var shard: ShardNumber
    /// The index that was asked for, or the first one still there if that was trimmed.
    package var firstIndex: UInt64
    /// Where the next read begins.
    package var nextIndex: UInt64
    /// 0 when the reader has caught up.
    package var millisBehindLatest: Int64
    /// Records that are gone: trimmed before this reader came to them, or damaged on the disk; told once.
    package var missedRecords: UInt64
    /// For the sequence numbers of the records.
    package var shardCreationSecond: UInt64
    /// Placements and bodies that follow.
    package var batchBytes: UInt32
    /// Absent at the end of the shard, and in pushes.
    package var nextIterator: [UInt8]?
    /// The shard is closed and was read to its end: nothing will ever follow.
    package var isEndOfShard: Bool
    /// At the end of the shard: those that took over its keys.
    package var children: [ShardDescription]

    package init(
        stream: StreamID, shard: ShardNumber, firstIndex: UInt64, nextIndex: UInt64, millisBehindLatest: Int64,
        missedRecords: UInt64 = 0, shardCreationSecond: UInt64, batchBytes: UInt32, nextIterator: [UInt8]? = nil,
        isEndOfShard: Bool = false, children: [ShardDescription] = []
    ) {
        self.stream = stream
        self.shard = shard
        self.firstIndex = firstIndex
        self.nextIndex = nextIndex
        self.millisBehindLatest = millisBehindLatest
        self.missedRecords = missedRecords
        self.shardCreationSecond = shardCreationSecond
        self.batchBytes = batchBytes
        self.nextIterator = nextIterator
        self.isEndOfShard = isEndOfShard
        self.children = children
    }

    /// The external number of the record with `index` that arrived at `arrivalMillis`.
    package func sequenceNumber(index: UInt64, arrivalMillis: Int64) -> SequenceNumber {
        SequenceNumber(
            shardCreationSecond: self.shardCreationSecond, shard: self.shard, index: index,
            arrivalSecond: UInt64(max(0, arrivalMillis)) / 1000)
    }
}

extension RecordsHeader {
    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        writer.write(self.shard.rawValue)
        writer.write(self.isEndOfShard ? Self.endOfShardFlag : 0)
        writer.write(self.firstIndex)
        writer.write(self.nextIndex)
        writer.write(self.millisBehindLatest)
        writer.write(self.missedRecords)
        writer.write(self.shardCreationSecond)
        writer.write(self.batchBytes)
        let iterator = self.nextIterator ?? []
        precondition(iterator.count <= Limits.iteratorBytesMax, "an iterator longer than its limit")
        writer.write(UInt16(iterator.count))
        writer.write(UInt16(clamping: self.children.count))
        writer.append(iterator)
        for child in self.children { child.encode(into: &writer) }
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let stream = StreamID(try reader.read())
        let shard = ShardNumber(try reader.read())
        let flags = try reader.read(UInt32.self)
        guard flags & ~Self.endOfShardFlag == 0 else { throw MalformedBytes("an answer with unknown flags") }
        self.init(
            stream: stream, shard: shard, firstIndex: try reader.read(), nextIndex: try reader.read(),
            millisBehindLatest: try reader.read(), missedRecords: try reader.read(),
            shardCreationSecond: try reader.read(), batchBytes: try reader.read(),
            isEndOfShard: flags & Self.endOfShardFlag != 0)
        guard self.firstIndex <= self.nextIndex else { throw MalformedBytes("an answer that goes backwards") }
        let iteratorBytes = Int(try reader.read(UInt16.self))
        let childCount = Int(try reader.read(UInt16.self))
        guard iteratorBytes <= Limits.iteratorBytesMax else {
            throw MalformedBytes("an iterator of \(iteratorBytes) bytes; at most \(Limits.iteratorBytesMax)")
        }
        let iterator = [UInt8](try reader.readBytes(iteratorBytes))
        self.nextIterator = iterator.isEmpty ? nil : iterator
        guard childCount * ShardDescription.wireBytesMin <= reader.remaining else {
            throw MalformedBytes("\(childCount) children do not fit into the \(reader.remaining) bytes that are left")
        }
        self.children = try reader.readList(childCount) { reader throws(MalformedBytes) in
            try ShardDescription(reading: &reader)
        }
        guard self.isEndOfShard || self.children.isEmpty else {
            throw MalformedBytes("children before the end of the shard")
        }
    }

    /// The beginning of a GetRecords answer's frame; the sender appends exactly `batchBytes` bytes of batches.
    package func answerHead(correlation: UInt64) -> [UInt8] {
        self.head(.getRecordsAnswer, correlation: correlation) { _ in }
    }

    /// The beginning of a push's frame; the sender appends exactly `batchBytes` bytes of batches.
    ///
    /// ```
    /// u32 subscription id | u32 0 | records header | batches
    /// ```
    package func pushHead(subscription: UInt32) -> [UInt8] {
        self.head(.recordsPush, correlation: 0) { writer in
            writer.write(subscription)
            writer.write(UInt32(0))
        }
    }

    private func head(_ type: FrameType, correlation: UInt64, _ prefix: (inout ByteWriter) -> Void) -> [UInt8] {
        var writer = ByteWriter(capacity: 160)
        FrameHeader(type, length: 0, correlation: correlation).encode(into: &writer)
        prefix(&writer)
        self.encode(into: &writer)
        let length = writer.count - FrameHeader.bytes + Int(self.batchBytes)
        writer.overwrite(UInt32(clamping: length), at: FrameHeader.lengthOffset)
        return writer.bytes
    }
}
