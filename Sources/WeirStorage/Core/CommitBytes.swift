// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirLog

/// The bytes of a commit. Written by the `CommitBytes` that holds it, until it is sealed; then only read. The last
/// reader gives the memory back.
final class CommitBuffer: @unchecked Sendable {
    // Unchecked: see above; only `CommitBytes` can write, and it is owned by the one who fills the commit.
    fileprivate let memory: AlignedMemory
    private let pool: BufferPool?

    fileprivate init(_ memory: AlignedMemory, pool: BufferPool?) {
        self.memory = memory
        self.pool = pool
    }

    deinit { self.pool?.giveBack(self.memory) }

    var raw: UnsafeRawBufferPointer { UnsafeRawBufferPointer(self.memory.raw) }
}

/// Bytes that are being filled, one behind the other. It counts what is used and owns the memory that holds it, so it
/// is the only one that makes room: all that is used moves to the larger memory. Nobody can write behind the end, or
/// put other memory in the place of what was filled.
struct CommitBytes {
    private(set) var buffer: CommitBuffer
    private(set) var used = 0
    // Beside the buffer: asked for each record.
    private var start: UnsafeMutableRawPointer
    private var capacity: Int
    private let pool: BufferPool

    /// The first `head` bytes count as used; `seal` writes them.
    init(pool: BufferPool, head: Int = 0) {
        self.pool = pool
        self.buffer = CommitBuffer(pool.take(bytes: head), pool: pool)
        self.start = self.buffer.memory.raw.baseAddress!
        self.capacity = self.buffer.memory.raw.count
        self.used = head
    }

    /// Makes room for `bytes` more at once.
    mutating func reserve(_ bytes: Int) {
        if bytes > self.capacity - self.used { self.grow(toHold: self.used + bytes) }
    }

    /// The next `bytes`, to be written before anything else is asked of this.
    @inline(__always)
    mutating func append(_ bytes: Int) -> UnsafeMutableRawBufferPointer {
        precondition(bytes >= 0, "bytes are not taken back")
        if bytes > self.capacity - self.used {
            self.grow(toHold: max(self.used + bytes, self.capacity + self.capacity / 2))
        }
        let place = UnsafeMutableRawBufferPointer(start: self.start + self.used, count: bytes)
        self.used += bytes
        return place
    }

    /// Copies bytes behind the others, and returns where they are.
    @inline(__always)
    mutating func append(copying bytes: UnsafeRawPointer, count: Int) -> Int {
        let offset = self.used
        self.append(count).baseAddress!.copyMemory(from: bytes, byteCount: count)
        return offset
    }

    @inline(never)
    private mutating func grow(toHold bytes: Int) {
        let larger = CommitBuffer(self.pool.take(bytes: bytes), pool: self.pool)
        larger.memory.raw.copyMemory(from: UnsafeRawBufferPointer(rebasing: self.buffer.raw[0..<self.used]))
        self.buffer = larger
        self.start = larger.memory.raw.baseAddress!
        self.capacity = larger.memory.raw.count
    }

    /// Writes the header in front, zeros the padding behind, and returns the checksum.
    mutating func seal(_ header: CommitHeader) -> UInt32 {
        precondition(
            header.length == self.used, "a commit of \(self.used) bytes is sealed with a header for \(header.length)")
        // The memory is of whole blocks.
        return header.seal(self.buffer.memory.raw)
    }

    /// What is little moves to memory of its own size.
    mutating func shrink() {
        let length = LogFormat.padded(self.used)
        guard length <= self.capacity / 2 else { return }
        let small = CommitBuffer(AlignedMemory(uninitialized: length), pool: nil)
        small.memory.raw.copyMemory(from: UnsafeRawBufferPointer(rebasing: self.buffer.raw[0..<length]))
        self.buffer = small
        self.start = small.memory.raw.baseAddress!
        self.capacity = length
    }
}
