// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

/// Events that a lost, repeated or damaged commit would bring: each is refused, and the machine stays as it was.
@Suite("Events that do not fit")
struct ApplyTests {
    private static let start = TestNode.start
    private static let id = StreamID(1)

    /// Stream 1 'orders': shards 0 (closed at index 5, into 2 and 3) and 1, with 4 records.
    private static func node() throws -> TestNode {
        var node = TestNode()
        let id = try node.create(shards: 2)
        node.append(5, to: 0, of: id)
        node.append(4, to: 1, of: id)
        try node.run(.splitShard(id, s(0), at: nil))
        return node
    }

    private static let quarter = UInt128(1) << 126
    private static let low = HashKeyRange(.min, HashKey(quarter - 1))
    private static let second = HashKeyRange(HashKey(quarter), HashKey(2 * quarter - 1))
    private static let third = HashKeyRange(HashKey(2 * quarter), HashKey(3 * quarter - 1))
    private static let high = HashKeyRange(HashKey(3 * quarter), .max)

    private static func step(
        _ parents: [(UInt32, UInt64)], _ children: [(UInt32, HashKeyRange)], second: UInt64 = 1_700_000_002,
        first: UInt64
    ) -> Resharding.Step {
        Resharding.Step(
            parents: parents.map { .init(number: s($0.0), endIndex: $0.1) },
            children: children.map {
                .init(number: s($0.0), range: $0.1, creationSecond: second, firstIndex: first)
            })
    }

    private static func reshard(_ steps: Resharding.Step...) -> CatalogEvent {
        .resharded(Resharding(stream: id, atMillis: start, steps: steps))
    }

    private static func created(
        _ stream: UInt64, _ name: String = "new", at: Int64 = start, shards: Int = 1, second: UInt64 = 1
    ) throws -> CatalogEvent {
        .streamCreated(
            StreamCreated(
                stream: StreamID(stream), atMillis: at, name: try StreamName(name), settings: .init(), shards: shards,
                creationSecond: second))
    }

    private static func strangers() throws -> [(String, CatalogEvent)] {
        [
            ("another stream is next", try created(3)),
            ("an id again", try created(1)),
            ("a name that is taken", try created(2, "orders")),
            ("no shard", try created(2, shards: 0)),
            ("too many shards", try created(2, shards: .max)),
            ("a second above 36 bits", try created(2, second: .max)),
            ("a time before the last event's", try created(2, at: start - 1)),
            ("a time that is none", try created(2, at: .max)),
            ("deleted and not there", .streamDeleted(.init(stream: StreamID(2), atMillis: start))),
            (
                "settings that are not allowed",
                .streamUpdated(
                    .init(stream: id, atMillis: start, settings: .init(retentionMillis: 0), horizonMillis: 0))
            ),
            (
                "updated and not there",
                .streamUpdated(.init(stream: StreamID(2), atMillis: start, settings: .init(), horizonMillis: 0))
            ),
            (
                "a horizon below zero",
                .streamUpdated(.init(stream: id, atMillis: start, settings: .init(), horizonMillis: -1))
            ),
            ("a horizon without end", .horizonRaised(.init(stream: id, atMillis: start, horizonMillis: .max))),
            ("not closed", .shardsExpired(.init(stream: id, atMillis: .max / 1_000_000, shards: [s(1)]))),
            ("too early", .shardsExpired(.init(stream: id, atMillis: start, shards: [s(0)]))),
            (
                "above the horizon",
                .shardsExpired(.init(stream: id, atMillis: start + 2 * TestNode.day, shards: [s(0)]))
            ),
            ("none", .shardsExpired(.init(stream: id, atMillis: start, shards: []))),
            ("unknown", .shardsExpired(.init(stream: id, atMillis: start, shards: [s(9)]))),
        ]
    }

