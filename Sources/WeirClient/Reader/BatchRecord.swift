// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirModel

/// A record that lies in the batch it came in: nothing of it is copied until it is asked for. Keeps the memory of the
/// whole batch for as long as it lives.
public struct BatchRecord: Sendable {
    private let batch: BatchRecords.Memory
    private let position: Int32

    fileprivate init(_ batch: BatchRecords.Memory, _ position: Int32) {
        self.batch = batch
        self.position = position
    }

    private var entry: BatchRecords.Memory.Entry { self.batch.entries[Int(self.position)] }

    public var shard: ShardNumber { self.batch.shard }
    package var approximateArrivalMillis: Int64 { self.entry.arrivalMillis }
    public var approximateArrival: Timestamp { Timestamp(millisecondsSince1970: self.approximateArrivalMillis) }

    public var sequenceNumber: SequenceNumber {
        let entry = self.entry
        return SequenceNumber(
            shardCreationSecond: self.batch.creationSecond, shard: self.batch.shard, index: entry.index,
            arrivalSecond: UInt64(max(0, entry.arrivalMillis)) / 1000)
    }

    /// A key that is not UTF-8 is repaired.
    public var partitionKey: String { self.with { String(decoding: $0.key, as: UTF8.self) } }
    public var explicitHashKey: HashKey? { self.with { $0.explicitHashKey } }
    /// A copy.
    public var data: [UInt8] { self.with { [UInt8]($0.data) } }
    /// Bytes of key and data.
    public var payloadBytes: Int { self.with { $0.payloadBytes } }

    /// The data where it lies; valid only inside `body`.
    public func withData<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R { self.with { body($0.data) } }

    private func with<R>(_ body: (RecordView) -> R) -> R {
        let entry = self.entry
        return self.batch.payload.withUnsafeReadableBytes { raw in
            var cursor = RecordCursor(records: raw.slice(Int(entry.start), Int(entry.length)))
            guard let view = try? cursor.next() else {
                preconditionFailure("a batch was checked when it came, and does not change")
            }
            return body(view)
        }
    }

    /// A copy that keeps nothing of the batch.
    public func copy() -> Record {
        Record(
            sequenceNumber: self.sequenceNumber, partitionKey: self.partitionKey,
            explicitHashKey: self.explicitHashKey, data: self.data,
            approximateArrivalMillis: self.approximateArrivalMillis)
    }
}

/// The records of a batch, in their order, where they lie.
public struct BatchRecords: RandomAccessCollection, Sendable {
    final class Memory: Sendable {
        struct Entry: BitwiseCopyable, Sendable {
            /// In the payload.
            let start: Int32
            let length: Int32
            let index: UInt64
            let arrivalMillis: Int64
        }

        let payload: ByteBuffer
        let creationSecond: UInt64
        let shard: ShardNumber
        let entries: [Entry]

        init(_ payload: ByteBuffer, creationSecond: UInt64, shard: ShardNumber, entries: [Entry]) {
            self.payload = payload
            self.creationSecond = creationSecond
            self.shard = shard
            self.entries = entries
        }
    }

    private let memory: Memory

    init(_ memory: Memory) { self.memory = memory }

    public var startIndex: Int { 0 }
    public var endIndex: Int { self.memory.entries.count }
    public subscript(position: Int) -> BatchRecord { BatchRecord(self.memory, Int32(truncatingIfNeeded: position)) }
}
