// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

/// A catalog with the two things it does not own: a clock, which the test sets, and the next index of every shard.
struct TestNode {
    var catalog: Catalog
    var nowMillis: Int64 = TestNode.start
    /// Next indexes where records were appended; a shard without is at its first index.
    var appended: [ShardRef: UInt64] = [:]
    /// Every event so far, with what the log knew when it was applied.
    var history: [(event: CatalogEvent, appended: [ShardRef: UInt64])] = []

    /// 2023-11-14T22:13:20Z.
    static let start: Int64 = 1_700_000_000_000
    static let hour: Int64 = 3_600_000
    static let day: Int64 = 86_400_000

    init(bounds: Catalog.Bounds = .init()) { self.catalog = Catalog(bounds: bounds) }

    func plan(_ command: CatalogCommand) throws(WeirError) -> [CatalogEvent] {
        try self.catalog.plan(command, nowMillis: self.nowMillis) { self.nextIndex($0) }
    }

    /// Plans, sends each event through its bytes, and applies it as replay does.
    @discardableResult
    mutating func run(_ command: CatalogCommand) throws -> [CatalogEvent] {
        let events = try self.plan(command)
        for event in events {
            self.history.append((event, self.appended))
            let node = self
            try self.catalog.apply(event.throughBytes()) { node.nextIndex($0) }
        }
        return events
    }

    @discardableResult
    mutating func create(
        _ name: String = "orders", shards: Int = 1, _ settings: StreamSettings = .init()
    ) throws -> StreamID {
        try self.run(.createStream(name: StreamName(name), shards: shards, settings: settings))
        return try #require(self.catalog.stream(named: StreamName(name))).id
    }

    mutating func append(_ count: UInt64, to shard: UInt32, of stream: StreamID) {
        let ref = ShardRef(stream: stream, shard: ShardNumber(shard))
        self.appended[ref] = self.nextIndex(ref) + count
    }

    func nextIndex(_ ref: ShardRef) -> UInt64 {
        self.appended[ref] ?? self.catalog.shard(ref)?.firstIndex ?? 0
    }

    func state(_ id: StreamID) throws -> StreamState { try #require(self.catalog.stream(id)) }

    func shard(_ number: UInt32, of stream: StreamID) throws -> ShardDescription {
        try #require(self.catalog.shard(ShardRef(stream: stream, shard: ShardNumber(number))))
    }

    func numbers(_ id: StreamID, _ filter: ShardFilter) -> [UInt32] {
        self.catalog.shards(of: id, filter: filter, after: nil, limit: .max).map(\.number.rawValue)
    }

    /// The machine that the events give, from an empty one or from a snapshot taken after `skipping` events.
    func replayed(from catalog: Catalog = Catalog(), skipping: Int = 0) throws -> Catalog {
        var catalog = catalog
        for (event, appended) in self.history.dropFirst(skipping) {
            let before = catalog
            try catalog.apply(event.throughBytes()) { appended[$0] ?? before.shard($0)?.firstIndex ?? 0 }
        }
        return catalog
    }
}

extension CatalogEvent {
    func throughBytes() throws -> CatalogEvent {
        try self.encode().withUnsafeBytes { try CatalogEvent(kind: self.kind, payload: $0) }
    }
}

extension Catalog {
    init(bytes: [UInt8]) throws {
        self = try bytes.withUnsafeBytes { try Catalog(snapshot: $0) }
    }
}

extension StreamState {
    var openRanges: [HashKeyRange] { self.map.shards.map(\.range) }
}

/// The shard number, short.
func s(_ number: UInt32) -> ShardNumber { ShardNumber(number) }

/// The error that the body throws.
func error<Value>(_ body: () throws -> Value, _ location: SourceLocation = #_sourceLocation) -> WeirError? {
    do {
        let value = try body()
        Issue.record("no error: \(value)", sourceLocation: location)
    } catch let error as WeirError {
        return error
    } catch {
        Issue.record("another error: \(error)", sourceLocation: location)
    }
    return nil
}
