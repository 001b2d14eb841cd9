// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

@Suite struct LeaseTableTests {
    private func refusal(_ body: () throws -> Void) throws -> WeirError {
        let error = #expect(throws: WeirError.self) { try body() }
        return try #require(error)
    }

    // MARK: Beginning

    @Test func `From the trim horizon every listed shard has a lease, closed ones too`() throws {
        var node = try LeaseNode(shards: 2)
        try node.run(.splitShard(node.stream, ShardNumber(0), at: nil))
        try node.run(.createApplication(node.application, from: .trimHorizon))
        #expect(node.rows.keys.sorted().map(\.rawValue) == [0, 1, 2, 3])
        #expect(node.rows.values.allSatisfy { $0.checkpoint == .trimHorizon && $0.owner == nil && $0.counter == 0 })
    }

    @Test func `LATEST is the last record of each open shard at that moment`() throws {
        var node = try LeaseNode(shards: 2)
        node.node.append(7, to: 1, of: node.stream)
        try node.run(.createApplication(node.application, from: .latest))
        #expect(try node.row(0).checkpoint == .trimHorizon, "nothing was there to be passed over")
        guard case .sequenceNumber(let number, nil) = try node.row(1).checkpoint else {
            Issue.record("\(try node.row(1).checkpoint)")
            return
        }
        #expect(number.index == 6)
        #expect(number.shard == ShardNumber(1))
    }

    @Test func `A start in the future is refused`() throws {
        var node = try LeaseNode()
        let later = node.node.nowMillis + 1
        let error = try self.refusal {
            try node.run(.createApplication(node.application, from: .atTimestamp(later)))
        }
        #expect(error.code == .invalidArgument)
        try node.run(.createApplication(node.application, from: .atTimestamp(later - 1)))
        #expect(try node.row(0).checkpoint == .atTimestamp(later - 1))
    }

    @Test func `The second worker finds the table as it is`() throws {
        var node = try LeaseNode()
        try node.run(.createApplication(node.application, from: .trimHorizon))
        try node.assign(0, to: LeaseNode.owner("a"))
        #expect(try node.run(.createApplication(node.application, from: .latest)) == nil)
        #expect(try node.row(0).counter == 1)
    }

    /// What is planned can be read again, as an event and in a snapshot, whatever the clock says.
    @Test(arguments: [.min, -1, 0, 68_719_476_735_999, 68_719_476_736_000, 94_000_000_000_000, .max] as [Int64])
    func `No clock makes an event or a snapshot that cannot be read`(_ nowMillis: Int64) throws {
        var node = try LeaseNode(shards: 2)
        node.node.nowMillis = nowMillis
        node.node.append(7, to: 1, of: node.stream)
        try node.run(.createApplication(node.application, from: .latest))
        try node.run(.reset(node.application, shard: nil, to: .latest, force: true, reason: "moved"))
        try node.run(.registerConsumer(node.stream, try ConsumerName("fast")))
        let again = try node.table.encodeSnapshot().withUnsafeBytes { try LeaseTable(snapshot: $0) }
        #expect(again.encodeSnapshot() == node.table.encodeSnapshot())
        #expect(again.application(node.application)?.rows == node.rows)
    }

    // MARK: Lineage

    @Test func `Children have leases in the commit that splits, and begin when the parents are finished`() throws {
        var node = try LeaseNode(shards: 2)
        try node.run(.createApplication(node.application, from: .latest))
        let owner = try LeaseNode.owner("a")
        try node.assign(0, to: owner)
        try node.assign(1, to: owner)
        try node.run(.mergeShards(node.stream, ShardNumber(0), ShardNumber(1)))
        #expect(try node.row(2).checkpoint == .trimHorizon)
        #expect(try !node.mayBegin(2))
        try node.checkpoint(0, by: owner, .shardEnd)
        #expect(try !node.mayBegin(2))
        try node.checkpoint(1, by: owner, .shardEnd)
        #expect(try node.mayBegin(2))
        #expect(try node.row(1).owner == nil, "what is finished is nobody's")
    }