    private static func reshardings() -> [(String, CatalogEvent)] {
        [
            ("no step", reshard()),
            ("no parent", reshard(step([], [(4, third), (5, high)], first: 4))),
            ("no child", reshard(step([(1, 4)], [], first: 4))),
            ("one child of one parent", reshard(step([(1, 4)], [(4, third)], first: 4))),
            ("a parent that was closed before", reshard(step([(0, 5)], [(4, low), (5, second)], first: 5))),
            ("an unknown parent", reshard(step([(9, 0)], [(4, third), (5, high)], first: 0))),
            ("an end that is not the log's", reshard(step([(1, 3)], [(4, third), (5, high)], first: 3))),
            ("an end below the first index", reshard(step([(2, 4)], [(4, third), (5, high)], first: 4))),
            ("a first index that is not the end", reshard(step([(1, 4)], [(4, third), (5, high)], first: 5))),
            ("a gap between children", reshard(step([(1, 4)], [(4, low), (5, high)], first: 4))),
            ("children that take other keys", reshard(step([(1, 4)], [(4, low), (5, second)], first: 4))),
            ("children in the wrong order", reshard(step([(1, 4)], [(4, high), (5, third)], first: 4))),
            ("a shard number skipped", reshard(step([(1, 4)], [(5, third), (6, high)], first: 4))),
            ("a shard number again", reshard(step([(1, 4)], [(3, third), (4, high)], first: 4))),
            (
                "a second not above the parent's",
                reshard(step([(1, 4)], [(4, third), (5, high)], second: 1_700_000_000, first: 4))
            ),
            ("a second above 36 bits", reshard(step([(1, 4)], [(4, third), (5, high)], second: 1 << 36, first: 4))),
            ("a merge of shards that do not touch", reshard(step([(2, 5), (1, 4)], [(4, .all)], first: 5))),
            ("a merge with itself", reshard(step([(2, 5), (2, 5)], [(4, low)], first: 5))),
            (
                "a merge that takes other keys",
                reshard(step([(2, 5), (3, 5)], [(4, HashKeyRange(.min, second.lower))], first: 5))
            ),
            (
                "a good step before a bad one",
                reshard(
                    step([(1, 4)], [(4, third), (5, high)], first: 4),
                    step([(1, 4)], [(6, third), (7, high)], first: 4))
            ),
            (
                "records in a shard that the event itself opened",
                reshard(
                    step([(1, 4)], [(4, third), (5, high)], first: 4),
                    step([(4, 6), (5, 4)], [(6, HashKeyRange(third.lower, .max))], second: 1_700_000_009, first: 6))
            ),
        ]
    }

    @Test("An event that does not fit is refused and changes nothing")
    func refused() throws {
        let node = try Self.node()
        let before = node.catalog.encodeSnapshot()
        for (what, event) in try Self.strangers() + Self.reshardings() {
            var catalog = node.catalog
            #expect(throws: CatalogMismatch.self, "\(what)") { try catalog.apply(event) { node.nextIndex($0) } }
            #expect(catalog.encodeSnapshot() == before, "\(what)")
        }
    }

    @Test("The steps that the refused ones differ from are taken")
    func accepted() throws {
        for event in [
            Self.reshard(Self.step([(1, 4)], [(4, Self.third), (5, Self.high)], first: 4)),
            Self.reshard(
                Self.step([(2, 5), (3, 5)], [(4, HashKeyRange(.min, Self.second.upper))], first: 5)),
            try Self.created(2),
        ] {
            var node = try Self.node()
            try node.catalog.apply(event) { [node] in node.nextIndex($0) }
            try node.catalog.checkInvariants()
        }
    }

    @Test("Without the log's indexes an end index is believed, as far as it can be")
    func withoutLog() throws {
        var catalog = try Self.node().catalog
        try catalog.apply(Self.reshard(Self.step([(1, 3)], [(4, Self.third), (5, Self.high)], first: 3)))
        #expect(catalog.version == 3)
        // Shard 3 began at index 5.
        let merge = Self.step([(2, 5), (3, 4)], [(6, HashKeyRange(.min, Self.second.upper))], first: 5)
        #expect(throws: CatalogMismatch.self) { try catalog.apply(Self.reshard(merge)) }
    }

    @Test("A shard does not expire before its parent, however old both are")
    func expiryOrder() throws {
        var node = try Self.node()
        try node.run(.splitShard(Self.id, s(2), at: nil))
        node.nowMillis += 2 * TestNode.day
        try node.run(.raiseHorizon(Self.id, toMillis: node.nowMillis))
        func expired(_ numbers: [ShardNumber]) -> CatalogEvent {
            .shardsExpired(ShardsExpired(stream: Self.id, atMillis: node.nowMillis, shards: numbers))
        }
        for numbers in [[s(2)], [s(0), s(0)], [s(0), s(1)]] {
            #expect(throws: CatalogMismatch.self) { try node.catalog.apply(expired(numbers)) }
        }
        try node.catalog.apply(expired([s(0), s(2)]))
        try node.catalog.checkInvariants()
    }

    @Test("An event applied twice is refused", arguments: 0..<7)
    func twice(position: Int) throws {
        var node = try Self.node()
        try node.run(.updateStream(Self.id, .init(limits: .open)))
        try node.run(.rescale(Self.id, to: 4))
        node.nowMillis += TestNode.day
        try node.run(.expireShards(Self.id, [s(0)]))
        try node.run(.deleteStream(Self.id))
        #expect(node.history.count == 7)
        let event = node.history[position].event
        // Setting the same settings or horizon again is harmless; its time lets it be noticed all the same.
        #expect(throws: CatalogMismatch.self) { try node.catalog.apply(event) }
    }
}
