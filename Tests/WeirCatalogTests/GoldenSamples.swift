// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel

/// What the golden bytes stand for.
enum Sample {
    static let at: Int64 = 0x18b_cfe5_6800  // 1,700,000,000,000
    static let stream = StreamID(0x0102)

    static func events() throws -> [CatalogEvent] {
        [
            .streamCreated(
                StreamCreated(
                    stream: stream, atMillis: at, name: try StreamName("a.b"),
                    settings: StreamSettings(
                        retentionMillis: 3_600_000, maxBytes: 1 << 20,
                        limits: .explicit(RateLimits(bytesIn: 1, recordsIn: nil, bytesOut: 2, readsOut: nil))),
                    shards: 3, creationSecond: 1_700_000_000)),
            .streamUpdated(
                StreamUpdated(
                    stream: stream, atMillis: at, settings: StreamSettings(limits: .open), horizonMillis: at - 1)),
            .streamUpdated(
                StreamUpdated(
                    stream: stream, atMillis: at, settings: StreamSettings(limits: .kinesis), horizonMillis: at - 1)),
            .streamDeleted(StreamDeleted(stream: stream, atMillis: at)),
            .horizonRaised(HorizonRaised(stream: stream, atMillis: at, horizonMillis: at - 2)),
            .resharded(
                Resharding(
                    stream: stream, atMillis: at,
                    steps: [
                        .init(
                            parents: [.init(number: s(1), endIndex: 7)],
                            children: [
                                .init(
                                    number: s(2), range: HashKeyRange(.min, HashKey(15)), creationSecond: 9,
                                    firstIndex: 7),
                                .init(
                                    number: s(3), range: HashKeyRange(HashKey(16), .max), creationSecond: 9,
                                    firstIndex: 7),
                            ]),
                        .init(
                            parents: [.init(number: s(3), endIndex: 7), .init(number: s(2), endIndex: 7)],
                            children: [.init(number: s(4), range: .all, creationSecond: 10, firstIndex: 7)]),
                    ])),
            .shardsExpired(ShardsExpired(stream: stream, atMillis: at, shards: [s(1), s(0x0405)])),
            .streamCapped(StreamCapped(stream: stream, atMillis: at, position: 0x0304)),
            .attributesChanged(
                AttributesChanged(
                    stream: stream, atMillis: at, owner: .stream,
                    changes: [try change("tags", "owner", "blogs"), try change("deliver", "a", nil)])),
        ]
    }

    static func change(_ namespace: String, _ key: String, _ value: String?) throws -> AttributeChange {
        try AttributeChange(try AttributeName(namespace: namespace, key: key), value)
    }

    /// One deleted stream and one with a merge of what a split made.
    static func catalog() throws -> Catalog {
        var node = TestNode()
        try node.run(.deleteStream(node.create("gone")))
        let id = try node.create("a.b", shards: 1, StreamSettings(limits: .open))
        node.append(7, to: 0, of: id)
        try node.run(.splitShard(id, s(0), at: HashKey(16)))
        try node.run(.mergeShards(id, s(2), s(1)))
        try node.run(.trimStream(id, beforeMillis: at - 1))
        try node.run(.capStream(id, upTo: 0x0304))
        try node.run(.setAttributes(id, [try change("tags", "owner", "blogs")]))
        return node.catalog
    }
}
