// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirLog
import WeirModel

/// Buffers of one size for commits: memory that was touched once is given out again, because first touch is slow.
package final class BufferPool: Sendable {
    package static let bufferBytes = Limits.commitBytes + 64 * 1024
    private let free = Mutex<[AlignedMemory]>([])
    private let keep: Int

    /// Keeps at most `keep` free buffers.
    package init(keep: Int) { self.keep = keep }

    /// A buffer of at least `bytes`; ones above the usual size are made for the occasion.
    func take(bytes: Int) -> AlignedMemory {
        if bytes <= Self.bufferBytes, let buffer = self.free.withLock({ $0.popLast() }) { return buffer }
        return AlignedMemory(uninitialized: max(Self.bufferBytes, LogFormat.padded(bytes)))
    }

    func giveBack(_ memory: AlignedMemory) {
        guard memory.raw.count == Self.bufferBytes else { return }
        self.free.withLock { if $0.count < self.keep { $0.append(memory) } }
    }
}

/// The bytes of a commit. Written by one owner until it is sealed, then only read; the last reader gives the memory
/// back.
final class CommitBuffer: @unchecked Sendable {
    // Unchecked: see above; who may write is decided by the commit's stage, not by the type.
    let memory: AlignedMemory
    private let pool: BufferPool?

    init(_ memory: AlignedMemory, pool: BufferPool?) {
        self.memory = memory
        self.pool = pool
    }

    deinit { self.pool?.giveBack(self.memory) }

    var raw: UnsafeMutableRawBufferPointer { self.memory.raw }
}
