// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Testing
import WeirModel
import WeirProtocol

@testable import WeirClient

@Suite struct FrameAssemblerTests {
    private func frame(_ length: Int, _ correlation: UInt64) -> [UInt8] {
        var writer = ByteWriter()
        FrameHeader(.pingAnswer, length: length, correlation: correlation).encode(into: &writer)
        writer.append((0..<length).map { UInt8(truncatingIfNeeded: $0 &+ Int(correlation)) })
        return writer.bytes
    }

    @Test func framesAreTheSameHoweverTheBytesAreCut() throws {
        let frames = [self.frame(8, 1), self.frame(0, 2), self.frame(5000, 3), self.frame(1, 4), self.frame(70_000, 5)]
        let bytes = frames.flatMap { $0 }
        for seed in UInt64(0)..<200 {
            var dice = SeededGenerator(seed: seed)
            var assembler = FrameAssembler()
            var received: [[UInt8]] = []
            var offset = 0
            while offset < bytes.count {
                let most = [1, 7, 40, 3000, 100_000][dice.below(5)]
                let some = min(1 + dice.below(most), bytes.count - offset)
                var buffer = ByteBuffer(bytes: bytes[offset..<offset + some])
                try assembler.feed(&buffer) { header, frame, _ in
                    #expect(header.totalLength == frame.readableBytes)
                    received.append(Array(frame.readableBytesView))
                }
                offset += some
            }
            #expect(received == frames, "seed \(seed)")
        }
    }

    @Test func keptFramesAreNotOverwrittenByLaterOnes() throws {
        var assembler = FrameAssembler()
        var kept: [ByteBuffer] = []
        for number in UInt64(1)...40 {
            let bytes = self.frame(1000, number)
            for part in [bytes[..<500], bytes[500...]] {
                var buffer = ByteBuffer(bytes: part)
                try assembler.feed(&buffer) { _, frame, isOwned in
                    #expect(isOwned)
                    kept.append(frame)
                    if number % 3 == 0 { kept.removeFirst() }
                }
            }
        }
        for frame in kept {
            let header = try frame.withUnsafeReadableBytes { try FrameHeader(reading: $0) }
            #expect(Array(frame.readableBytesView) == self.frame(1000, header.correlation))
        }
    }

    @Test func whatIsNotAFrameIsRefused() {
        var assembler = FrameAssembler()
        var buffer = ByteBuffer(string: "HTTP/1.1 400 Bad Request\r\n\r\n")
        #expect { try assembler.feed(&buffer) { _, _, _ in } } throws: {
            ($0 as? WeirError)?.code == .frameTooLarge
        }
    }
}
