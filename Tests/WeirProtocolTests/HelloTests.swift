// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@Suite struct HelloTests {
    @Test func `A long client name is cut between characters, a long token refused`() throws {
        let name = String(repeating: "é", count: 63) + "👩‍👩‍👧"
        #expect(try Hello(clientName: name).clientName == String(repeating: "é", count: 63))
        let token = String(repeating: "t", count: 256)
        #expect(try Hello(clientName: "", token: token).token == token)
        #expect(throws: WeirError.self) { try Hello(clientName: "", token: token + "t") }
    }

    @Test(arguments: [(24, 129), (26, 257)])
    func `Texts beyond their limit are malformed`(_ offset: Int, _ length: UInt16) throws {
        // Name and token are empty: their lengths stand at 24 and 26.
        let hello = try Hello(clientName: "").encode()
        let atLimit = hello.replacing(offset, little(length - 1))
        let padded = Array(atLimit[..<(offset + 2)]) + [UInt8](repeating: 97, count: Int(length - 1))
        #expect(throws: Never.self) {
            _ = try (padded + (offset == 24 ? [0, 0] : [])).exactly { raw throws(MalformedBytes) in
                try Hello(payload: raw)
            }
        }
        let above = Array(hello.replacing(offset, little(length))[..<(offset + 2)])
        #expect(throws: MalformedBytes.self) {
            _ = try (above + [UInt8](repeating: 97, count: Int(length) + 2)).exactly { raw throws(MalformedBytes) in
                try Hello(payload: raw)
            }
        }
    }

    @Test func `What a later version adds behind the connection number is passed over`() throws {
        let hello = try Hello(clientName: "c", maxVersion: 7)
        let read = try (hello.encode() + [1, 2, 3]).exactly { raw throws(MalformedBytes) in try Hello(payload: raw) }
        #expect(read == hello)
    }

    @Test func `A client that does not number its connections says 0`() throws {
        let hello = try Hello(clientName: "c", sessionID: 5, connectionNumber: 77)
        let bytes = hello.encode()
        let numbered = try bytes.exactly { raw throws(MalformedBytes) in try Hello(payload: raw) }
        #expect(numbered.connectionNumber == 77)
        let old = try Array(bytes.dropLast(8)).exactly { raw throws(MalformedBytes) in try Hello(payload: raw) }
        #expect(old.connectionNumber == 0 && old.sessionID == 5)
    }

    @Test(arguments: [
        (18, little(UInt32(0))), (22, little(UInt32(0))), (26, little(UInt32(4095))),
        (26, little(UInt32((16 << 20) + 1))),
    ])
    func `An answer that leaves no room to work is malformed`(_ offset: Int, _ bytes: [UInt8]) {
        let answer = HelloAnswer(
            nodeID: 1, putCreditBytes: 1, putCreditRequests: 1, frameBytesMax: 4096, serverTimeMillis: 0,
            serverName: "")
        #expect(throws: Never.self) {
            _ = try answer.encode().exactly { raw throws(MalformedBytes) in try HelloAnswer(payload: raw) }
        }
        #expect(throws: MalformedBytes.self) {
            _ = try answer.encode().replacing(offset, bytes).exactly { raw throws(MalformedBytes) in
                try HelloAnswer(payload: raw)
            }
        }
    }
}
