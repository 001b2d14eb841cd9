// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

extension Samples {
    static let application: SentName<ApplicationName> = "billing"
    static let member = Member(
        stream: Self.stream, application: Self.application, worker: "host-a:1", incarnation: 0x0a0b_0c0d_0e0f_1011)
    static let number = SequenceNumber(
        shardCreationSecond: 1_700_000_000, shard: ShardNumber(1), index: 999, arrivalSecond: 1_700_000_005)
    static let middle = LeaseCheckpoint.sequenceNumber(Self.number, subSequence: 2)
    static let whole = LeaseCheckpoint.sequenceNumber(Self.number, subSequence: nil)

    static func worker(_ text: String) -> WorkerID {
        guard let worker = try? WorkerID(text) else { preconditionFailure("not a worker id: \(text)") }
        return worker
    }

    static let assigned = [
        AssignedLease(shard: ShardNumber(1), counter: 3, checkpoint: Self.middle, isToBeHandedOver: false),
        AssignedLease(shard: ShardNumber(4), counter: 1, checkpoint: .trimHorizon, isToBeHandedOver: true),
    ]

    /// Everything set, and nothing.
    static let leases = [
        LeaseDescription(
            shard: ShardNumber(4), owner: Self.worker("host-a:1"), counter: 3, checkpoint: .shardEnd,
            parents: [ShardNumber(1), ShardNumber(2)], ownerSwitchesSinceCheckpoint: 5,
            handingOverTo: Self.worker("host-b:2"), reset: .init(reason: "replay", atMillis: Self.time),
            lag: .init(records: 12, millis: 1500)),
        LeaseDescription(
            shard: ShardNumber(5), owner: nil, counter: 0, checkpoint: .atTimestamp(Self.time), parents: [],
            ownerSwitchesSinceCheckpoint: 0, handingOverTo: nil, reset: nil, lag: .init(records: 0, millis: 0)),
    ]

    static var groups: [Sample] { Self.workers + Self.operators + Self.consumers }

    private static var workers: [Sample] {
        [
            Sample(
                "join-group", JoinGroup(member: Self.member, sessionTimeoutMillis: 5000, from: .latest),
                correlation: 29),
            Sample(
                "join-group-timestamp",
                JoinGroup(member: Self.member, sessionTimeoutMillis: 300_000, from: .atTimestamp(Self.time)),
                correlation: 30),
            Sample(
                "join-group-answer", JoinGroupAnswer(Assignment(version: 11, leases: Self.assigned)), .joinGroupAnswer,
                correlation: 29),
            Sample(
                "heartbeat",
                Heartbeat(
                    member: Self.member, seenVersion: 11, waitMillis: 1666,
                    measured: [.init(shard: ShardNumber(1), bytesPerSecond: 1_048_576)]), correlation: 31),
            Sample(
                "heartbeat-answer", HeartbeatAnswer(Assignment(version: 12, leases: [Self.assigned[0]])),
                .heartbeatAnswer, correlation: 31),
            Sample(
                "heartbeat-answer-unchanged", HeartbeatAnswer(Assignment(version: 11, leases: nil)), .heartbeatAnswer,
                correlation: 31),
            Sample(
                "checkpoint",
                SaveCheckpoint(member: Self.member, shard: ShardNumber(1), counter: 3, checkpoint: Self.middle),
                correlation: 32),
            Sample("checkpoint-answer", Empty(), .checkpointAnswer, correlation: 32),
            Sample(
                "checkpoint-shard-end",
                SaveCheckpoint(member: Self.member, shard: ShardNumber(1), counter: 3, checkpoint: .shardEnd),
                correlation: 33),
            Sample(
                "save-lease-state",
                SaveLeaseState(
                    member: Self.member, shard: ShardNumber(1), counter: 3, replaces: 0x0102_0304, state: [1, 2, 254]),
                correlation: 60),
            Sample(
                "lease-state", ReadLeaseState(member: Self.member, shard: ShardNumber(1), counter: 3),
                correlation: 61),
            Sample("lease-state-answer", LeaseStateAnswer(state: [1, 2, 254]), .leaseStateAnswer, correlation: 61),
            Sample(
                "hand-over", HandOver(member: Self.member, shard: ShardNumber(4), counter: 1), correlation: 34),
            Sample("leave-group", LeaveGroup(member: Self.member), correlation: 35),
        ]
    }

