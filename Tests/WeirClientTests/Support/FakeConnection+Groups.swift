// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

@testable import WeirClient

/// What a `FakeNode` knows of applications and consumers, and what it was asked.
struct FakeGroups: Sendable {
    /// What the next calls of this kind are refused with, one each.
    var refusals: [FrameType: [WeirError]] = [:]
    /// The frame types that were asked, refused ones included.
    var asked: [FrameType] = []
    var assignment = Assignment(version: 1, leases: [])
    var joins: [JoinGroup] = []
    var heartbeats: [Heartbeat] = []
    /// False: heartbeats are not answered.
    var answersHeartbeats = true
    var checkpoints: [SaveCheckpoint] = []
    var handOvers: [HandOver] = []
    var leaves: [LeaveGroup] = []
    var rows: [LeaseDescription] = []
    var resets: [ResetLeases] = []
    var applications: [ApplicationDescription] = []
    var deletions: [DeleteApplication] = []
    var consumers: [ConsumerDescription] = []
    /// What Subscribe and GetRecords must show; `nil`: nobody is fenced.
    var counter: UInt64?
    var subscribes: [Subscribe] = []
    /// Those that name a place.
    var reads: [GetRecords] = []
}

extension FakeConnection {
    private func asked(
        _ type: FrameType, _ note: (inout FakeGroups) throws(WeirError) -> Void
    ) throws(WeirError) -> FakeGroups {
        try self.node.state.withLock { state throws(WeirError) in
            state.groups.asked.append(type)
            if var refusals = state.groups.refusals[type], !refusals.isEmpty {
                let refusal = refusals.removeFirst()
                state.groups.refusals[type] = refusals
                throw refusal
            }
            try note(&state.groups)
            return state.groups
        }
    }

    func handleGroups(
        _ type: FrameType?, _ payload: UnsafeRawBufferPointer, _ correlation: UInt64
    ) throws(WeirError) {
        switch type {
        case .joinGroup:
            let request = try JoinGroup(request: payload)
            let groups = try self.asked(.joinGroup) { $0.joins.append(request) }
            self.send(JoinGroup.answerFrame(JoinGroupAnswer(groups.assignment), correlation: correlation))
        case .heartbeat:
            let request = try Heartbeat(request: payload)
            let groups = try self.asked(.heartbeat) { $0.heartbeats.append(request) }
            guard groups.answersHeartbeats else { return }
            let isNew = request.seenVersion != groups.assignment.version
            let answer = isNew ? groups.assignment : Assignment(version: request.seenVersion, leases: nil)
            self.send(Heartbeat.answerFrame(HeartbeatAnswer(answer), correlation: correlation))
        case .checkpoint:
            let request = try SaveCheckpoint(request: payload)
            _ = try self.asked(.checkpoint) { $0.checkpoints.append(request) }
            self.send(SaveCheckpoint.answerFrame(Empty(), correlation: correlation))
        case .handOver:
            let request = try HandOver(request: payload)
            _ = try self.asked(.handOver) { $0.handOvers.append(request) }
            self.send(HandOver.answerFrame(Empty(), correlation: correlation))
        case .leaveGroup:
            let request = try LeaveGroup(request: payload)
            _ = try self.asked(.leaveGroup) { $0.leaves.append(request) }
            self.send(LeaveGroup.answerFrame(Empty(), correlation: correlation))
        default: try self.handleOperators(type, payload, correlation)
        }
    }

