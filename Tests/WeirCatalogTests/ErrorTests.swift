// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

/// What is refused, and the words that the refusal must hold: what was wrong, or what is allowed.
@Suite("Refusals")
struct ErrorTests {
    struct Refusal: Sendable, CustomTestStringConvertible {
        let command: CatalogCommand
        let code: WeirError.Code
        let words: [String]

        var testDescription: String { "\(self.command)" }

        init(_ command: CatalogCommand, _ code: WeirError.Code, _ words: String...) {
            self.command = command
            self.code = code
            self.words = words
        }
    }

    /// Streams 1 (deleted), 2 'full' with 3 shards, and 3 'orders', whose shard 0 was split into 4 and 5.
    private static func node() throws -> TestNode {
        var node = TestNode(bounds: .init(streamsMax: 2, openShardsMax: 9, listedShardsMax: 11))
        try node.run(.deleteStream(node.create("gone")))
        try node.create("full", shards: 3)
        let orders = try node.create("orders", shards: 4)
        try node.run(.splitShard(orders, s(0), at: nil))
        return node
    }

    private static let gone = StreamID(1)
    private static let full = StreamID(2)
    private static let orders = StreamID(3)
    private static let unknown = StreamID(4)

    private static func create(
        _ name: String, _ shards: Int, _ settings: StreamSettings = .init()
    ) throws -> CatalogCommand {
        .createStream(name: try StreamName(name), shards: shards, settings: settings)
    }

    static func refusals() throws -> [Refusal] {
        let creations = [
            Refusal(try create("orders", 1), .streamExists, "orders"),
            Refusal(try create("new", 1), .limitExceeded, "2 streams"),
            Refusal(try create("new", 0), .invalidArgument, "1 to 10000"),
            Refusal(try create("new", 10_001), .invalidArgument, "1 to 10000"),
            Refusal(try create("new", .min), .invalidArgument, "1 to 10000"),
            Refusal(try create("new", 1, .init(retentionMillis: 1)), .invalidArgument, "1 h to 8760 h"),
        ]
        return creations + onStreams + onShards
    }

    private static let onStreams = [
        Refusal(.deleteStream(gone), .streamDeleted, "was deleted"),
        Refusal(.deleteStream(unknown), .streamNotFound, "the id 4"),
        Refusal(.deleteStream(StreamID(0)), .streamNotFound),
        Refusal(.updateStream(gone, .init(limits: .open)), .streamDeleted),
        Refusal(.updateStream(orders, .init(retentionMillis: 0)), .invalidArgument, "1 h to 8760 h"),
        Refusal(.updateStream(orders, .init(maxBytes: 1)), .invalidArgument, "at least 1048576"),
        Refusal(.updateStream(orders, .init(recordBytesMax: 1)), .invalidArgument, "1048576 to 10485760"),
        Refusal(.trimStream(gone, beforeMillis: 0), .streamDeleted),
        Refusal(.trimStream(orders, beforeMillis: .max), .invalidArgument, "\(TestNode.start)"),
        Refusal(.raiseHorizon(unknown, toMillis: 0), .streamNotFound),
        Refusal(.raiseHorizon(orders, toMillis: .max), .invalidArgument),
        Refusal(.rescale(gone, to: 1), .streamDeleted),
        Refusal(.rescale(orders, to: 0), .invalidArgument, "1 to 10000"),
        Refusal(.rescale(orders, to: 10_001), .invalidArgument, "1 to 10000"),
        Refusal(.rescale(orders, to: 7), .limitExceeded, "10 open shards", "9 are allowed"),
        Refusal(.rescale(orders, to: 2), .limitExceeded, "list 12", "11 are allowed"),
    ]

    private static let onShards = [
        Refusal(.splitShard(gone, s(0), at: nil), .streamDeleted),
        Refusal(.splitShard(unknown, s(0), at: nil), .streamNotFound),
        Refusal(.splitShard(orders, s(6), at: nil), .shardNotFound, "shardId-000000000006"),
        Refusal(.splitShard(orders, s(0), at: nil), .invalidArgument, "closed"),
        Refusal(.splitShard(orders, s(3), at: .min), .invalidArgument, "to \(UInt128.max - 1)"),
        Refusal(.splitShard(orders, s(3), at: .max), .invalidArgument, "to \(UInt128.max - 1)"),
        Refusal(.mergeShards(gone, s(0), s(1)), .streamDeleted),
        Refusal(.mergeShards(orders, s(1), s(1)), .invalidArgument, "itself"),
        Refusal(.mergeShards(orders, s(1), s(3)), .invalidArgument, "neighbours"),
        Refusal(.mergeShards(orders, s(4), s(3)), .invalidArgument, "neighbours"),
        Refusal(.mergeShards(orders, s(0), s(1)), .invalidArgument, "closed"),
        Refusal(.mergeShards(orders, s(1), s(0)), .invalidArgument, "closed"),
        Refusal(.mergeShards(orders, s(1), s(9)), .shardNotFound),
        Refusal(.expireShards(gone, [s(0)]), .streamDeleted),
        Refusal(.expireShards(orders, [s(9)]), .shardNotFound),
        Refusal(.expireShards(orders, [s(1)]), .invalidArgument, "closed"),
        Refusal(.expireShards(orders, [s(0)]), .invalidArgument, "retention"),
    ]

    @Test("A command that cannot be is refused by name, and the machine stays", arguments: try refusals())
    func refused(_ refusal: Refusal) throws {
        let node = try Self.node()
        let before = node.catalog.encodeSnapshot()
        let error = try #require(error { try node.plan(refusal.command) })
        #expect(error.code == refusal.code)
        for word in refusal.words { #expect(error.message.contains(word), "\(error.message)") }
        #expect(node.catalog.encodeSnapshot() == before)
    }

    @Test("A split is refused at the node's and at the stream's bound of open shards; a merge is not")
    func openBounds() throws {
        var node = TestNode(bounds: .init(openShardsMax: 2))
        let id = try node.create(shards: 2)
        #expect(error { try node.plan(.splitShard(id, s(0), at: nil)) }?.code == .limitExceeded)
        #expect(try node.plan(.mergeShards(id, s(0), s(1))).count == 1)

        var large = TestNode()
        let full = try large.create(shards: 10_000)
        let error = try #require(error { try large.plan(.splitShard(full, s(0), at: nil)) })
        #expect(error.code == .limitExceeded)
        #expect(error.message.contains("10000 are allowed"))
    }

    @Test("A log that forgot its records is not believed")
    func indexBelowFirst() throws {
        var node = TestNode()
        let id = try node.create()
        node.append(5, to: 0, of: id)
        try node.run(.splitShard(id, s(0), at: nil))
        for index in [4, SequenceNumber.endIndex + 1, .max] {
            let refusal = error {
                try node.catalog.plan(.splitShard(id, s(1), at: nil), nowMillis: node.nowMillis) { _ in index }
            }
            #expect(refusal?.code == .internalFailure)
            #expect(refusal?.verdict.maybeStored == false)
        }
    }
}
