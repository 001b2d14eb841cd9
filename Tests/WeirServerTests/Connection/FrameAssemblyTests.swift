// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@testable import WeirServer

@Suite struct FrameAssemblyTests {
    private let frame: [UInt8] = {
        let header = FrameHeader(.putRecords, length: 20, correlation: 0x0102_0304_0506_0708)
        return header.encoded + (0..<20).map { UInt8($0) }
    }()

    /// Feeds `pieces` and returns the payload that was gathered.
    private func gather(_ pieces: [ArraySlice<UInt8>]) -> [UInt8]? {
        var assembly = FrameAssembly()
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 16)
        defer { memory.deallocate() }
        var payload: [UInt8]?
        for piece in pieces {
            Array(piece).withUnsafeBytes { raw in
                var rest = raw
                while !rest.isEmpty {
                    let taken: Int
                    if case .payload = assembly.state {
                        taken = assembly.takePayload(rest)
                    } else {
                        let header: FrameHeader?
                        (taken, header) = assembly.takeHeader(rest)
                        if let header {
                            #expect(header.type == .putRecords && header.correlation == 0x0102_0304_0506_0708)
                            #expect(!assembly.isActive)
                            assembly.begin(header, .putRecords, in: memory)
                        }
                    }
                    rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
                    if let whole = assembly.finish() {
                        payload = Array(whole.memory[..<whole.header.length])
                    } else {
                        #expect(assembly.isActive)
                    }
                }
            }
        }
        #expect(!assembly.isActive || payload == nil)
        return payload
    }

    @Test func `A frame cut in two or three anywhere is gathered as it was`() {
        let expected = Array(self.frame.suffix(20))
        for first in 0...self.frame.count {
            for second in first...self.frame.count {
                let pieces = [self.frame[..<first], self.frame[first..<second], self.frame[second...]]
                #expect(self.gather(pieces) == expected, "cut at \(first) and \(second)")
            }
        }
        #expect(self.gather(self.frame.indices.map { self.frame[$0...$0] }) == expected)
    }

    @Test func `What is skipped is counted, also over several reads`() {
        var assembly = FrameAssembly()
        assembly.skip(10)
        [UInt8](repeating: 1, count: 4).withUnsafeBytes { #expect(assembly.takePayload($0) == 4) }
        #expect(assembly.isActive)
        [UInt8](repeating: 1, count: 9).withUnsafeBytes { #expect(assembly.takePayload($0) == 6) }
        #expect(!assembly.isActive)
        assembly.skip(0)
        #expect(!assembly.isActive)
    }

    @Test func `Giving up gives the memory back, once`() {
        var assembly = FrameAssembly()
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 16)
        defer { memory.deallocate() }
        assembly.begin(FrameHeader(.putRecords, length: 20, correlation: 1), .putRecords, in: memory)
        let abandoned = assembly.abandon()
        #expect(abandoned?.memory.baseAddress == memory.baseAddress && abandoned?.header.length == 20)
        #expect(assembly.abandon() == nil && !assembly.isActive)
    }
}
