// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirIO
import WeirModel
import WeirProtocol
import WeirStorage
import WeirTestKit

@testable import WeirEngine
@testable import WeirServer

/// A worker of a test, as it would speak.
struct TestWorker {
    let client: RawClient
    let member: Member
    var version: UInt64 = 0
    var leases: [AssignedLease] = []

    init(
        _ node: TestNode, _ stream: StreamID, _ worker: String, incarnation: UInt64 = 1, timeout: UInt32 = 5_000,
        from: StreamStart = .trimHorizon
    ) throws {
        self.client = try node.connect()
        self.member = Member(stream: stream, application: "billing", worker: SentName(worker), incarnation: incarnation)
        self.take(try self.client.call(Self.join(self.member, timeout, from), JoinGroupAnswer.self).assignment)
    }

    static func join(_ member: Member, _ timeout: UInt32 = 5_000, _ from: StreamStart = .trimHorizon) -> JoinGroup {
        JoinGroup(member: member, sessionTimeoutMillis: timeout, from: from)
    }

    private mutating func take(_ assignment: Assignment) {
        self.version = assignment.version
        if let leases = assignment.leases { self.leases = leases }
    }

    func heartbeat(waiting millis: UInt32) -> Heartbeat {
        Heartbeat(member: self.member, seenVersion: self.version, waitMillis: millis)
    }

    /// Waits for news, and takes it. Gives what it is asked for.
    mutating func hear(waiting millis: UInt32 = 10_000) throws {
        self.take(try self.client.call(self.heartbeat(waiting: millis), HeartbeatAnswer.self).assignment)
        for lease in self.leases where lease.isToBeHandedOver {
            _ = try self.client.call(
                HandOver(member: self.member, shard: lease.shard, counter: lease.counter), Empty.self)
        }
    }

    mutating func hear(until isEnough: ([AssignedLease]) -> Bool) throws {
        while !isEnough(self.leases) { try self.hear() }
    }

    func checkpoint(_ shard: UInt32, _ checkpoint: LeaseCheckpoint, counter: UInt64? = nil) -> SaveCheckpoint {
        let number = ShardNumber(shard)
        return SaveCheckpoint(
            member: self.member, shard: number,
            counter: counter ?? self.leases.first { $0.shard == number }?.counter ?? 0, checkpoint: checkpoint)
    }

    var shards: [UInt32] { self.leases.map(\.shard.rawValue) }
}

@Suite struct GroupServerTests {
    private func leases(_ client: RawClient, _ stream: StreamID) throws -> [LeaseDescription] {
        try client.call(ListLeases(stream: stream, application: "billing"), ListLeasesAnswer.self).leases
    }

