// SPDX-License-Identifier: Apache-2.0
import CWeir

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What direct I/O asks for: files are read and written in whole blocks, from memory at the boundary of one.
package enum DiskBlock {
    package static let bytes = 4096

    package static func padded(_ length: Int) -> Int { (length + Self.bytes - 1) / Self.bytes * Self.bytes }
}

/// Memory at a block boundary, as direct I/O wants it; given back at the end of its life.
package final class AlignedMemory: @unchecked Sendable {
    // Unchecked: the bytes have one writer at a time by the rules of their owner, and are only read once shared.
    package let raw: UnsafeMutableRawBufferPointer

    package init(bytes: Int) {
        guard let memory = weir_aligned_alloc(DiskBlock.bytes, bytes) else {
            fatalError("out of memory: \(bytes) bytes for a buffer")
        }
        self.raw = UnsafeMutableRawBufferPointer(start: memory, count: bytes)
        memset(memory, 0, bytes)
    }

    /// Without the zeros: for buffers that are written before they are read.
    package init(uninitialized bytes: Int) {
        guard let memory = weir_aligned_alloc(DiskBlock.bytes, bytes) else {
            fatalError("out of memory: \(bytes) bytes for a buffer")
        }
        self.raw = UnsafeMutableRawBufferPointer(start: memory, count: bytes)
    }

    deinit { weir_aligned_free(self.raw.baseAddress) }
}

extension UnsafeRawBufferPointer {
    /// Whether all bytes are zero.
    package var isZero: Bool {
        guard let first = self.first else { return true }
        return first == 0 && memcmp(self.baseAddress!, self.baseAddress! + 1, self.count - 1) == 0
    }
}
