// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirModel
import WeirProtocol
import WeirTestKit

@testable import WeirClient

/// What a worker asks, and what an operator asks about workers.
@Suite(.timeLimit(.minutes(2))) struct GroupTests {
    private let stream = StreamID(1)
    private let number = SequenceNumber(
        shardCreationSecond: 1, shard: ShardNumber(2), index: 41, arrivalSecond: 5)

    private func application(_ name: String = "billing") throws -> ApplicationName { try ApplicationName(name) }

    private func member() throws -> GroupMember {
        GroupMember(
            stream: self.stream, application: try self.application(),
            owner: LeaseOwner(worker: try WorkerID("w1"), incarnation: 77))
    }

    private func groups(_ node: FakeNode) -> FakeGroups { node.state.withLock { $0.groups } }

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
        let node = FakeNode()
        let client = try node.client()
        let member = try self.member()
        _ = try await client.joinGroup(member, sessionTimeoutMillis: 5000, from: .atTimestamp(9))
        _ = try await client.heartbeat(
            member, seen: 1, wait: .milliseconds(1500), measured: [(shard: ShardNumber(2), bytesPerSecond: 10)])
        try await client.checkpoint(
            member, shard: ShardNumber(2), counter: 3, .sequenceNumber(self.number, subSequence: 4))
        try await client.handOver(member, shard: ShardNumber(2), counter: 3)
        try await client.leaveGroup(member)
        let named = Member(stream: self.stream, application: "billing", worker: "w1", incarnation: 77)
        let groups = self.groups(node)
        #expect(groups.joins == [JoinGroup(member: named, sessionTimeoutMillis: 5000, from: .atTimestamp(9))])
        #expect(
            groups.heartbeats == [
                Heartbeat(
                    member: named, seenVersion: 1, waitMillis: 1500,
                    measured: [.init(shard: ShardNumber(2), bytesPerSecond: 10)])
            ])
        #expect(
            groups.checkpoints == [
                SaveCheckpoint(
                    member: named, shard: ShardNumber(2), counter: 3,
                    checkpoint: .sequenceNumber(self.number, subSequence: 4))
            ])
        #expect(groups.handOvers == [HandOver(member: named, shard: ShardNumber(2), counter: 3)])
        #expect(groups.leaves == [LeaveGroup(member: named)])
        await client.close()
    }

    @Test func anAssignmentComesWithLeasesOnlyWhenItIsAnother() async throws {
        let node = FakeNode()
        let client = try node.client()
        let member = try self.member()
        let leases = [
            AssignedLease(shard: ShardNumber(0), counter: 3, checkpoint: .trimHorizon, isToBeHandedOver: true)
        ]
        #expect(try await client.joinGroup(member, sessionTimeoutMillis: 5000, from: .latest).leases == [])
        node.state.withLock { $0.groups.assignment = Assignment(version: 2, leases: leases) }
        let changed = try await client.heartbeat(member, seen: 1, wait: .zero)
        #expect(changed == Assignment(version: 2, leases: leases))
        let unchanged = try await client.heartbeat(member, seen: 2, wait: .zero)
        #expect(unchanged == Assignment(version: 2, leases: nil))
        await client.close()
    }

    @Test func joiningWaitsWhileTheIdIsAliveElsewhere() async throws {
        let node = FakeNode()
        let client = try node.client()
        let alive = WeirError(.resourceInUse, "w1 is alive", verdict: .init(maybeStored: false, retry: .after(millis: 1)))
        node.state.withLock { $0.groups.refusals[.joinGroup] = [alive, alive] }
        _ = try await client.joinGroup(try self.member(), sessionTimeoutMillis: 5000, from: .latest)
        #expect(self.groups(node).asked == [.joinGroup, .joinGroup, .joinGroup])
        await client.close()
    }

    @Test func aHeartbeatIsNotRepeatedWhateverTheServerSays() async throws {
        let node = FakeNode()
        let client = try node.client()
        let busy = WeirError(.unavailable, "not now", verdict: .init(maybeStored: false, retry: .after(millis: 0)))
        node.state.withLock { $0.groups.refusals[.heartbeat] = [busy] }
        await self.expect(.unavailable) {
            _ = try await client.heartbeat(try self.member(), seen: 0, wait: .seconds(1))
        }
        #expect(self.groups(node).asked == [.heartbeat])
        await client.close()
    }

    @Test func aHeartbeatThatIsNotAnsweredTimesOutBehindItsWait() async throws {
        let node = FakeNode()
        node.state.withLock { $0.groups.answersHeartbeats = false }
        let clock = ManualClock()
        // Hello is asked for before the clock moves.
        let client = try node.client(clock: clock)
        _ = try await client.ping()
        let start = clock.monotonicNanos
        let end = Mutex<UInt64>(0)
        let member = try self.member()
        let beat = Task {
            defer { end.withLock { $0 = clock.monotonicNanos } }
            return try await client.heartbeat(member, seen: 0, wait: .seconds(2), timeout: .seconds(1))
        }
        await eventually { !self.groups(node).heartbeats.isEmpty }
        await clock.advance(stepMillis: 100) { end.withLock { $0 } > 0 }
        await self.expect(.timedOut) { _ = try await beat.value }
        #expect(end.withLock { $0 } - start >= 3_000_000_000)
        #expect(self.groups(node).asked == [.heartbeat])
        await client.close()
    }

    @Test func whatIsNotAllowedIsRefusedBeforeItIsSent() async throws {
        let node = FakeNode()
        let client = try node.client()
        let member = try self.member()
        await self.expect(.invalidArgument) {
            _ = try await client.joinGroup(member, sessionTimeoutMillis: -1, from: .latest)
        }
        await self.expect(.invalidArgument) {
            _ = try await client.joinGroup(member, sessionTimeoutMillis: 300_001, from: .latest)
        }
        await self.expect(.invalidArgument) { _ = try await client.heartbeat(member, seen: 0, wait: .seconds(61)) }
        await self.expect(.invalidArgument) {
            try await client.checkpoint(
                member, shard: ShardNumber(3), counter: 1, .sequenceNumber(self.number, subSequence: nil))
        }
        let application = try self.application()
        await self.expect(.invalidArgument) {
            try await client.resetLeases(self.stream, application: application, to: .latest, reason: "")
        }
        await self.expect(.invalidArgument) {
            try await client.resetLeases(
                self.stream, application: application, to: .sequenceNumber(self.number), reason: "r")
        }
        #expect(self.groups(node).asked.isEmpty)
        await client.close()
    }

    @Test func aLostLeaseIsToldAtOnceWithWhoHoldsIt() async throws {
        let node = FakeNode()
        let client = try node.client()
        let member = try self.member()
        let lost = FakeConnection.leaseLost(4)
        node.state.withLock { state in
            state.groups.refusals = [.checkpoint: [lost], .handOver: [lost]]
        }
        let error = await #expect(throws: WeirError.self) {
            try await client.checkpoint(member, shard: ShardNumber(2), counter: 3, .shardEnd)
        }
        #expect(error == lost)
        await self.expect(.leaseLost) { try await client.handOver(member, shard: ShardNumber(2), counter: 3) }
        #expect(self.groups(node).asked == [.checkpoint, .handOver])
        await client.close()
    }

    // MARK: Operators

    @Test func leasesComeTogetherFromManyPages() async throws {
        let node = FakeNode()
        let client = try node.client()
        let application = try self.application()
        #expect(try await client.leases(self.stream, application: application) == [])
        let rows = (0..<8).map { self.row(UInt32($0 * 2)) }
        node.state.withLock { $0.groups.rows = rows }
        #expect(try await client.leases(self.stream, application: application) == rows)
        await client.close()
    }

    @Test func pagesThatDoNotGoForwardEndWithAnError() async throws {
        let node = FakeNode()
        let client = try node.client()
        // Asked for what comes behind 2, the node gives 3 and 2 for ever.
        node.state.withLock { $0.groups.rows = [1, 3, 2, 3, 2, 3, 2].map { self.row($0) } }
        let application = try self.application()
        await self.expect(.malformedRequest) {
            _ = try await client.leases(self.stream, application: application)
        }
        await client.close()
    }

    @Test func resetsAreSentAsTheyAreMeantAndNotRepeated() async throws {
        let node = FakeNode()
        let client = try node.client()
        let application = try self.application()
        node.state.withLock { $0.groups.rows = [self.row(2)] }
        let reset = try await client.resetLeases(
            self.stream, application: application, shard: ShardNumber(2), to: .sequenceNumber(self.number),
            reason: "replay", isForced: true)
        let one = LeaseReset(shard: ShardNumber(2), from: .shardEnd, to: .trimHorizon, owner: nil)
        #expect(reset == LeaseResets(leases: [one], count: 1))
        #expect(
            self.groups(node).resets == [
                ResetLeases(
                    stream: self.stream, application: "billing", shard: ShardNumber(2),
                    target: .sequenceNumber(self.number), isForced: true, reason: "replay")
            ])
        let unknown = WeirError(.timedOut, "too long", verdict: .init(maybeStored: true, retry: .after(millis: 0)))
        node.state.withLock { $0.groups.refusals[.resetLeases] = [unknown, unknown] }
        await self.expect(.timedOut) {
            try await client.resetLeases(self.stream, application: application, to: .latest, reason: "r")
        }
        // A dry run changes nothing, so it may be asked again.
        try await client.resetLeases(self.stream, application: application, to: .latest, reason: "r", isDryRun: true)
        #expect(self.groups(node).asked.filter { $0 == .resetLeases }.count == 4)
        await client.close()
    }

    @Test func applicationsAreListedAndDeleted() async throws {
        let node = FakeNode()
        let client = try node.client()
        let one = ApplicationDescription(
            name: try self.application(), createdAtMillis: 1, workers: 2, leases: 3, lag: .init(records: 4, millis: 5))
        node.state.withLock { $0.groups.applications = [one] }
        #expect(try await client.applications(self.stream) == [one])
        try await client.deleteApplication(self.stream, one.name, isForced: true)
        #expect(
            self.groups(node).deletions == [
                DeleteApplication(stream: self.stream, application: "billing", isForced: true)
            ])
        await client.close()
    }

    @Test func consumersAreRegisteredListedAndDeregistered() async throws {
        let node = FakeNode()
        let client = try node.client()
        let name = try ConsumerName("fraud")
        let made = try await client.registerConsumer(self.stream, name)
        #expect(made == ConsumerDescription(name: name, createdAtMillis: 7000))
        #expect(try await client.consumers(self.stream) == [made])
        try await client.deregisterConsumer(self.stream, name)
        #expect(try await client.consumers(self.stream) == [])
        await self.expect(.consumerNotFound) { try await client.deregisterConsumer(self.stream, name) }
        await client.close()
    }
}
