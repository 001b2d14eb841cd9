// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Records one behind the other in stored form, and where each begins, in memory that is kept for the next ones.
///
/// A value that points at its memory, so that appending costs no more than copying the bytes: whoever takes it out of
/// its chunk to append puts it back, and only the chunk frees it.
struct RecordStore {
    private(set) var bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// Bytes of all records.
    private(set) var length = 0
    /// `count + 1` offsets, the last one being `length`.
    private(set) var offsets = UnsafeMutableBufferPointer<UInt32>(start: nil, count: 0)
    private(set) var count = 0

    /// Bytes of a record in stored form.
    static func storedBytes(key: Int, data: Int, isExplicit: Bool) -> Int {
        BatchBody.recordHeaderBytes + (isExplicit ? BatchBody.explicitHashKeyBytes : 0) + key + data
    }

    /// Bytes of memory.
    var footprint: Int { self.bytes.count + self.offsets.count * MemoryLayout<UInt32>.stride }

    mutating func clear() {
        self.length = 0
        self.count = 0
    }

    mutating func deallocate() {
        self.bytes.deallocate()
        self.offsets.deallocate()
        self = RecordStore()
    }

    /// Appends a record whose lengths are within the limits. All records together are at most 4 GiB.
    mutating func append(key: UnsafeRawBufferPointer, explicitHashKey: HashKey?, data: UnsafeRawBufferPointer) {
        let total = Self.storedBytes(key: key.count, data: data.count, isExplicit: explicitHashKey != nil)
        if self.length + total > self.bytes.count { self.growBytes(total) }
        if self.count + 2 > self.offsets.count { self.growOffsets() }
        let raw = UnsafeMutableRawBufferPointer(rebasing: self.bytes[self.length..<self.length + total])
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
        self.offsets[self.count] = UInt32(self.length)
    }

    private mutating func growBytes(_ more: Int) {
        let capacity = max(self.length + more, 2 * self.bytes.count, 1024)
        let grown = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
        if let from = self.bytes.baseAddress { grown.baseAddress?.copyMemory(from: from, byteCount: self.length) }
        self.bytes.deallocate()
        self.bytes = grown
    }

    private mutating func growOffsets() {
        let grown = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: max(16, 2 * self.offsets.count))
        grown.initialize(repeating: 0)
        for position in 0..<self.offsets.count { grown[position] = self.offsets[position] }
        self.offsets.deallocate()
        self.offsets = grown
    }

    /// Bytes of the record at `position`.
    func bytes(at position: Int) -> Int { Int(self.offsets[position + 1] - self.offsets[position]) }

    private func flags(at start: Int) -> UInt16 {
        UnsafeRawBufferPointer(self.bytes).integer(UInt16.self, at: start + 6)
    }

    /// The partition key of the record at `position`.
    func key(at position: Int) -> UnsafeRawBufferPointer {
        let start = Int(self.offsets[position])
        let raw = UnsafeRawBufferPointer(self.bytes)
        let hashed = self.flags(at: start) & BatchBody.explicitHashKeyFlag != 0
        let prefix = BatchBody.recordHeaderBytes + (hashed ? BatchBody.explicitHashKeyBytes : 0)
        return raw.slice(start + prefix, Int(raw.integer(UInt16.self, at: start + 4)))
    }

    /// The explicit hash key of the record at `position`, if it has one.
    func explicitHashKey(at position: Int) -> HashKey? {
        let start = Int(self.offsets[position])
        guard self.flags(at: start) & BatchBody.explicitHashKeyFlag != 0 else { return nil }
        return HashKey(
            UnsafeRawBufferPointer(self.bytes).integer(UInt128.self, at: start + BatchBody.recordHeaderBytes))
    }
}
