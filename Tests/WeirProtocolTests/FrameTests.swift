// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@Suite struct FrameTests {
    @Test func `A header is 16 bytes, little-endian`() throws {
        let header = FrameHeader(.putRecords, length: 0x01_02_03, correlation: 0x1122_3344_5566_7788)
        var bytes = [UInt8](repeating: 0xff, count: 16)
        bytes.withUnsafeMutableBytes { header.write(to: $0) }
        #expect(
            bytes == [0x03, 0x02, 0x01, 0, 0x30, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11])
        #expect(try bytes.exactly { raw throws(MalformedBytes) in try FrameHeader(reading: raw) } == header)
        var writer = ByteWriter()
        header.encode(into: &writer)
        #expect(writer.bytes == bytes)
    }

    @Test func `An answer has its request's number with the highest bit set`() {
        for type in FrameType.allCases {
            if let answer = type.answer {
                #expect(answer.rawValue == type.rawValue | 0x8000)
                #expect(answer.direction == .answer)
            }
        }
        #expect(FrameType.allCases.filter { $0.direction == .request && $0.answer == nil } == [.credit])
        #expect(FrameType.recordsPush.answer == nil)
    }

    @Test func `Byte by byte, the scanner asks for the header, then for the rest, then gives the frame`() throws {
        let frame = Ping().frame(correlation: 1) + PingAnswer(serverTimeMillis: 5).frame(.pingAnswer, correlation: 2)
        let second = Array(frame.dropFirst(16))
        for count in 0..<second.count {
            let outcome = Array(second.prefix(count)).exactly {
                FrameScanner.next(in: $0, .open(frameBytesMax: Limits.frameBytesMax))
            }
            if count < 16 {
                #expect(outcome == .needMore(16 - count, nil))
            } else {
                let header = FrameHeader(.pingAnswer, length: 8, correlation: 2)
                #expect(outcome == .needMore(24 - count, header))
            }
        }
        let outcome = frame.exactly { FrameScanner.next(in: $0, .open(frameBytesMax: Limits.frameBytesMax)) }
        #expect(outcome == .frame(FrameHeader(.ping, length: 0, correlation: 1), 16..<16))
        let next = second.exactly { FrameScanner.next(in: $0, .open(frameBytesMax: Limits.frameBytesMax)) }
        #expect(next == .frame(FrameHeader(.pingAnswer, length: 8, correlation: 2), 16..<24))
    }

    @Test(arguments: [
        (FrameScanner.Phase.beforeHello, 4096), (.open(frameBytesMax: 65_536), 65_536),
        (.open(frameBytesMax: .max), 16 << 20),
    ])
    func `A frame of the limit is taken, one byte more is refused`(_ phase: FrameScanner.Phase, _ limit: Int) {
        func outcome(_ length: Int) -> FrameScanner.Outcome {
            var bytes = [UInt8](repeating: 0, count: 16)
            let header = FrameHeader(.hello, length: length, correlation: 9)
            bytes.withUnsafeMutableBytes { header.write(to: $0) }
            return bytes.exactly { FrameScanner.next(in: $0, phase) }
        }
        #expect(outcome(limit) == .needMore(limit, FrameHeader(.hello, length: limit, correlation: 9)))
        guard case .refused(let header, let error) = outcome(limit + 1) else {
            Issue.record("a frame of \(limit + 1) bytes is not refused")
            return
        }
        #expect(header.correlation == 9)
        #expect(error.code == .frameTooLarge)
        #expect(error.message.contains("\(limit)"))
    }

    @Test func `A client of another protocol is told so`() {
        let outcome = Array("GET / HTTP/1.1\r\nHost: weir\r\n".utf8).exactly {
            FrameScanner.next(in: $0, .beforeHello)
        }
        guard case .refused(_, let error) = outcome else {
            Issue.record("HTTP is taken for a frame")
            return
        }
        #expect(error.message.contains("does not speak Weir's binary protocol"))
    }
}
