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
                            assembly.begin(header, .putRecords, in: memory, capacity: header.length)
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
        #expect(assembly.isActive && assembly.arrived == 20)
        [UInt8](repeating: 1, count: 9).withUnsafeBytes { #expect(assembly.takePayload($0) == 6) }
        #expect(!assembly.isActive)
        assembly.skip(0)
        #expect(!assembly.isActive)
    }

    /// Around the least capacity, and a quarter of the length.
    @Test func `Memory is held by sending, not by promising`() {
        for length in [1, 65_535, 65_536, 65_537, 262_144, 262_145, 900_073, 16 << 20] {
            for arrived in [0, 1, 16_383, 16_384, 16_385, 65_536, length / 4 - 1, length / 4, length / 4 + 1, length]
            where (0...length).contains(arrived) {
                let capacity = FrameAssembly.capacity(length: length, arrived: arrived)
                #expect(capacity >= arrived && capacity <= length)
                #expect(capacity <= max(65_536, 4 * arrived), "\(length), \(arrived)")
                // It grows, or is all of it: otherwise a frame would be full for ever.
                #expect(capacity > arrived || capacity == length)
                #expect(capacity == length || capacity >= 65_536)
            }
        }
    }

    @Test func `A frame that fills its memory goes on in more of it, byte for byte`() {
        let payload = (0..<20).map { UInt8($0) }
        for first in 1..<20 {
            for second in first + 1...20 {
                var assembly = FrameAssembly()
                let memories = (0..<3).map { _ in
                    UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 16)
                }
                defer { for memory in memories { memory.deallocate() } }
                let header = FrameHeader(.putRecords, length: 20, correlation: 1)
                assembly.begin(header, .putRecords, in: memories[0], capacity: first)
                payload.withUnsafeBytes { raw in
                    var taken = assembly.takePayload(raw)
                    #expect(taken == first && assembly.full?.have == first && assembly.arrived == 16 + first)
                    #expect(assembly.takePayload(raw) == 0 && assembly.finish() == nil)
                    #expect(assembly.grow(into: memories[1], capacity: second)?.baseAddress == memories[0].baseAddress)
                    #expect(assembly.full == nil)
                    taken += assembly.takePayload(UnsafeRawBufferPointer(rebasing: raw[taken...]))
                    #expect(taken == second)
                    guard second < 20 else { return #expect(assembly.full == nil) }
                    #expect(assembly.full?.capacity == second)
                    _ = assembly.grow(into: memories[2], capacity: 20)
                    taken += assembly.takePayload(UnsafeRawBufferPointer(rebasing: raw[taken...]))
                    #expect(taken == 20)
                }
                let whole = assembly.finish()
                #expect(whole.map { Array($0.memory[..<20]) } == payload, "\(first), \(second)")
            }
        }
    }

    @Test func `Giving up gives the memory back, once`() {
        var assembly = FrameAssembly()
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 16)
        defer { memory.deallocate() }
        assembly.begin(FrameHeader(.putRecords, length: 20, correlation: 1), .putRecords, in: memory, capacity: 20)
        let abandoned = assembly.abandon()
        #expect(abandoned?.memory.baseAddress == memory.baseAddress && abandoned?.header.length == 20)
        #expect(assembly.abandon() == nil && !assembly.isActive)
    }
}
