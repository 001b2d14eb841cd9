// SPDX-License-Identifier: Apache-2.0
import CWeirCodecs
import WeirModel

/// Compresses one frame, piece by piece. Frames behind each other make one file.
///
/// Holds what the library needs: about 4 MiB for zstd at its usual level, 1 MiB for gzip, 128 KiB for lz4; and 256
/// KiB besides.
package final class Compressor {
    private let codec: OpaquePointer?
    private let compression: Compression
    /// What one step makes.
    private let step: UnsafeMutableRawBufferPointer?

    /// Throws `unavailable` without memory.
    package init(_ compression: Compression) throws(WeirError) {
        self.compression = compression
        switch compression {
        case .zstd(let level): self.codec = weir_codec_create(Int32(WEIR_CODEC_ZSTD), Int32(level))
        case .gzip(let level): self.codec = weir_codec_create(Int32(WEIR_CODEC_GZIP), Int32(level))
        case .lz4(let level): self.codec = weir_codec_create(Int32(WEIR_CODEC_LZ4), Int32(level))
        case .none: self.codec = nil
        }
        self.step = self.codec.map { _ in .allocate(byteCount: Int(WEIR_CODEC_ROOM), alignment: 16) }
        guard self.codec != nil || compression == .none else {
            throw WeirError(.unavailable, "no memory for compressing with \(compression)")
        }
    }

    deinit {
        weir_codec_free(self.codec)
        self.step?.deallocate()
    }

    /// Appends to `output` what is there of the frame after `input`. `ends`: it is whole then, and nothing more can be
    /// written.
    package func write(_ input: UnsafeRawBufferPointer, ends: Bool, to output: inout [UInt8]) throws(WeirError) {
        guard let codec = self.codec, let step = self.step else {
            output.append(contentsOf: input)
            return
        }
        var rest = input
        while true {
            var taken = 0
            var made = 0
            let result = weir_codec_step(
                codec, rest.baseAddress, rest.count, &taken, step.baseAddress, step.count, &made, ends ? 1 : 0)
            output.append(contentsOf: step[..<made])
            guard result >= 0 else {
                throw WeirError(.internalFailure, "the library refuses to compress with \(self.compression)")
            }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(taken))
            if result == 1 { return }
        }
    }
}
