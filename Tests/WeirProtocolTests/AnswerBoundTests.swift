// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirProtocol

/// Whatever a server has to say, its client can read it: no list is longer than its reader allows, and no frame longer
/// than a frame may be.
@Suite struct AnswerBoundTests {
    private static let worker = Samples.worker(String(repeating: "w", count: Limits.workerCharacters.upperBound))
    private static let name = String(repeating: "n", count: Limits.nameCharacters.upperBound)
    private static let shards = [ShardNumber(.max), ShardNumber(.max)]

    private static let shard = ShardDescription(
        number: ShardNumber(.max), range: .all, parents: Self.shards, creationSecond: .max, firstIndex: .max,
        createdAtMillis: .max, closed: .init(endIndex: .max, atMillis: .max, children: Self.shards))
    private static let assigned = AssignedLease(
        shard: ShardNumber(.max), counter: .max, checkpoint: Samples.middle, isToBeHandedOver: true)
    private static let reset = LeaseReset(
        shard: ShardNumber(.max), from: Samples.middle, to: Samples.middle, owner: Self.worker)
    private static let lease = LeaseDescription(
        shard: ShardNumber(.max), owner: Self.worker, counter: .max, checkpoint: Samples.middle, parents: Self.shards,
        ownerSwitchesSinceCheckpoint: .max, handingOverTo: Self.worker,
        reset: .init(reason: String(repeating: "r", count: Limits.reasonBytesMax), atMillis: .max),
        lag: .init(records: .max, millis: .max))

    /// As long as the list is, and beyond what may stand in it.
    private func many<Element: WireElement>(_ element: Element, _ more: Int) -> [Element] {
        Array(repeating: element, count: Element.listMax + more)
    }

    private func check<Message: WireMessage>(
        _ message: Message, _ listed: Int, count: (Message) -> Int, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let bytes = message.encode()
        #expect(bytes.count <= Limits.frameBytesMax, "\(Message.self)", sourceLocation: sourceLocation)
        let read = try bytes.exactly { raw throws(MalformedBytes) in try Message(payload: raw) }
        #expect(count(read) == listed, "\(Message.self)", sourceLocation: sourceLocation)
    }

    /// The longest elements there can be.
    @Test(arguments: [0, 1, 1000]) func `Every list that is too long is read up to its bound`(_ more: Int) throws {
        let stream = StreamDescription(
            id: StreamID(.max), name: try StreamName(Self.name),
            settings: StreamSettings(retentionMillis: .max, maxBytes: .max, limits: .kinesis, recordBytesMax: .max),
            createdAtMillis: .max, openShards: .max, mapVersion: .max, horizonMillis: .max)
        let application = ApplicationDescription(
            name: try ApplicationName(Self.name), createdAtMillis: .max, workers: .max, leases: .max,
            lag: .init(records: .max, millis: .max))
        let consumer = ConsumerDescription(name: try ConsumerName(Self.name), createdAtMillis: .max)
        try self.check(ListStreamsAnswer(streams: self.many(stream, more), hasMore: true), Wire.pageMax) {
            $0.streams.count
        }
        try self.check(
            ListShardsAnswer(mapVersion: .max, shards: self.many(Self.shard, more), hasMore: true), Wire.pageMax
        ) { $0.shards.count }
        try self.check(ListLeasesAnswer(leases: self.many(Self.lease, more), hasMore: true), Wire.pageMax) {
            $0.leases.count
        }
        try self.check(
            ListApplicationsAnswer(applications: self.many(application, more)), Limits.applicationsPerStream
        ) { $0.applications.count }
        try self.check(ListConsumersAnswer(consumers: self.many(consumer, more)), Limits.consumersPerStream) {
            $0.consumers.count
        }
        try self.check(
            ListDeliveriesAnswer(after: nil, deliveries: self.many(Samples.delivery, more)), Limits.deliveriesPerAnswer
        ) { $0.deliveries.count }
        let shards = self.many(ShardNumber(.max), more)
        try self.check(ReshardAnswer(mapVersion: .max, closed: shards, opened: shards), 2 * Limits.openShardsMax) {
            $0.closed.count + $0.opened.count
        }
        let assignment = Assignment(version: .max, leases: self.many(Self.assigned, more))
        try self.check(JoinGroupAnswer(assignment), Limits.leasesMax) { $0.assignment.leases?.count ?? 0 }
        try self.check(HeartbeatAnswer(assignment), Limits.leasesMax) { $0.assignment.leases?.count ?? 0 }
        let measured = self.many(Heartbeat.Measurement(shard: ShardNumber(.max), bytesPerSecond: .max), more)
        let heartbeat = Heartbeat(member: Samples.member, seenVersion: 0, waitMillis: 0, measured: measured)
        #expect(heartbeat.encode().count <= FrameType.heartbeatBytesMax)
        try self.check(heartbeat, Limits.openShardsMax) { $0.measured.count }
    }

    /// Around what the answer can name, and as many as a node keeps.
    @Test(arguments: [0, 1, 39_999, 40_000, 40_001, 107_660, Limits.leasesMax])
    func `The answer to a reset of any size is read`(_ count: Int) throws {
        let all = Array(repeating: Self.reset, count: count)
        for features: UInt64 in [0, 1, .max] {
            let answer = ResetLeasesAnswer(all: all, features: features)
            try self.check(answer, min(count, 40_000)) { $0.leases.count }
            let bytes = answer.encode()
            let read = try bytes.exactly { raw throws(MalformedBytes) in try ResetLeasesAnswer(payload: raw) }
            #expect(read.count == (features == 0 ? nil : count))
        }
    }

    @Test func `A reset of fewer leases than it names is malformed`() {
        let bytes = ResetLeasesAnswer(leases: [Self.reset, Self.reset], count: 2).encode()
        #expect(throws: Never.self) { try ResetLeasesAnswer(payload: bytes) }
        #expect(throws: MalformedBytes.self) {
            try ResetLeasesAnswer(payload: bytes.replacing(bytes.count - 4, little(UInt32(1))))
        }
    }
}

extension ResetLeasesAnswer {
    fileprivate init(payload bytes: [UInt8]) throws(MalformedBytes) {
        self = try bytes.exactly { raw throws(MalformedBytes) in try Self(payload: raw) }
    }
}