    @Test func `Workers share the shards, and a leaving one's go to the others at once`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 4)
            var a = try TestWorker(node, stream, "a")
            #expect(a.shards == [0, 1, 2, 3])
            var b = try TestWorker(node, stream, "b")
            #expect(b.shards.isEmpty, "it is asked for, one at a time")
            while a.shards.count > 2 || b.shards.count < 2 {
                try a.hear(waiting: 20)
                try b.hear(waiting: 20)
            }
            #expect(Set(a.shards).isDisjoint(with: b.shards))
            #expect(try Set(self.leases(client, stream).compactMap(\.owner?.description)) == ["a", "b"])
            _ = try a.client.call(LeaveGroup(member: a.member), Empty.self)
            try b.hear { $0.count == 4 }
            #expect(try a.client.refusal(a.heartbeat(waiting: 0)).code == .notJoined)
            _ = try b.client.call(LeaveGroup(member: b.member), Empty.self)
            #expect(try self.leases(client, stream).allSatisfy { $0.owner == nil })
        }
    }

    @Test func `A heartbeat waits for as long as it asks, and no longer than the change`() async throws {
        try await TestNode.run { node in
            let (_, stream) = try node.stream(shards: 1)
            let a = try TestWorker(node, stream, "a")
            let quiet = try a.client.call(a.heartbeat(waiting: 30), HeartbeatAnswer.self).assignment
            #expect(quiet == Assignment(version: a.version, leases: nil))
            let correlation = a.client.nextCorrelation()
            try a.client.send(a.heartbeat(waiting: 60_000).frame(correlation: correlation))
            _ = try TestWorker(node, stream, "b")
            let other = try node.connect()
            _ = try other.call(SplitShard(stream: stream, shard: ShardNumber(0)), ReshardAnswer.self)
            _ = try other.call(
                ResetLeases(
                    stream: stream, application: "billing", target: .trimHorizon, isForced: true, reason: "a test"),
                ResetLeasesAnswer.self)
            let told: HeartbeatAnswer = try a.client.answer(to: correlation).decode()
            #expect(told.assignment.version != a.version)
        }
    }

    @Test func `A silent worker's leases move after its session timeout, and its checkpoint is refused`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 2)
            #expect(try client.put(stream, (0..<40).map { TestRecord("k\($0)") }).stored == 40)
            let zombie = try TestWorker(node, stream, "zombie", timeout: 1_000)
            var heir = try TestWorker(node, stream, "heir", timeout: 30_000)
            try heir.hear { $0.count == 2 }
            let error = try zombie.client.refusal(zombie.checkpoint(0, .shardEnd))
            #expect(error.code == .leaseLost)
            #expect(error.message.contains("is held by worker 'heir', with counter 2"), "\(error.message)")
        }
    }

    @Test func `A subscription ends when its lease is another's`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 1)
            let a = try TestWorker(node, stream, "a")
            let lease = ReadLease(application: "billing", counter: a.leases[0].counter)
            func subscribe(_ lease: ReadLease) -> Subscribe {
                Subscribe(
                    stream: stream, shard: ShardNumber(0), start: .index(0), creditBytes: 1 << 20, lease: lease)
            }
            _ = try a.client.call(subscribe(lease), SubscribeAnswer.self)
            #expect(try client.put(stream, [TestRecord("before")]).stored == 1)
            #expect(try a.client.records().records.map(\.key) == ["before"])
            _ = try client.call(
                ResetLeases(
                    stream: stream, application: "billing", target: .trimHorizon, isForced: true, reason: "a test"),
                ResetLeasesAnswer.self)
            #expect(try client.put(stream, [TestRecord("after")]).stored == 1)
            let ended: SubscriptionEnded = try a.client.push().decode()
            #expect(ended.error.code == .leaseLost)
            #expect(try a.client.refusal(subscribe(lease)).code == .leaseLost)
        }
    }

    @Test func `A read that quotes a lease is refused when the lease is another's, also while it waits`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 1)
            let a = try TestWorker(node, stream, "a")
            let lease = ReadLease(application: "billing", counter: a.leases[0].counter)
            func read(
                _ start: ReadStart, _ lease: ReadLease? = nil, wait: UInt32 = 0, on stream: StreamID
            ) -> GetRecords {
                GetRecords(from: .place(stream, ShardNumber(0), start), waitMillis: wait, lease: lease)
            }
            #expect(try client.put(stream, [TestRecord("before")]).stored == 1)
            let first = try ReadOut(a.client.ask(read(.index(0), lease, on: stream)))
            #expect(first.records.map(\.key) == ["before"])
            // The iterator of the answer may be read under the lease too.
            let iterator = try #require(first.header.nextIterator)
            let again = GetRecords(from: .iterator(iterator), lease: lease)
            #expect(try ReadOut(a.client.ask(again)).records.isEmpty)
            // One that waits is woken, and told.
            try a.client.send(read(.index(1), lease, wait: 60_000, on: stream).frame(correlation: 77))
            _ = try client.call(
                ResetLeases(
                    stream: stream, application: "billing", target: .trimHorizon, isForced: true, reason: "a test"),
                ResetLeasesAnswer.self)
            #expect(try client.put(stream, [TestRecord("after")]).stored == 1)
            #expect(try a.client.answer(to: 77).error?.code == .leaseLost)
            for zombie in [read(.index(0), lease, on: stream), again, read(.iterator(.trimHorizon), lease, on: stream)]
            {
                #expect(try a.client.refusal(zombie).code == .leaseLost)
            }
            // Nobody else is fenced, and what an old client sends means what it did.
            #expect(try ReadOut(client.ask(read(.iterator(.trimHorizon), on: stream))).records.count == 2)
            #expect(try client.read(try client.iterator(stream)).records.count == 2)
            #expect(try client.refusal(read(.index(3), on: stream)).code == .invalidArgument)
            let unknown = ReadLease(application: "unheard-of", counter: 1)
            #expect(try client.refusal(read(.index(0), unknown, on: stream)).code == .leaseLost)
        }
    }

    @Test func `Checkpoints survive a restart of the server, and nobody loses a lease by it`() async throws {
        let folder = TestNode.makeFolder()
        defer { TestNode.remove(folder) }
        func restarted<T>(_ body: (TestNode) throws -> T) async throws -> T {
            // Time stands still, so that nobody's session ends, however busy the machine is.
            let node = try await TestNode.start(folder, clock: ManualClock())
            do {
                let result = try body(TestNode(node: node, folder: folder))
                await node.shutdown()
                return result
            } catch {
                await node.shutdown()
                throw error
            }
        }
        let (stream, member) = try await restarted { node in
            let (client, stream) = try node.stream(shards: 2)
            #expect(try client.put(stream, (0..<40).map { TestRecord("k\($0)") }).stored == 40)
            let a = try TestWorker(node, stream, "a")
            let read = try client.readAll(stream, 0)
            let number = SequenceNumber(
                shardCreationSecond: try self.creationSecond(client, stream), shard: ShardNumber(0),
                index: UInt64(read.count - 1), arrivalSecond: 0)
            _ = try a.client.call(a.checkpoint(0, .sequenceNumber(number, subSequence: 3)), Empty.self)
            return (stream, a.member)
        }
        try await restarted { node in
            let client = try node.connect()
            let rows = try self.leases(client, stream)
            #expect(rows.map(\.counter) == [1, 1])
            #expect(rows[0].checkpoint.description.hasSuffix("/3"))
            #expect(rows[0].lag.records == 1, "a part of the last record is still to be done")
            #expect(rows[1].lag.records > 0 && rows[1].lag.millis >= 0)
            let another = Member(stream: stream, application: "billing", worker: "a", incarnation: 2)
            #expect(try client.refusal(TestWorker.join(another)).code == .resourceInUse)
            let again = try client.call(TestWorker.join(member), JoinGroupAnswer.self).assignment
            #expect(again.leases?.map(\.counter) == [1, 1])
        }
    }

    private func creationSecond(_ client: RawClient, _ stream: StreamID) throws -> UInt64 {
        let listing = try client.call(ListShards(stream: stream), ListShardsAnswer.self)
        return try #require(listing.shards.first).creationSecond
    }

    @Test func `Unknown streams, applications and workers are named`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 1)
            let nobody = Member(stream: stream, application: "nobody", worker: "a", incarnation: 1)
            #expect(
                try client.refusal(Heartbeat(member: nobody, seenVersion: 0, waitMillis: 0)).code
                    == .applicationNotFound)
            #expect(
                try client.refusal(ListLeases(stream: stream, application: "nobody")).code == .applicationNotFound)
            #expect(try client.refusal(ListLeases(stream: StreamID(99), application: "x")).code == .streamNotFound)
            _ = try TestWorker(node, stream, "a")
            let b = Member(stream: stream, application: "billing", worker: "b", incarnation: 1)
            #expect(try client.refusal(Heartbeat(member: b, seenVersion: 0, waitMillis: 0)).code == .notJoined)
            #expect(try client.refusal(LeaveGroup(member: b)).code == .notJoined)
            let missing = Subscribe(
                stream: stream, shard: ShardNumber(0), start: .index(0), creditBytes: 1, consumer: "nobody")
            #expect(try client.refusal(missing).code == .consumerNotFound)
        }
    }

    @Test func `A registered consumer reads on a budget of its own`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 1, limits: .kinesis)
            _ = try client.call(RegisterConsumer(stream: stream, consumer: "fast"), RegisterConsumerAnswer.self)
            let budget = node.node.core.engine
            let shard = ShardRef(stream: stream, shard: ShardNumber(0))
            let settings = StreamSettings(limits: .kinesis)
            let name = try ConsumerName("fast")
            budget.reading(of: shard, settings, by: nil) { $0.charge(bytesOut: 50 << 20, nowNanos: $1) }
            #expect(budget.reading(of: shard, settings, by: nil) { $0.nanosUntilBytesOut(nowNanos: $1) } != nil)
            #expect(budget.reading(of: shard, settings, by: name) { $0.nanosUntilBytesOut(nowNanos: $1) } == nil)
            #expect(try client.put(stream, [TestRecord("k")]).stored == 1)
            let reader = try node.connect()
            _ = try reader.call(
                Subscribe(
                    stream: stream, shard: ShardNumber(0), start: .index(0), creditBytes: 1 << 20, consumer: "fast"),
                SubscribeAnswer.self)
            #expect(try reader.records().records.map(\.key) == ["k"], "the shard's own budget is used up")
            _ = try client.call(DeregisterConsumer(stream: stream, consumer: "fast"), Empty.self)
            let ended: SubscriptionEnded = try reader.push().decode()
            #expect(ended.error.code == .consumerNotFound)
        }
    }

    @Test func `What is kept with a lease is there for whoever holds it next, and for nobody else`() async throws {
        try await TestNode.run { node in
            let (_, stream) = try node.stream(shards: 1)
            let a = try TestWorker(node, stream, "a")
            func save(_ worker: TestWorker, _ state: [UInt8], replacing: [UInt8], counter: UInt64) -> SaveLeaseState {
                SaveLeaseState(
                    member: worker.member, shard: ShardNumber(0), counter: counter,
                    replaces: LeaseState.checksum(replacing), state: state)
            }
            func read(_ worker: TestWorker, counter: UInt64) -> ReadLeaseState {
                ReadLeaseState(member: worker.member, shard: ShardNumber(0), counter: counter)
            }
            func kept(_ worker: TestWorker, counter: UInt64) throws -> [UInt8] {
                try worker.client.call(read(worker, counter: counter), LeaseStateAnswer.self).state
            }
            #expect(try kept(a, counter: 1) == [])
            for bytes in [1, 4096, Limits.leaseStateBytesMax] {
                let before = try kept(a, counter: 1)
                let state = [UInt8](repeating: UInt8(bytes & 0x7f | 1), count: bytes)
                _ = try a.client.call(save(a, state, replacing: before, counter: 1), Empty.self)
                #expect(try kept(a, counter: 1) == state)
            }
            let last = try kept(a, counter: 1)
            let beyond = [UInt8](repeating: 1, count: Limits.leaseStateBytesMax + 1)
            #expect(try a.client.refusal(save(a, beyond, replacing: last, counter: 1)).code == .limitExceeded)
            #expect(try a.client.refusal(save(a, [2], replacing: [9], counter: 1)).code == .invalidArgument)
            let b = try TestWorker(node, stream, "b")
            #expect(try b.client.refusal(read(b, counter: 1)).code == .leaseLost)
            #expect(try b.client.refusal(save(b, [2], replacing: last, counter: 1)).code == .leaseLost)
            _ = try a.client.call(LeaveGroup(member: a.member), Empty.self)
            var next = b
            try next.hear { $0.count == 1 }
            #expect(try kept(next, counter: 2) == last)
            _ = try next.client.call(save(next, [7], replacing: last, counter: 2), Empty.self)
            #expect(try a.client.refusal(save(a, [8], replacing: [7], counter: 1)).code == .leaseLost)
            #expect(try kept(next, counter: 2) == [7])
        }
    }
}
