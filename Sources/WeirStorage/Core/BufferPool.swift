// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirIO
import WeirLog
import WeirModel

/// Buffers of one size for commits: memory that was touched once is given out again, because first touch is slow.
package final class BufferPool: Sendable {
    private let free = Mutex<[AlignedMemory]>([])
    private let keep: Int
    private let bufferBytes: Int

    /// Keeps at most `keep` free buffers of that many bytes.
    package init(keep: Int, bufferBytes: Int = CommitBounds.standard.bufferBytes) {
        self.keep = keep
        self.bufferBytes = LogFormat.padded(bufferBytes)
    }

    /// A buffer of at least `bytes`, in whole blocks; ones above the usual size are made for the occasion.
    func take(bytes: Int) -> AlignedMemory {
        if bytes <= self.bufferBytes, let buffer = self.free.withLock({ $0.popLast() }) { return buffer }
        return AlignedMemory(uninitialized: max(self.bufferBytes, LogFormat.padded(bytes)))
    }

    func giveBack(_ memory: AlignedMemory) {
        guard memory.raw.count == self.bufferBytes else { return }
        self.free.withLock { if $0.count < self.keep { $0.append(memory) } }
    }
}