    @Test func `A shard does not begin while anything that it came of is unfinished, whatever its parents are`() throws
    {
        var node = try LeaseNode(shards: 1)
        try node.run(.createApplication(node.application, from: .trimHorizon))
        try node.run(.splitShard(node.stream, ShardNumber(0), at: nil))
        try node.run(.splitShard(node.stream, ShardNumber(1), at: nil))
        // An operator sends the shard in the middle to its end.
        try node.run(
            .reset(node.application, shard: ShardNumber(1), to: .latest, force: false, reason: "skip it"))
        #expect(try node.row(1).isFinished)
        #expect(try !node.mayBegin(3) && !node.mayBegin(4) && !node.mayBegin(2))
        let owner = try LeaseNode.owner("a")
        try node.assign(0, to: owner)
        try node.checkpoint(0, by: owner, .shardEnd)
        #expect(try node.mayBegin(3) && node.mayBegin(4) && node.mayBegin(2))
    }

    @Test func `A reset to the beginning covers shards that were closed before the application began`() throws {
        var node = try LeaseNode(shards: 1)
        node.node.append(10, to: 0, of: node.stream)
        try node.run(.splitShard(node.stream, ShardNumber(0), at: nil))
        try node.run(.createApplication(node.application, from: .latest))
        #expect(node.rows.keys.sorted().map(\.rawValue) == [1, 2])
        try node.run(.reset(node.application, shard: nil, to: .latest, force: false, reason: "r"))
        #expect(node.rows.count == 2)
        try node.run(.reset(node.application, shard: nil, to: .trimHorizon, force: false, reason: "r"))
        #expect(node.rows.keys.sorted().map(\.rawValue) == [0, 1, 2] && node.table.rowCount == 3)
        #expect(node.rows.values.allSatisfy { $0.checkpoint == .trimHorizon })
        #expect(try node.mayBegin(0) && !node.mayBegin(1))
        let bytes = node.table.encodeSnapshot()
        #expect(try bytes.withUnsafeBytes { try LeaseTable(snapshot: $0) }.encodeSnapshot() == bytes)
    }

    @Test func `A single shard that was closed before the application began can be taken back too`() throws {
        var node = try LeaseNode(shards: 1)
        try node.run(.splitShard(node.stream, ShardNumber(0), at: nil))
        try node.run(.createApplication(node.application, from: .latest))
        let zero = ShardNumber(0)
        try node.run(.reset(node.application, shard: zero, to: .trimHorizon, force: false, reason: "r"))
        #expect(try node.row(0).checkpoint == .trimHorizon)
        let error = try self.refusal {
            try node.run(
                .reset(node.application, shard: ShardNumber(9), to: .trimHorizon, force: false, reason: "r"))
        }
        #expect(error.code == .shardNotFound)
    }

    @Test(arguments: 0...4) func `No lease has a counter of an application of that name that was deleted`(
        _ moves: Int
    ) throws {
        var node = try LeaseNode(shards: 1)
        var used: Set<UInt64> = []
        for life in 1...3 as ClosedRange<UInt64> {
            try node.run(.createApplication(node.application, from: .trimHorizon))
            for _ in 0...moves {
                try node.assign(0, to: LeaseNode.owner("a", life))
                let counter = try node.row(0).counter
                #expect(used.insert(counter).inserted, "counter \(counter) of life \(life)")
            }
            // A reader of the earlier life is told, whoever holds the lease now.
            for counter in used {
                let loss = node.table.loss(node.application, ShardNumber(0), counter: counter)
                #expect(try (loss == nil) == (counter == node.row(0).counter))
            }
            try node.run(.deleteApplication(node.application, force: true))
            // Also after a restart.
            let bytes = node.table.encodeSnapshot()
            node.table = try bytes.withUnsafeBytes { try LeaseTable(snapshot: $0) }
            #expect(node.table.encodeSnapshot() == bytes)
        }
    }

    @Test func `The end of a shard that is told twice is stored once, and nobody else can tell it`() throws {
        var node = try LeaseNode(shards: 1)
        try node.run(.createApplication(node.application, from: .trimHorizon))
        try node.run(.splitShard(node.stream, ShardNumber(0), at: nil))
        let owner = try LeaseNode.owner("a")
        try node.assign(0, to: owner)
        let counter = try node.row(0).counter
        try node.checkpoint(0, by: owner, counter: counter, .shardEnd)
        let after = try node.row(0)
        try node.checkpoint(0, by: owner, counter: counter, .shardEnd)
        #expect(try node.row(0) == after)
        for other in [counter + 1, counter + 2] {
            let error = try self.refusal { try node.checkpoint(0, by: owner, counter: other, .shardEnd) }
            #expect(error.code == .leaseLost)
        }
    }

