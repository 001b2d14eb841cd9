// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

/// A stream of 10,000 shards. The times are printed, not judged: a busy machine is no fault.
@Suite("Scale", .serialized)
struct ScaleTests {
    @Test("A stream of 10,000 shards is created, described, rescaled, stored and read back")
    func largeStream() throws {
        var node = TestNode()
        let clock = ContinuousClock()
        func timed<Value>(_ what: String, _ body: () throws -> Value) rethrows -> Value {
            let start = clock.now
            let value = try body()
            let taken = start.duration(to: clock.now)
            print("10,000 shards: \(what) in \(taken)")
            return value
        }
        let name = try StreamName("large")
        let created = try timed("plan create") {
            try node.plan(.createStream(name: name, shards: 10_000, settings: .init()))
        }
        for event in created { try timed("apply create") { try node.catalog.apply(event) } }
        let id = StreamID(1)
        timed("describe") { #expect(node.catalog.stream(id)?.description.openShards == 10_000) }
        timed("list") { #expect(node.numbers(id, .atLatest).count == 10_000) }
        for command: CatalogCommand in [
            .mergeShards(id, s(1), s(2)), .splitShard(id, s(0), at: nil), .rescale(id, to: 9_999),
            .rescale(id, to: 5_000), .rescale(id, to: 10_000), .rescale(id, to: 1), .rescale(id, to: 10_000),
        ] {
            let events = try timed("plan \(command)") { try node.plan(command) }
            let event = try #require(events.first)
            let bytes = timed("encode") { event.encode() }
            #expect(bytes.count < 2 << 20, "an event fits a commit")
            let read = try timed("decode \(bytes.count) bytes") { try event.throughBytes() }
            try timed("apply") { try node.catalog.apply(read) }
        }
        timed("check") { #expect(throws: Never.self) { try node.catalog.checkInvariants() } }
        let bytes = timed("snapshot") { node.catalog.encodeSnapshot() }
        print("\(node.catalog.listedShardCount) listed shards: \(bytes.count) bytes")
        let read = try timed("read snapshot") { try Catalog(bytes: bytes) }
        #expect(read.encodeSnapshot() == bytes)
    }
}