    private static var operators: [Sample] {
        [
            Sample(
                "list-leases",
                ListLeases(
                    stream: Self.stream, application: Self.application, after: ShardNumber(1), limit: 1000),
                correlation: 36),
            Sample(
                "list-leases-answer", ListLeasesAnswer(leases: Self.leases, hasMore: true), .listLeasesAnswer,
                correlation: 36),
            Sample(
                "reset-leases",
                ResetLeases(
                    stream: Self.stream, application: Self.application, target: .atTimestamp(Self.time),
                    isDryRun: true, reason: "replay"), correlation: 37),
            Sample(
                "reset-leases-shard",
                ResetLeases(
                    stream: Self.stream, application: Self.application, shard: ShardNumber(1),
                    target: .sequenceNumber(Self.number), isForced: true, reason: "skip"), correlation: 38),
            Sample(
                "reset-leases-answer",
                ResetLeasesAnswer(leases: [
                    LeaseReset(
                        shard: ShardNumber(1), from: Self.whole, to: .atTimestamp(Self.time),
                        owner: Self.worker("host-a:1")),
                    LeaseReset(
                        shard: ShardNumber(4), from: .trimHorizon, to: .atTimestamp(Self.time), owner: nil),
                ]), .resetLeasesAnswer, correlation: 37),
            Sample(
                "reset-leases-answer-count",
                ResetLeasesAnswer(
                    leases: [
                        LeaseReset(
                            shard: ShardNumber(4), from: .trimHorizon, to: .atTimestamp(Self.time), owner: nil)
                    ], count: 60_001), .resetLeasesAnswer, correlation: 37),
            Sample("list-applications", ListApplications(stream: Self.stream), correlation: 39),
            Sample(
                "list-applications-answer",
                ListApplicationsAnswer(applications: [Self.applicationDescription]), .listApplicationsAnswer,
                correlation: 39),
            Sample(
                "delete-application",
                DeleteApplication(stream: Self.stream, application: Self.application, isForced: true),
                correlation: 40),
        ]
    }

    private static var consumers: [Sample] {
        [
            Sample(
                "register-consumer", RegisterConsumer(stream: Self.stream, consumer: "fraud"), correlation: 41),
            Sample(
                "register-consumer-answer", RegisterConsumerAnswer(createdAtMillis: Self.time),
                .registerConsumerAnswer, correlation: 41),
            Sample(
                "deregister-consumer", DeregisterConsumer(stream: Self.stream, consumer: "fraud"), correlation: 42),
            Sample("list-consumers", ListConsumers(stream: Self.stream), correlation: 43),
            Sample(
                "list-consumers-answer", ListConsumersAnswer(consumers: [Self.consumer]), .listConsumersAnswer,
                correlation: 43),
            Sample(
                "subscribe-lease",
                Subscribe(
                    stream: Self.stream, shard: ShardNumber(1), start: .iterator(.afterSequenceNumber(Self.number)),
                    creditBytes: 1_048_576, lease: .init(application: Self.application, counter: 3),
                    consumer: "fraud"), correlation: 44),
        ]
    }

    static let applicationDescription: ApplicationDescription = {
        guard let name = try? Self.application.get() else { preconditionFailure("not a name") }
        return ApplicationDescription(
            name: name, createdAtMillis: Self.time, workers: 2, leases: 6, lag: .init(records: 12, millis: 1500))
    }()

    static let consumer: ConsumerDescription = {
        guard let name = try? ConsumerName("fraud") else { preconditionFailure("not a name") }
        return ConsumerDescription(name: name, createdAtMillis: Self.time)
    }()
}