    private func handleOperators(
        _ type: FrameType?, _ payload: UnsafeRawBufferPointer, _ correlation: UInt64
    ) throws(WeirError) {
        switch type {
        case .listLeases:
            let request = try ListLeases(request: payload)
            let rows = try self.asked(.listLeases) { _ in }.rows.filter { row in
                request.after.map { row.shard > $0 } ?? true
            }
            // Pages of three, so that putting them together is tried.
            let answer = ListLeasesAnswer(leases: Array(rows.prefix(3)), hasMore: rows.count > 3)
            self.send(ListLeases.answerFrame(answer, correlation: correlation))
        case .resetLeases:
            let request = try ResetLeases(request: payload)
            let rows = try self.asked(.resetLeases) { $0.resets.append(request) }.rows
            let resets = rows.map {
                LeaseReset(shard: $0.shard, from: $0.checkpoint, to: .trimHorizon, owner: $0.owner)
            }
            self.send(ResetLeases.answerFrame(ResetLeasesAnswer(leases: resets), correlation: correlation))
        case .listApplications:
            _ = try ListApplications(request: payload)
            let applications = try self.asked(.listApplications) { _ in }.applications
            let answer = ListApplicationsAnswer(applications: applications)
            self.send(ListApplications.answerFrame(answer, correlation: correlation))
        case .deleteApplication:
            let request = try DeleteApplication(request: payload)
            _ = try self.asked(.deleteApplication) { $0.deletions.append(request) }
            self.send(DeleteApplication.answerFrame(Empty(), correlation: correlation))
        default: try self.handleConsumers(type, payload, correlation)
        }
    }

    private func handleConsumers(
        _ type: FrameType?, _ payload: UnsafeRawBufferPointer, _ correlation: UInt64
    ) throws(WeirError) {
        switch type {
        case .registerConsumer:
            let name = try RegisterConsumer(request: payload).consumerName()
            _ = try self.asked(.registerConsumer) {
                $0.consumers.append(ConsumerDescription(name: name, createdAtMillis: 7000))
            }
            self.send(
                RegisterConsumer.answerFrame(RegisterConsumerAnswer(createdAtMillis: 7000), correlation: correlation))
        case .deregisterConsumer:
            let name = try DeregisterConsumer(request: payload).consumerName()
            _ = try self.asked(.deregisterConsumer) { groups throws(WeirError) in
                guard let position = groups.consumers.firstIndex(where: { $0.name == name }) else {
                    throw WeirError(.consumerNotFound, "no such consumer")
                }
                groups.consumers.remove(at: position)
            }
            self.send(DeregisterConsumer.answerFrame(Empty(), correlation: correlation))
        case .listConsumers:
            _ = try ListConsumers(request: payload)
            let answer = ListConsumersAnswer(consumers: try self.asked(.listConsumers) { _ in }.consumers)
            self.send(ListConsumers.answerFrame(answer, correlation: correlation))
        default:
            throw WeirError(.malformedRequest, "the fake node does not know \(type.map { "\($0)" } ?? "this type")")
        }
    }

    // MARK: Fencing

    /// Notes a Subscribe, and refuses one that shows another counter than the lease has.
    func checkLease(_ request: Subscribe) throws(WeirError) {
        _ = try self.asked(.subscribe) { groups throws(WeirError) in
            groups.subscribes.append(request)
            guard let counter = groups.counter, request.lease?.counter != counter else { return }
            throw Self.leaseLost(counter)
        }
    }

    func checkLease(_ request: GetRecords) throws(WeirError) {
        _ = try self.asked(.getRecords) { groups throws(WeirError) in
            groups.reads.append(request)
            guard let counter = groups.counter, request.lease?.counter != counter else { return }
            throw Self.leaseLost(counter)
        }
    }

    static func leaseLost(_ counter: UInt64) -> WeirError {
        WeirError(.leaseLost, "the lease is held by worker 'other', with counter \(counter)")
    }

    /// Ends the subscriptions: their lease went to somebody else.
    func endSubscriptions(_ error: WeirError) {
        let ids = self.state.withLock { state in
            defer { state.subscriptions = [] }
            return state.subscriptions.map(\.id)
        }
        for id in ids { self.send(SubscriptionEnded(subscription: id, error: error).frame()) }
    }
}

extension FakeNode {
    /// The lease that is read under goes to somebody else.
    func loseLease(newCounter: UInt64) {
        let connections = self.state.withLock { state in
            state.groups.counter = newCounter
            return state.connections
        }
        for connection in connections { connection.endSubscriptions(FakeConnection.leaseLost(newCounter)) }
    }
}
