// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirModel
import WeirProtocol

/// Consecutive records of one shard, as they arrived: they lie in the memory that the network filled.
public struct RecordBatch: Sendable {
    private let payload: ByteBuffer
    /// Placements and bodies, from the reader index of `payload` on.
    private let batchesOffset: Int
    private let creationSecond: UInt64
    let firstIndex: UInt64
    private let endIndex: UInt64
    /// Where reading goes on.
    let nextIndex: UInt64
    /// What it took of the credit.
    let batchBytes: Int
    public let stream: StreamID
    public let shard: ShardNumber
    /// Records in it; 0 when it only tells that records were missed or that the shard has ended.
    public let count: Int
    /// Records that are gone: trimmed before this reader came to them, or damaged on the disk; told once.
    public let missedRecords: UInt64
    /// Where they were; in front of the records of this batch.
    public var missedIndexes: Range<UInt64> {
        self.firstIndex - min(self.firstIndex, self.missedRecords)..<self.firstIndex
    }
    package let millisBehindLatest: Int64
    /// How far the end of this batch is behind the newest record of the shard; zero when caught up.
    public var behindLatest: Duration { .milliseconds(self.millisBehindLatest) }
    /// Set in the last batch of a closed shard: the shards that took over its keys.
    public let endOfShard: [ShardDescription]?

    /// Bytes of memory that it holds.
    public var memoryBytes: Int { self.payload.readableBytes }

    /// The payload of a push. Checks everything in it, checksums included, so that reading cannot fail. Records from
    /// `limit` on are left out.
    init(push payload: ByteBuffer, limit: UInt64 = .max) throws(MalformedBytes) {
        try self.init(payload, limit) { raw throws(MalformedBytes) in try RecordsPushView(payload: raw).records }
    }

    /// The payload of an answer to GetRecords, in the same way.
    init(answer payload: ByteBuffer, limit: UInt64 = .max) throws(MalformedBytes) {
        try self.init(payload, limit) { raw throws(MalformedBytes) in try RecordsView(payload: raw) }
    }

    private init(
        _ payload: ByteBuffer, _ limit: UInt64,
        _ read: (UnsafeRawBufferPointer) throws(MalformedBytes) -> RecordsView
    ) throws(MalformedBytes) {
        let (header, count) = try payload.withUnsafeReadableBytes { raw throws(MalformedBytes) in
            let view = try read(raw)
            var count = 0
            try view.forEachRecord { index, _, _ in count += index < limit ? 1 : 0 }
            return (view.header, count)
        }
        self.payload = payload
        self.batchesOffset = payload.readableBytes - Int(header.batchBytes)
        self.creationSecond = header.shardCreationSecond
        self.firstIndex = header.firstIndex
        self.endIndex = min(header.nextIndex, limit)
        self.nextIndex = header.nextIndex
        self.batchBytes = Int(header.batchBytes)
        self.stream = header.stream
        self.shard = header.shard
        self.count = count
        self.missedRecords = header.missedRecords
        self.millisBehindLatest = header.millisBehindLatest
        self.endOfShard = header.isEndOfShard ? header.children : nil
    }

    /// Visits the records in order without copying them.
    public func forEach<E: Error>(_ visit: (RecordSlice) throws(E) -> Void) throws(E) {
        guard self.count > 0 else { return }
        var failure: E?
        self.payload.withUnsafeReadableBytes { raw in
            do throws(E) {
                try self.walk(raw.slice(self.batchesOffset, raw.count - self.batchesOffset)) {
                    index, arrivalMillis, view throws(E) in
                    try visit(
                        RecordSlice(
                            shard: self.shard, shardCreationSecond: self.creationSecond, index: index,
                            approximateArrivalMillis: arrivalMillis, view: view))
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    /// `init` has checked all of it, so that nothing here can be malformed.
    private func walk<E: Error>(
        _ batches: UnsafeRawBufferPointer, _ visit: (UInt64, Int64, RecordView) throws(E) -> Void
    ) throws(E) {
        var offset = 0
        while offset < batches.count, let placement = try? Placement(reading: batches.slice(offset, Placement.bytes)) {
            let recordsLength = placement.bodyLength - BatchBody.headerBytes
            var cursor = RecordCursor(
                records: batches.slice(offset + Placement.bytes + BatchBody.headerBytes, recordsLength))
            var index = placement.firstIndex
            while let view = try? cursor.next() {
                if index >= self.firstIndex, index < self.endIndex {
                    try visit(index, placement.arrivalMillis, view)
                }
                index += 1
            }
            offset += placement.totalLength
        }
    }

    /// The records in order, read where they are: nothing is copied, and the result keeps the memory of this batch
    /// alive.
    public var recordsInPlace: BatchRecords {
        var entries: [BatchRecords.Memory.Entry] = []
        entries.reserveCapacity(self.count)
        if self.count > 0 {
            self.payload.withUnsafeReadableBytes { raw in
                guard let base = raw.baseAddress else { return }
                self.walk(raw.slice(self.batchesOffset, raw.count - self.batchesOffset)) { index, arrival, view in
                    guard let start = view.bytes.baseAddress else { return }
                    entries.append(
                        .init(
                            start: Int32(truncatingIfNeeded: start - base),
                            length: Int32(truncatingIfNeeded: view.bytes.count), index: index, arrivalMillis: arrival))
                }
            }
        }
        return BatchRecords(
            .init(self.payload, creationSecond: self.creationSecond, shard: self.shard, entries: entries))
    }

    /// Copies of the records, in order.
    public var records: [Record] {
        var records: [Record] = []
        records.reserveCapacity(self.count)
        self.forEach { records.append($0.copy()) }
        return records
    }
}
