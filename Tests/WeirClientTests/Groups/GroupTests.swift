// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirIO
import WeirModel
import WeirProtocol
import WeirTestKit
import WeirTestNode

@testable import WeirClient

/// What a worker asks, and what an operator asks about workers.
@Suite(.timeLimit(.minutes(2)), .nodes) struct GroupTests {
    private let stream = StreamID(1)

    private func application(_ name: String = "billing") throws -> ApplicationName { try ApplicationName(name) }

    private func member(incarnation: UInt64 = 77) throws -> GroupMember {
        GroupMember(
            stream: self.stream, application: try self.application(),
            owner: LeaseOwner(worker: try WorkerID("w1"), incarnation: incarnation))
    }

    /// A client of a node with a stream of so many shards.
    private func client(_ node: InProcessNode, shards: Int, clock: any Clock = SystemClock()) async throws -> WeirClient
    {
        try await node.makeStream("s", shards: shards)
        return try node.client(clock: clock)
    }

    /// Joins, and waits until the worker has all leases. Returns their counters by shard.
    private func join(_ client: WeirClient, shards: Int) async throws -> [ShardNumber: UInt64] {
        let member = try self.member()
        var assignment = try await client.joinGroup(member, sessionTimeoutMillis: 300_000, from: .trimHorizon)
        var leases = assignment.leases ?? []
        while leases.count < shards {
            assignment = try await client.heartbeat(member, seen: assignment.version, wait: .seconds(1))
            leases = assignment.leases ?? leases
        }
        return Dictionary(uniqueKeysWithValues: leases.map { ($0.shard, $0.counter) })
    }

    /// Where a record is that lies in the shard.
    private func put(_ client: WeirClient, in shard: ShardNumber) async throws -> SequenceNumber {
        let map = try await client.shardMap(self.stream)
        let range = try #require(map.shards.first { $0.number == shard }).range
        let producer = try await client.producer(try StreamName("s"), .init(linger: .zero, timeout: nil))
        let record = ProducerRecord(partitionKey: "k", explicitHashKey: range.lower, data: [1])
        let receipt = try await #require(try producer.putBatch([record]).first).get()
        try await producer.finish()
        return receipt.sequenceNumber
    }

    private func row(_ shard: UInt32) -> LeaseDescription {
        LeaseDescription(
            shard: ShardNumber(shard), owner: nil, counter: 1, checkpoint: .shardEnd, parents: [],
            ownerSwitchesSinceCheckpoint: 0, handingOverTo: nil, reset: nil, lag: .init(records: 0, millis: 0))
    }

    private func expect(
        _ code: WeirError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
    ) async {
        do {
            try await body()
            Issue.record("nothing was thrown", sourceLocation: sourceLocation)
        } catch {
            #expect((error as? WeirError)?.code == code, sourceLocation: sourceLocation)
        }
    }

    // MARK: Workers

    @Test func aWorkerIsNamedInAllThatItAsks() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.client(node, shards: 3)
        let shard = ShardNumber(2)
        let number = try await self.put(client, in: shard)
        let member = try self.member()
        let counter = try #require(try await self.join(client, shards: 3)[shard])
        let asked = node.count(of: .heartbeat)
        _ = try await client.joinGroup(member, sessionTimeoutMillis: 5000, from: .atTimestamp(9))
        _ = try await client.heartbeat(
            member, seen: .max, wait: .milliseconds(1500), measured: [(shard: shard, bytesPerSecond: 10)])
        try await client.checkpoint(member, shard: shard, counter: counter, .sequenceNumber(number, subSequence: 4))
        try await client.handOver(member, shard: shard, counter: counter)
        try await client.leaveGroup(member)
        let named = Member(stream: self.stream, application: "billing", worker: "w1", incarnation: 77)
        #expect(
            node.requests(JoinGroup.self).last
                == JoinGroup(member: named, sessionTimeoutMillis: 5000, from: .atTimestamp(9)))
        #expect(
            Array(node.requests(Heartbeat.self).dropFirst(asked)) == [
                Heartbeat(
                    member: named, seenVersion: .max, waitMillis: 1500,
                    measured: [.init(shard: shard, bytesPerSecond: 10)])
            ])
        #expect(
            node.requests() == [
                SaveCheckpoint(
                    member: named, shard: shard, counter: counter,
                    checkpoint: .sequenceNumber(number, subSequence: 4))
            ])
        #expect(node.requests() == [HandOver(member: named, shard: shard, counter: counter)])
        #expect(node.requests() == [LeaveGroup(member: named)])
        await client.close()
    }

    @Test func anAssignmentComesWithLeasesOnlyWhenItIsAnother() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.client(node, shards: 1)
        let member = try self.member()
        let joined = try await client.joinGroup(member, sessionTimeoutMillis: 300_000, from: .latest)
        #expect(joined.leases != nil)
        _ = try await self.join(client, shards: 1)
        var last = try await client.heartbeat(member, seen: .max, wait: .zero)
        #expect(last.leases?.map(\.shard) == [ShardNumber(0)])
        let unchanged = try await client.heartbeat(member, seen: last.version, wait: .zero)
        #expect(unchanged == Assignment(version: last.version, leases: nil))
        // Its children come to the worker when it is through with the shard.
        try node.split(self.stream, ShardNumber(0))
        let counter = try #require(last.leases?.first?.counter)
        try await client.checkpoint(member, shard: ShardNumber(0), counter: counter, .shardEnd)
        while last.leases?.contains(where: { $0.shard == ShardNumber(2) }) != true {
            let next = try await client.heartbeat(member, seen: last.version, wait: .seconds(1))
            if next.leases != nil { #expect(next.version != last.version) }
            last = next
        }
        await client.close()
    }

    @Test func joiningWaitsWhileTheIdIsAliveElsewhere() async throws {
        let clock = ManualClock()
        let node = try await InProcessNode.start()
        let client = try await self.client(node, shards: 1, clock: clock)
        let earlier = try self.member(incarnation: 76)
        _ = try await client.joinGroup(earlier, sessionTimeoutMillis: 300_000, from: .latest)
        let isDone = Mutex(false)
        let member = try self.member()
        let joining = Task {
            defer { isDone.withLock { $0 = true } }
            return try await client.joinGroup(
                member, sessionTimeoutMillis: 5000, from: .latest, timeout: .seconds(1_000_000))
        }
        // It comes back when the earlier life of the worker would count as gone.
        await clock.advance(stepMillis: 10_000) {
            node.count(of: .joinGroup) == 4
        } mayAdvance: {
            node.isQuiet
        }
        #expect(!isDone.withLock { $0 })
        try await client.leaveGroup(earlier)
        await clock.advance(stepMillis: 10_000) {
            isDone.withLock { $0 }
        } mayAdvance: {
            node.isQuiet
        }
        _ = try await joining.value
        #expect(node.asked.filter { $0 != .leaveGroup }.allSatisfy { $0 == .joinGroup })
        await client.close()
    }

    @Test func aHeartbeatIsNotRepeatedWhateverTheServerSays() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.client(node, shards: 1)
        let busy = WeirError(.unavailable, "not now", verdict: .init(maybeStored: false, retry: .after(millis: 0)))
        node.refuse(.heartbeat, [busy])
        await self.expect(.unavailable) {
            _ = try await client.heartbeat(try self.member(), seen: 0, wait: .seconds(1))
        }
        #expect(node.asked == [.heartbeat])
        await client.close()
    }

    @Test func aHeartbeatThatIsNotAnsweredTimesOutBehindItsWait() async throws {
        let node = try await InProcessNode.start()
        node.script(.heartbeat) { _ in .silence(carriedOut: true) }
        let clock = ManualClock()
        // Hello is asked for before the clock moves.
        let client = try await self.client(node, shards: 1, clock: clock)
        _ = try await client.ping()
        let start = clock.monotonicNanos
        let end = Mutex<UInt64>(0)
        let member = try self.member()
        let beat = Task {
            defer { end.withLock { $0 = clock.monotonicNanos } }
            return try await client.heartbeat(member, seen: 0, wait: .seconds(2), timeout: .seconds(1))
        }
        await eventually { node.count(of: .heartbeat) == 1 }
        await clock.advance(stepMillis: 100) { end.withLock { $0 } > 0 }
        await self.expect(.timedOut) { _ = try await beat.value }
        #expect(end.withLock { $0 } - start >= 3_000_000_000)
        #expect(node.asked == [.heartbeat])
        await client.close()
    }

    @Test func whatIsNotAllowedIsRefusedBeforeItIsSent() async throws {
        let node = try await InProcessNode.start()
        let client = try node.client()
        let member = try self.member()
        let number = SequenceNumber(shardCreationSecond: 1, shard: ShardNumber(2), index: 41, arrivalSecond: 5)
        await self.expect(.invalidArgument) {
            _ = try await client.joinGroup(member, sessionTimeoutMillis: -1, from: .latest)
        }
        await self.expect(.invalidArgument) {
            _ = try await client.joinGroup(member, sessionTimeoutMillis: 300_001, from: .latest)
        }
        await self.expect(.invalidArgument) { _ = try await client.heartbeat(member, seen: 0, wait: .seconds(61)) }
        await self.expect(.invalidArgument) {
            try await client.checkpoint(
                member, shard: ShardNumber(3), counter: 1, .sequenceNumber(number, subSequence: nil))
        }
        let application = try self.application()
        await self.expect(.invalidArgument) {
            try await client.resetLeases(self.stream, application: application, to: .latest, reason: "")
        }
        await self.expect(.invalidArgument) {
            try await client.resetLeases(
                self.stream, application: application, to: .sequenceNumber(number), reason: "r")
        }
        #expect(node.asked.isEmpty)
        await client.close()
    }

    @Test func aLostLeaseIsToldAtOnceWithWhoHoldsIt() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.client(node, shards: 1)
        let shard = ShardNumber(0)
        let counter = try #require(try await self.join(client, shards: 1)[shard])
        let member = GroupMember(
            stream: self.stream, application: try self.application(),
            owner: LeaseOwner(worker: try WorkerID("w2"), incarnation: 5))
        _ = try await client.joinGroup(member, sessionTimeoutMillis: 300_000, from: .latest)
        let before = node.asked.count
        let error = await #expect(throws: WeirError.self) {
            try await client.checkpoint(member, shard: shard, counter: counter, .shardEnd)
        }
        #expect(error?.code == .leaseLost && error?.message.contains("'w1'") == true)
        await self.expect(.leaseLost) { try await client.handOver(member, shard: shard, counter: counter) }
        #expect(node.asked.dropFirst(before) == [.checkpoint, .handOver])
        await client.close()
    }

    // MARK: Operators

    @Test func leasesComeTogetherFromManyPages() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.client(node, shards: 8)
        let application = try self.application()
        _ = try await self.join(client, shards: 8)
        let whole = try await client.leases(self.stream, application: application)
        #expect(whole.map(\.shard) == (0..<8).map { ShardNumber($0) })
        node.script(.listLeases) { _ in .smallPages }
        #expect(try await client.leases(self.stream, application: application) == whole)
        #expect(node.count(of: .listLeases) == 1 + 3)
        await client.close()
    }

    @Test func pagesThatDoNotGoForwardEndWithAnError() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.client(node, shards: 4)
        let application = try self.application()
        _ = try await self.join(client, shards: 4)
        // Asked for what comes behind the third, the node gives the first three for ever.
        node.script(.listLeases) { _ in
            .request { payload in
                guard let list = payload.withUnsafeBytes({ try? ListLeases(payload: $0) }) else { return payload }
                return ListLeases(stream: list.stream, application: list.application, limit: 3).encode()
            }
        }
        await self.expect(.malformedRequest) {
            _ = try await client.leases(self.stream, application: application)
        }
        await client.close()
    }

    @Test func resetsAreSentAsTheyAreMeantAndNotRepeated() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.client(node, shards: 3)
        let application = try self.application()
        let shard = ShardNumber(2)
        let number = try await self.put(client, in: shard)
        _ = try await self.join(client, shards: 3)
        let before = try #require(
            try await client.leases(self.stream, application: application).first { $0.shard == shard })
        let reset = try await client.resetLeases(
            self.stream, application: application, shard: shard, to: .sequenceNumber(number), reason: "replay",
            isForced: true)
        let after = try #require(
            try await client.leases(self.stream, application: application).first { $0.shard == shard })
        let one = LeaseReset(
            shard: shard, from: before.checkpoint, to: after.checkpoint, owner: try WorkerID("w1"))
        #expect(reset == LeaseResets(leases: [one], count: 1))
        #expect(after.counter > before.counter && after.reset?.reason == "replay")
        #expect(
            node.requests() == [
                ResetLeases(
                    stream: self.stream, application: "billing", shard: shard, target: .sequenceNumber(number),
                    isForced: true, reason: "replay")
            ])
        let unknown = WeirError(.timedOut, "too long", verdict: .init(maybeStored: true, retry: .after(millis: 0)))
        node.refuse(.resetLeases, [unknown, unknown])
        await self.expect(.timedOut) {
            try await client.resetLeases(self.stream, application: application, to: .latest, reason: "r")
        }
        // A dry run changes nothing, so it may be asked again.
        try await client.resetLeases(
            self.stream, application: application, to: .latest, reason: "r", isForced: true, isDryRun: true)
        #expect(node.count(of: .resetLeases) == 4)
        await client.close()
    }

    @Test func applicationsAreListedAndDeleted() async throws {
        let node = try await InProcessNode.start()
        let client = try await self.client(node, shards: 3)
        _ = try await self.join(client, shards: 3)
        let applications = try await client.applications(self.stream)
        let one = try #require(applications.first)
        #expect(applications.count == 1 && one.name.description == "billing")
        #expect(one.workers == 1 && one.leases == 3)
        await self.expect(.resourceInUse) { try await client.deleteApplication(self.stream, one.name) }
        try await client.deleteApplication(self.stream, one.name, isForced: true)
        #expect(
            node.requests(DeleteApplication.self).last
                == DeleteApplication(stream: self.stream, application: "billing", isForced: true))
        #expect(try await client.applications(self.stream) == [])
        await client.close()
    }

    @Test func consumersAreRegisteredListedAndDeregistered() async throws {
        let node = try await InProcessNode.start(clock: ManualClock())
        let client = try await self.client(node, shards: 1)
        let name = try ConsumerName("fraud")
        let made = try await client.registerConsumer(self.stream, name)
        #expect(made == ConsumerDescription(name: name, createdAtMillis: ManualClock.start))
        #expect(try await client.consumers(self.stream) == [made])
        try await client.deregisterConsumer(self.stream, name)
        #expect(try await client.consumers(self.stream) == [])
        await self.expect(.consumerNotFound) { try await client.deregisterConsumer(self.stream, name) }
        await client.close()
    }
}
