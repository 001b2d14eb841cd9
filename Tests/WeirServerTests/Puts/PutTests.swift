// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@Suite("Putting over a real socket")
struct PutTests {
    @Test("A put that the server routes is answered with positions, and read back")
    func routed() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 4)
            let records = (0..<100).map { TestRecord("key-\($0)", "record \($0)") }
            let outcome = try client.put(stream, records)
            #expect(outcome.stored == 100)
            #expect(outcome.refused == 0)
            #expect(outcome.recordEntries.count == 100)
            #expect(outcome.entries.count == 4)
        }
    }
}
