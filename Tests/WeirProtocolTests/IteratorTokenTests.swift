// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@Suite struct IteratorTokenTests {
    private func parse(_ bytes: [UInt8]) -> WeirError? {
        do throws(WeirError) {
            _ = try IteratorToken(parsing: bytes)
            return nil
        } catch {
            return error
        }
    }

    @Test func `An iterator comes back as it was given out`() throws {
        let token = Samples.token
        #expect(token.encode().count == IteratorToken.bytes)
        #expect(token.encode().count <= Limits.iteratorBytesMax)
        #expect(try IteratorToken(parsing: token.encode()) == token)
    }

    @Test func `Garbage, cut and changed iterators are invalid arguments`() {
        let bytes = Samples.token.encode()
        for count in 0..<bytes.count { #expect(self.parse(Array(bytes.prefix(count)))?.code == .invalidArgument) }
        for bit in 0..<bytes.count * 8 {
            var flipped = bytes
            flipped[bit / 8] ^= 1 << (bit % 8)
            #expect(self.parse(flipped)?.code == .invalidArgument)
        }
        #expect(self.parse(bytes + [0])?.message.hasPrefix("Invalid ShardIterator") == true)
        #expect(self.parse([UInt8](repeating: 0, count: 513))?.code == .invalidArgument)
    }

    @Test func `An iterator is valid for 300,000 ms, and an expired one says so`() throws {
        let issued = Samples.token.issuedAtMillis
        for now in [issued - 1000, issued, issued + 300_000] {
            #expect(throws: Never.self) { try Samples.token.check(nodeID: Samples.nodeID, nowMillis: now) }
        }
        let error = #expect(throws: WeirError.self) {
            try Samples.token.check(nodeID: Samples.nodeID, nowMillis: issued + 300_001)
        }
        #expect(error?.code == .iteratorExpired)
        #expect(error?.message.contains("\(issued)") == true)
        #expect(error?.message.contains("300000 ms") == true)
    }

    @Test func `No time makes the arithmetic trap`() throws {
        func token(_ issued: Int64) -> IteratorToken {
            IteratorToken(stream: StreamID(1), shard: ShardNumber(1), index: 0, issuedAtMillis: issued, nodeID: 1)
        }
        #expect(throws: WeirError.self) { try token(.min).check(nodeID: 1, nowMillis: .max) }
        #expect(throws: Never.self) { try token(.max).check(nodeID: 1, nowMillis: .min) }
    }

    @Test func `An iterator of another node is invalid`() {
        let error = #expect(throws: WeirError.self) {
            try Samples.token.check(nodeID: 1, nowMillis: Samples.token.issuedAtMillis)
        }
        #expect(error?.code == .invalidArgument)
    }
}
