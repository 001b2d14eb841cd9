// SPDX-License-Identifier: Apache-2.0

/// Memory that is used again, for frames that arrive in pieces and for records that are brought together: memory that
/// is touched for the first time is several times slower than memory that was used before. Belongs to one event loop.
package final class MemoryPool {
    /// Bytes kept for the next frame.
    private let keptBytesMax: Int
    private var kept: [UnsafeMutableRawBufferPointer] = []
    private var keptBytes = 0

    package init(keptBytesMax: Int = 8 << 20) { self.keptBytesMax = keptBytesMax }

    deinit {
        for memory in self.kept { memory.deallocate() }
    }

    /// At least `bytes` bytes; not set to anything.
    package func take(_ bytes: Int) -> UnsafeMutableRawBufferPointer {
        // A much larger one is left for a frame that needs it.
        if let position = self.kept.lastIndex(where: { $0.count >= bytes && $0.count / 4 <= max(bytes, 4096) }) {
            let memory = self.kept.remove(at: position)
            self.keptBytes -= memory.count
            return memory
        }
        let rounded = (max(bytes, 1) + 4095) & ~4095
        return UnsafeMutableRawBufferPointer.allocate(byteCount: rounded, alignment: 16)
    }

    package func giveBack(_ memory: UnsafeMutableRawBufferPointer) {
        guard self.keptBytes + memory.count <= self.keptBytesMax, self.kept.count < 64 else {
            memory.deallocate()
            return
        }
        self.kept.append(memory)
        self.keptBytes += memory.count
    }
}
