// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

@Suite("Streams")
struct StreamTests {
    @Test("A new stream divides the key space evenly, from index 0 and the second of its creation")
    func create() throws {
        var node = TestNode()
        let id = try node.create("orders", shards: 3)
        let state = try node.state(id)
        #expect(state.openRanges == HashKeyRange.tiling(3))
        #expect(state.shards.map(\.number) == [s(0), s(1), s(2)])
        #expect(state.shards.allSatisfy { $0.creationSecond == 1_700_000_000 && $0.firstIndex == 0 })
        #expect(state.shards.allSatisfy { $0.parents.isEmpty && $0.isOpen && $0.createdAtMillis == TestNode.start })
        #expect(
            state.description
                == StreamDescription(
                    id: id, name: try StreamName("orders"), settings: .init(), createdAtMillis: TestNode.start,
                    openShards: 3, mapVersion: 1, horizonMillis: 0))
        #expect(node.catalog.version == 1)
        #expect(node.catalog.openShardCount == 3)
        #expect(node.catalog.streamCount == 1)
    }

    @Test("A stream made anew under a name is another stream; the old id is known as deleted")
    func idsAreNotReused() throws {
        var node = TestNode()
        let first = try node.create()
        try node.run(.deleteStream(first))
        #expect(node.catalog.wasDeleted(first))
        #expect(node.catalog.stream(first) == nil)
        #expect(node.catalog.stream(named: try StreamName("orders")) == nil)
        #expect(node.catalog.openShardCount == 0)
        // The next id is part of the state, also when no stream is left.
        node.catalog = try Catalog(bytes: node.catalog.encodeSnapshot())
        let second = try node.create()
        #expect(second > first)
        #expect(!node.catalog.wasDeleted(second))
        #expect(!node.catalog.wasDeleted(StreamID(0)))
        #expect(!node.catalog.wasDeleted(StreamID(second.rawValue + 1)))
    }

    @Test("Streams are listed by name, in pages, also from a name that is not there")
    func listing() throws {
        var node = TestNode()
        for name in ["b", "a", "d", "Z", "a.1"] { try node.create(name) }
        func names(after: String?, limit: Int) throws -> [String] {
            try node.catalog.streams(after: after.map { try StreamName($0) }, limit: limit).map(\.name.description)
        }
        #expect(try names(after: nil, limit: 10) == ["Z", "a", "a.1", "b", "d"])
        #expect(try names(after: nil, limit: 2) == ["Z", "a"])
        #expect(try names(after: "a", limit: 2) == ["a.1", "b"])
        #expect(try names(after: "c", limit: 2) == ["d"])
        #expect(try names(after: "d", limit: 2) == [])
        #expect(try names(after: nil, limit: -1) == [])
    }

    @Test("Shards are listed by number, in pages")
    func shardPages() throws {
        var node = TestNode()
        let id = try node.create(shards: 5)
        func numbers(after: UInt32?, limit: Int) -> [UInt32] {
            node.catalog.shards(of: id, filter: .fromTrimHorizon, after: after.map(s), limit: limit)
                .map(\.number.rawValue)
        }
        #expect(numbers(after: nil, limit: 2) == [0, 1])
        #expect(numbers(after: 1, limit: 2) == [2, 3])
        #expect(numbers(after: 3, limit: 2) == [4])
        #expect(numbers(after: 99, limit: 2) == [])
        #expect(numbers(after: nil, limit: 0) == [])
        #expect(node.catalog.shards(of: StreamID(9), filter: .atLatest, after: nil, limit: 9).isEmpty)
    }

    @Test("An update changes what it names and keeps the rest; what is already so needs no event")
    func update() throws {
        var node = TestNode()
        let id = try node.create("orders", shards: 1, .init(maxBytes: 1 << 30))
        try node.run(.updateStream(id, StreamChanges(limits: .open)))
        #expect(try node.state(id).settings == StreamSettings(maxBytes: 1 << 30, limits: .open))
        try node.run(.updateStream(id, StreamChanges(maxBytes: .some(nil), recordBytesMax: Limits.recordBytesMax)))
        #expect(
            try node.state(id).settings
                == StreamSettings(limits: .open, recordBytesMax: Limits.recordBytesMax))
        #expect(try node.plan(.updateStream(id, StreamChanges(limits: .open))) == [])
        #expect(try node.state(id).horizonMillis == 0)
        #expect(try node.state(id).map.version == 1)
    }

    @Test("Events that change who takes a key say so")
    func routing() throws {
        var node = TestNode()
        let id = try node.create()
        let commands: [CatalogCommand] = [
            .updateStream(id, StreamChanges(limits: .open)), .trimStream(id, beforeMillis: 1),
            .splitShard(id, s(0), at: nil),
            .deleteStream(id),
        ]
        for command in commands { try node.run(command) }
        #expect(node.history.map(\.event.changesRouting) == [true, false, false, true, true])
        #expect(node.history.allSatisfy { $0.event.stream == id })
    }

    @Test("The time of an event does not fall when the clock does")
    func clockGoesBack() throws {
        var node = TestNode()
        let id = try node.create()
        node.nowMillis -= TestNode.day
        let events = try node.run(.splitShard(id, s(0), at: nil))
        #expect(events.map(\.atMillis) == [TestNode.start])
        #expect(try node.shard(1, of: id).creationSecond == 1_700_000_001)
        node.nowMillis = .min
        #expect(try node.run(.deleteStream(id)).map(\.atMillis) == [TestNode.start])
    }

    @Test("A clock beyond what a sequence number holds is cut to it, and resharding then refused")
    func clockAtTheEnd() throws {
        var node = TestNode()
        node.nowMillis = .max
        let id = try node.create()
        #expect(try node.shard(0, of: id).creationSecond == 0xf_ffff_ffff)
        #expect(error { try node.plan(.splitShard(id, s(0), at: nil)) }?.code == .limitExceeded)
    }
}
