// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Records as a caller gave them, with what the producer knows of each: the unit that is taken in, held and reported.
/// Used again and again, so that steady work needs little new memory.
///
/// `@unchecked Sendable`: a chunk has one owner at a time, and goes from the filler (under the staging lock) to the
/// machine (under the producer's lock) to whoever reports it; nobody keeps it behind.
package final class RecordChunk: @unchecked Sendable {
    /// What holding a chunk and a record costs beside the bytes.
    static let overheadBytes = 512
    static let recordOverheadBytes = 40

    var records = RecordStore()
    var hashes: [HashKey] = []
    /// Positions of records, gathered by lane; each run of a lane is a range of it in rising order.
    var order: [UInt16] = []
    var entries: [PutResults.Entry] = []
    var slots: [PutResults.Slot] = []
    /// Records without a result.
    var unresolved = 0
    var stored = 0
    /// In which order chunks were submitted to the machine, from 1.
    var ordinal: UInt64 = 0
    var submittedAt: UInt64 = 0
    /// Position of the first record among all of its batcher or batch.
    var firstRecord: UInt64 = 0
    /// Counts the chunks of its batcher.
    var batchNumber: UInt64 = 0
    /// Whoever gave the records wants to hear of each one when it is resolved, not of the chunk.
    var reportsEachRecord = false
    /// Who is told; set before the chunk is submitted.
    var sink: (any ChunkSink)?
    /// What it counted against the buffer's bound when it was submitted.
    var charged = 0

    init() {}

    deinit { self.records.deallocate() }

    var count: Int { self.records.count }

    /// What it counts against the buffer's bound, in bytes.
    var memoryBytes: Int { Self.overheadBytes + self.records.length + self.count * Self.recordOverheadBytes }

    /// Bytes of memory that it keeps when it is empty.
    var footprint: Int {
        Self.overheadBytes + self.records.footprint + self.hashes.capacity * MemoryLayout<HashKey>.stride
            + self.order.capacity * MemoryLayout<UInt16>.stride
    }

    func clear() {
        self.records.clear()
        self.hashes.removeAll(keepingCapacity: true)
        self.order.removeAll(keepingCapacity: true)
        self.entries.removeAll(keepingCapacity: true)
        self.slots.removeAll(keepingCapacity: true)
        self.unresolved = 0
        self.stored = 0
        self.ordinal = 0
        self.reportsEachRecord = false
        self.sink = nil
        self.charged = 0
    }

    /// Computes the hash keys and makes room for the results: the chunk is complete. It has at most 65,536 records.
    func seal() {
        let records = self.records
        let count = records.count
        self.hashes.append(contentsOf: repeatElement(HashKey.min, count: count))
        self.hashes.withUnsafeMutableBufferPointer { hashes in
            HashKey.hash(count, into: hashes) { records.key(at: $0) }
            for position in 0..<count {
                if let key = records.explicitHashKey(at: position) { hashes[position] = key }
            }
        }
        self.order.append(contentsOf: (0..<count).lazy.map { UInt16(truncatingIfNeeded: $0) })
        self.entries.append(contentsOf: repeatElement(PutResults.Entry(index: 0, slot: -1), count: count))
        self.unresolved = count
    }
}

extension RecordChunk {
    /// None of its records is stored: it was not taken.
    func failAll(_ error: WeirError) {
        if self.entries.isEmpty { self.seal() }
        self.fail(Run(chunk: self, start: 0, end: self.count), error)
    }

    /// The result of a record that has one.
    func result(at position: Int) -> PutResult {
        PutResults.result(self.entries[position], self.slots)
    }

    /// The results, taken out: the chunk has none afterwards.
    func takeResults() -> PutResults {
        let results = PutResults(
            entries: self.entries, slots: self.slots, firstRecord: self.firstRecord, storedCount: self.stored)
        self.entries = []
        self.slots = []
        return results
    }
}