    @Test func `Expired shards leave the table, and their children need not wait for them`() throws {
        var node = try LeaseNode(shards: 1)
        try node.run(.createApplication(node.application, from: .trimHorizon))
        try node.run(.splitShard(node.stream, ShardNumber(0), at: nil))
        node.node.nowMillis += 2 * TestNode.day
        for command in node.node.catalog.expirable(nowMillis: node.node.nowMillis) { try node.run(command) }
        #expect(node.rows.keys.sorted().map(\.rawValue) == [1, 2])
        #expect(node.table.rowCount == 2)
        #expect(try node.mayBegin(1))
    }

    @Test func `A deleted stream takes its applications and consumers along`() throws {
        var node = try LeaseNode()
        try node.run(.createApplication(node.application, from: .trimHorizon))
        try node.run(.registerConsumer(node.stream, ConsumerName("fast")))
        try node.run(CatalogCommand.deleteStream(node.stream))
        #expect(node.table.applications(of: node.stream).isEmpty)
        #expect(node.table.consumers(of: node.stream).isEmpty)
        #expect(node.table.rowCount == 0)
    }

    // MARK: Checkpoints

    @Test func `A checkpoint needs the lease: owner, life of the owner and counter`() throws {
        var node = try LeaseNode()
        node.node.append(10, to: 0, of: node.stream)
        try node.run(.createApplication(node.application, from: .trimHorizon))
        let (zombie, heir) = (try LeaseNode.owner("zombie"), try LeaseNode.owner("heir"))
        try node.assign(0, to: zombie)
        try node.checkpoint(0, by: zombie, node.processed(3, of: 0))
        try node.assign(0, to: heir)
        let error = try self.refusal {
            try node.checkpoint(0, by: zombie, counter: 1, node.processed(5, of: 0))
        }
        #expect(error.code == .leaseLost)
        #expect(
            error.message == "the lease of shardId-000000000000 is held by worker 'heir', with counter 2; worker "
                + "'zombie' held it with counter 1")
        #expect(try self.refusal { try node.checkpoint(0, by: heir, counter: 1, .shardEnd) }.code == .leaseLost)
        let other = try LeaseNode.owner("heir", 2)
        #expect(try self.refusal { try node.checkpoint(0, by: other, node.processed(5, of: 0)) }.code == .leaseLost)
        try node.checkpoint(0, by: heir, node.processed(5, of: 0))
        #expect(try node.row(0).ownerSwitches == 0)
    }

    @Test func `Checkpoints only go forward, to records that are there`() throws {
        var node = try LeaseNode()
        node.node.append(10, to: 0, of: node.stream)
        node.node.append(10, to: 1, of: node.stream)
        try node.run(.createApplication(node.application, from: .trimHorizon))
        let owner = try LeaseNode.owner("a")
        try node.assign(0, to: owner)
        try node.checkpoint(0, by: owner, node.processed(5, of: 0, sub: 2))
        let bad: [(LeaseCheckpoint, String)] = [
            (try node.processed(4, of: 0), "lies before"),
            (try node.processed(5, of: 0, sub: 1), "lies before"),
            (try node.processed(10, of: 0), "beyond the records"),
            (try node.processed(6, of: 1), "another shard"),
            (.shardEnd, "is open"),
            (.trimHorizon, "not TRIM_HORIZON"),
        ]
        for (checkpoint, why) in bad {
            let error = try self.refusal { try node.checkpoint(0, by: owner, checkpoint) }
            #expect(error.code == .invalidArgument, "\(checkpoint)")
            #expect(error.message.contains(why), "\(error.message)")
        }
        try node.checkpoint(0, by: owner, node.processed(5, of: 0, sub: 2))
        try node.checkpoint(0, by: owner, node.processed(5, of: 0, sub: 3))
        try node.checkpoint(0, by: owner, node.processed(5, of: 0))
        try node.checkpoint(0, by: owner, node.processed(9, of: 0))
        #expect(try node.row(0).checkpoint == node.processed(9, of: 0))
    }

    // MARK: Operators

    @Test func `A reset is refused while workers hold leases; forced, they lose them`() throws {
        var node = try LeaseNode()
        node.node.append(10, to: 0, of: node.stream)
        try node.run(.createApplication(node.application, from: .trimHorizon))
        let owner = try LeaseNode.owner("a")
        try node.assign(0, to: owner)
        try node.checkpoint(0, by: owner, node.processed(8, of: 0))
        func reset(force: Bool, _ target: ResetTarget = .trimHorizon, shard: UInt32? = nil) -> LeaseCommand {
            .reset(
                node.application, shard: shard.map { ShardNumber($0) }, to: target, force: force,
                reason: "a bad release")
        }
        let error = try self.refusal { try node.run(reset(force: false)) }
        #expect(error.code == .resourceInUse)
        #expect(error.message.contains("'a'"))
        try node.run(reset(force: true))
        #expect(try node.row(0).checkpoint == .trimHorizon)
        #expect(try node.row(0).reset?.reason == "a bad release")
        #expect(try self.refusal { try node.checkpoint(0, by: owner, counter: 1, .shardEnd) }.code == .leaseLost)
        try node.run(reset(force: false, .sequenceNumber(node.number(4, of: 0)), shard: 0))
        #expect(try node.row(0).checkpoint.isAtOrAfter(node.processed(3, of: 0)))
        #expect(try !node.row(0).checkpoint.isAtOrAfter(node.processed(4, of: 0)), "record 4 comes again")
        try node.run(reset(force: false, .latest))
        #expect(try node.row(0).checkpoint.isAtOrAfter(node.processed(9, of: 0)))
    }

    @Test func `An unknown application names those there are`() throws {
        var node = try LeaseNode()
        try node.run(.createApplication(node.application, from: .trimHorizon))
        let other = ApplicationRef(stream: node.stream, name: try ApplicationName("biling"))
        let error = try self.refusal { try node.run(.deleteApplication(other, force: false)) }
        #expect(error.code == .applicationNotFound)
        #expect(error.message.contains("'billing'"))
    }

    @Test(arguments: [0, 1, 3], [1, 2, 7])
    func `A resharding brings no more leases than the node keeps`(applications: Int, shards: Int) throws {
        var node = try LeaseNode(shards: shards)
        for number in 0..<applications {
            let ref = ApplicationRef(stream: node.stream, name: try ApplicationName("app-\(number)"))
            try node.run(.createApplication(ref, from: .trimHorizon))
        }
        let stream = try #require(node.node.catalog.stream(node.stream))
        let events = try node.node.catalog.plan(
            .rescale(node.stream, to: shards * 2 + 1), nowMillis: node.node.nowMillis
        ) { _ in 0 }
        let event = try #require(events.first)
        guard case .resharded(let resharding) = event else { throw WeirError(.internalFailure, "no resharding") }
        let after = (shards + resharding.steps.reduce(0) { $0 + $1.children.count }) * applications
        for allowed in [after - 1, after, after + 1] {
            let outcome = Result { () throws(WeirError) in
                try node.table.checkRoom(for: event, of: stream, leasesMax: allowed)
            }
            guard applications > 0, allowed < after else {
                #expect(throws: Never.self) { try outcome.get() }
                continue
            }
            let error = #expect(throws: WeirError.self) { try outcome.get() }
            #expect(error?.code == .limitExceeded)
            #expect(error?.message.contains("\(after) leases") == true && error?.message.contains("\(allowed)") == true)
        }
    }

    @Test func `Applications and consumers of a stream are limited`() throws {
        var node = try LeaseNode(shards: 1)
        for number in 0..<Limits.applicationsPerStream {
            let ref = ApplicationRef(stream: node.stream, name: try ApplicationName("app-\(number)"))
            try node.run(.createApplication(ref, from: .trimHorizon))
        }
        #expect(
            try self.refusal { try node.run(.createApplication(node.application, from: .latest)) }.code
                == .limitExceeded)
        for number in 0..<Limits.consumersPerStream {
            try node.run(.registerConsumer(node.stream, ConsumerName("consumer-\(number)")))
        }
        #expect(
            try self.refusal { try node.run(.registerConsumer(node.stream, ConsumerName("more"))) }.code
                == .limitExceeded)
        #expect(
            try self.refusal { try node.run(.registerConsumer(node.stream, ConsumerName("consumer-3"))) }.code
                == .resourceInUse)
        try node.run(.deregisterConsumer(node.stream, ConsumerName("consumer-3")))
        #expect(
            try self.refusal { try node.run(.deregisterConsumer(node.stream, ConsumerName("consumer-3"))) }.code
                == .consumerNotFound)
    }

    // MARK: Bytes

    private func busy() throws -> LeaseNode {
        var node = try LeaseNode(shards: 3)
        node.node.append(10, to: 0, of: node.stream)
        node.node.append(4, to: 1, of: node.stream)
        try node.run(.createApplication(node.application, from: .latest))
        let second = ApplicationRef(stream: node.stream, name: try ApplicationName("audit"))
        try node.run(.createApplication(second, from: .atTimestamp(TestNode.start)))
        try node.assign(0, to: LeaseNode.owner("a", .max))
        node.node.append(10, to: 0, of: node.stream)
        try node.checkpoint(0, by: LeaseNode.owner("a", .max), node.processed(12, of: 0, sub: 9))
        try node.run(.splitShard(node.stream, ShardNumber(1), at: nil))
        try node.run(
            .reset(node.application, shard: ShardNumber(1), to: .trimHorizon, force: false, reason: "wörter"))
        try node.run(.registerConsumer(node.stream, ConsumerName("fast")))
        return node
    }

    @Test func `A snapshot gives the same table`() throws {
        let node = try self.busy()
        let bytes = node.table.encodeSnapshot()
        let read = try bytes.withUnsafeBytes { try LeaseTable(snapshot: $0) }
        #expect(read.encodeSnapshot() == bytes)
        #expect(read.rowCount == node.table.rowCount)
        for ref in node.table.applications(of: node.stream) {
            #expect(read.application(ref)?.rows == node.table.application(ref)?.rows)
        }
        #expect(read.isRegistered(try ConsumerName("fast"), of: node.stream))
    }

    @Test func `Cut and flipped snapshots and events are refused or read, and never crash`() throws {
        let node = try self.busy()
        let bytes = node.table.encodeSnapshot()
        for length in 0..<bytes.count {
            #expect(throws: CatalogDecodeError.self) {
                try Array(bytes[..<length]).withUnsafeBytes { try LeaseTable(snapshot: $0) }
            }
        }
        for bit in 0..<bytes.count * 8 {
            var flipped = bytes
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            _ = try? flipped.withUnsafeBytes { try LeaseTable(snapshot: $0) }
        }
        let event = LeaseEvent.leasesAssigned(
            LeasesAssigned(
                application: node.application,
                changes: [
                    .init(shard: ShardNumber(0), owner: try LeaseNode.owner("a")),
                    .init(shard: ShardNumber(1), owner: nil),
                    .init(shard: ShardNumber(2), owner: try LeaseNode.owner("a")),
                ]))
        #expect(try event.throughBytes() == event)
        let payload = event.encode()
        for length in 0..<payload.count {
            #expect(throws: CatalogDecodeError.self) {
                try Array(payload[..<length]).withUnsafeBytes { try LeaseEvent(kind: event.kind, payload: $0) }
            }
        }
        #expect(throws: CatalogDecodeError.unknownKind(43)) {
            try payload.withUnsafeBytes { try LeaseEvent(kind: 43, payload: $0) }
        }
    }

    @Test func `Events that do not fit are refused, and nothing changes`() throws {
        var node = try LeaseNode()
        try node.run(.createApplication(node.application, from: .trimHorizon))
        let before = node.table.encodeSnapshot()
        let strangers: [LeaseEvent] = [
            .applicationDeleted(ApplicationRef(stream: node.stream, name: try ApplicationName("x"))),
            .leasesAssigned(
                LeasesAssigned(
                    application: node.application,
                    changes: [.init(shard: ShardNumber(0), owner: nil), .init(shard: ShardNumber(9), owner: nil)])),
            .consumerDeregistered(node.stream, try ConsumerName("x")),
        ]
        for event in strangers {
            #expect(throws: CatalogMismatch.self) { try node.table.apply(event) }
        }
        #expect(node.table.encodeSnapshot() == before)
    }
}
