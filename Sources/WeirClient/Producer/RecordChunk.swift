// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Records as a caller gave them, one behind the other in their stored form, with what the producer knows of each: the
/// unit that is taken in, held and reported. Used again and again, so that steady work allocates nothing.
///
/// `@unchecked Sendable`: a chunk has one owner at a time, and goes from the filler (under its batcher's lock) to the
/// machine (under the producer's lock) to whoever reports it; nobody keeps it behind.
package final class RecordChunk: @unchecked Sendable {
    /// What holding a chunk and a record costs beside the bytes.
    static let overheadBytes = 512
    static let recordOverheadBytes = 40

    private(set) var count = 0
    /// Records in stored form, `offsets[i]..<offsets[i + 1]` each.
    private(set) var storage: UnsafeMutableRawBufferPointer
    private(set) var length = 0
    var offsets: [UInt32] = [0]
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

    init() {
        self.storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    deinit { self.storage.deallocate() }

    /// What it counts against the buffer's bound, in bytes.
    var memoryBytes: Int { Self.overheadBytes + self.length + self.count * Self.recordOverheadBytes }
    /// Bytes that are allocated for records.
    var capacity: Int { self.storage.count }

    func clear() {
        self.count = 0
        self.length = 0
        self.offsets.removeAll(keepingCapacity: true)
        self.offsets.append(0)
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

    /// Bytes of a record in stored form.
    static func storedBytes(key: Int, data: Int, isExplicit: Bool) -> Int {
        BatchBody.recordHeaderBytes + (isExplicit ? BatchBody.explicitHashKeyBytes : 0) + key + data
    }

    /// Appends a record whose lengths are within the limits. At most 65,536 fit.
    func append(key: UnsafeRawBufferPointer, explicitHashKey: HashKey?, data: UnsafeRawBufferPointer) {
        let total = Self.storedBytes(key: key.count, data: data.count, isExplicit: explicitHashKey != nil)
        self.reserve(total)
        let raw = UnsafeMutableRawBufferPointer(rebasing: self.storage[self.length..<self.length + total])
        raw.store(UInt32(data.count), at: 0)
        raw.store(UInt16(key.count), at: 4)
        raw.store(explicitHashKey == nil ? 0 : BatchBody.explicitHashKeyFlag, at: 6)
        var offset = BatchBody.recordHeaderBytes
        if let explicitHashKey {
            raw.store(explicitHashKey.value, at: offset)
            offset += BatchBody.explicitHashKeyBytes
        }
        if let start = raw.baseAddress {
            if let from = key.baseAddress { (start + offset).copyMemory(from: from, byteCount: key.count) }
            if let from = data.baseAddress {
                (start + offset + key.count).copyMemory(from: from, byteCount: data.count)
            }
        }
        self.length += total
        self.count += 1
        self.offsets.append(UInt32(self.length))
    }

    private func reserve(_ more: Int) {
        guard self.length + more > self.storage.count else { return }
        let capacity = max(self.length + more, 2 * self.storage.count, 1024)
        let grown = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
        if let from = self.storage.baseAddress { grown.baseAddress?.copyMemory(from: from, byteCount: self.length) }
        self.storage.deallocate()
        self.storage = grown
    }

    /// Computes the hash keys and makes room for the results: the chunk is complete.
    func seal() {
        let count = self.count
        let bytes = UnsafeRawBufferPointer(self.storage)
        self.hashes.append(contentsOf: repeatElement(HashKey.min, count: count))
        self.offsets.withUnsafeBufferPointer { offsets in
            self.hashes.withUnsafeMutableBufferPointer { hashes in
                HashKey.hash(count, into: hashes) { Self.key(of: bytes, at: Int(offsets[$0])) }
                for position in 0..<count {
                    let start = Int(offsets[position])
                    guard bytes.integer(UInt16.self, at: start + 6) & BatchBody.explicitHashKeyFlag != 0 else {
                        continue
                    }
                    hashes[position] = HashKey(bytes.integer(UInt128.self, at: start + BatchBody.recordHeaderBytes))
                }
            }
        }
        self.order.append(contentsOf: (0..<count).lazy.map { UInt16(truncatingIfNeeded: $0) })
        self.entries.append(contentsOf: repeatElement(PutResults.Entry(index: 0, slot: -1), count: count))
        self.unresolved = count
    }

    private static func key(of bytes: UnsafeRawBufferPointer, at start: Int) -> UnsafeRawBufferPointer {
        let flags = bytes.integer(UInt16.self, at: start + 6)
        let prefix =
            BatchBody.recordHeaderBytes
            + (flags & BatchBody.explicitHashKeyFlag != 0 ? BatchBody.explicitHashKeyBytes : 0)
        return bytes.slice(start + prefix, Int(bytes.integer(UInt16.self, at: start + 4)))
    }

    /// Bytes of the record at `position` in stored form.
    func storedBytes(at position: Int) -> Int { Int(self.offsets[position + 1] - self.offsets[position]) }
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
