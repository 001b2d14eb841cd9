// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

/// A catalog and a lease table that follow each other as in the log, with every event sent through its bytes.
struct LeaseNode {
    var node = TestNode()
    var table = LeaseTable()
    var nowNanos: UInt64 = 1_000_000_000
    let stream: StreamID
    let application: ApplicationRef

    init(shards: Int = 2, application: String = "billing") throws {
        self.stream = try self.node.create(shards: shards)
        self.application = ApplicationRef(stream: self.stream, name: try ApplicationName(application))
    }

    static func owner(_ name: String, _ incarnation: UInt64 = 1) throws -> LeaseOwner {
        LeaseOwner(worker: try WorkerID(name), incarnation: incarnation)
    }

    @discardableResult
    mutating func run(_ command: LeaseCommand) throws -> LeaseEvent? {
        let node = self.node
        let around = LeaseSurroundings(stream: try node.state(self.stream), nowMillis: node.nowMillis) {
            node.nextIndex(ShardRef(stream: command.stream, shard: $0))
        }
        guard let event = try self.table.plan(command, around) else { return nil }
        try self.table.apply(event.throughBytes())
        return event
    }

    /// A change of the streams, and what it means for the leases.
    mutating func run(_ command: CatalogCommand) throws {
        for event in try self.node.run(command) { self.table.follow(event) }
    }

    mutating func assign(_ shard: UInt32, to owner: LeaseOwner?) throws {
        try self.run(.assign(self.application, [.init(shard: ShardNumber(shard), owner: owner)]))
    }

    mutating func checkpoint(
        _ shard: UInt32, by owner: LeaseOwner, counter: UInt64? = nil, _ checkpoint: LeaseCheckpoint
    ) throws {
        let held = try counter ?? self.row(shard).counter
        let hold = LeaseHold(shard: ShardNumber(shard), owner: owner, counter: held)
        try self.run(.checkpoint(self.application, hold, checkpoint))
    }

    func row(_ shard: UInt32) throws -> LeaseRow {
        try #require(self.table.row(self.application, ShardNumber(shard)))
    }

    func mayBegin(_ shard: UInt32) throws -> Bool {
        self.table.mayBegin(
            try self.node.shard(shard, of: self.stream), of: self.application, in: try self.node.state(self.stream))
    }

    /// The number of a record, as its reader would see it.
    func number(_ index: UInt64, of shard: UInt32) throws -> SequenceNumber {
        let shard = try self.node.shard(shard, of: self.stream)
        return SequenceNumber(
            shardCreationSecond: shard.creationSecond, shard: shard.number, index: index,
            arrivalSecond: shard.creationSecond + 5)
    }

    func processed(_ index: UInt64, of shard: UInt32, sub: UInt64? = nil) throws -> LeaseCheckpoint {
        .sequenceNumber(try self.number(index, of: shard), subSequence: sub)
    }

    var rows: LeaseRows { self.table.application(self.application)?.rows ?? [:] }

    /// The group learns what has changed in the table.
    mutating func follow(_ group: inout Group) {
        let news = self.table.takeNews(of: self.application)
        group.follow(news, self.rows)
    }

    /// What the group wants, done.
    @discardableResult
    mutating func settle(_ group: inout Group, atMost max: Int = .max) throws -> [LeasesAssigned.Change] {
        self.follow(&group)
        let (table, application, stream) = (self.table, self.application, try self.node.state(self.stream))
        let changes = group.settle(nowNanos: self.nowNanos, atMost: max) { number in
            stream.shard(number).map { table.blocker($0, of: application, in: stream) } ?? number
        }
        try self.run(.assign(self.application, changes))
        group.settled(changes)
        self.follow(&group)
        return changes
    }

    func held(by owner: LeaseOwner) -> [UInt32] {
        self.rows.filter { $0.value.owner == owner }.map(\.key.rawValue).sorted()
    }
}

extension LeaseEvent {
    func throughBytes() throws -> LeaseEvent {
        try self.encode().withUnsafeBytes { try LeaseEvent(kind: self.kind, payload: $0) }
    }
}
