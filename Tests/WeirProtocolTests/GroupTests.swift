// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

/// Groups, leases and registered consumers: all kinds of a value, bounds, and what is refused by name.
@Suite struct GroupTests {
    private func read<Message: WireMessage>(_ type: Message.Type, _ bytes: [UInt8]) throws(MalformedBytes) -> Message {
        try bytes.exactly { raw throws(MalformedBytes) in try Message(payload: raw) }
    }

    private func request<Request: WireRequest>(_ request: Request) throws(WeirError) -> Request {
        try request.encode().exactly { raw throws(WeirError) in try Request(request: raw) }
    }

    private func expectRefusal<Request: WireRequest>(
        _ request: Request, _ part: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = #expect(throws: WeirError.self, sourceLocation: sourceLocation) { _ = try self.request(request) }
        #expect(error?.code == .invalidArgument, sourceLocation: sourceLocation)
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "none")", sourceLocation: sourceLocation)
    }

    // MARK: Every kind

    @Test(arguments: [
        LeaseCheckpoint.atTimestamp(.min), .atTimestamp(.max), .trimHorizon, Samples.whole, Samples.middle,
        .sequenceNumber(Samples.number, subSequence: .max), .shardEnd,
    ])
    func `A checkpoint of every kind comes back as it was`(_ checkpoint: LeaseCheckpoint) throws {
        let save = SaveCheckpoint(member: Samples.member, shard: ShardNumber(1), counter: .max, checkpoint: checkpoint)
        #expect(try self.request(save) == save)
        let lease = AssignedLease(shard: ShardNumber(1), counter: 0, checkpoint: checkpoint, isToBeHandedOver: true)
        let answer = HeartbeatAnswer(Assignment(version: .max, leases: [lease]))
        #expect(try self.read(HeartbeatAnswer.self, answer.encode()) == answer)
    }

    @Test(arguments: [StreamStart.trimHorizon, .latest, .atTimestamp(.min)])
    func `An initial position of every kind comes back as it was`(_ position: StreamStart) throws {
        let join = JoinGroup(member: Samples.member, sessionTimeoutMillis: 1000, from: position)
        #expect(try self.request(join) == join)
    }

    @Test(arguments: [
        ResetTarget.trimHorizon, .latest, .atTimestamp(.max), .sequenceNumber(Samples.number),
    ])
    func `A reset of every kind comes back as it was`(_ target: ResetTarget) throws {
        let reset = ResetLeases(
            stream: Samples.stream, application: "a", shard: ShardNumber(1), target: target, isForced: true,
            reason: "r")
        #expect(try self.request(reset) == reset)
    }

    @Test func `Kinds that nobody gave out are malformed`() {
        let head = Samples.member.stream.rawValue
        let reset = little(head) + little(UInt16(1)) + [UInt8(ascii: "a"), 0]
        #expect(throws: MalformedBytes.self) { try self.read(ResetLeases.self, reset + [4, 0, 0, 1, 0, 65]) }
        #expect(throws: Never.self) { try self.read(ResetLeases.self, reset + [1, 0, 0, 1, 0, 65]) }
        let join = JoinGroup(member: Samples.member, sessionTimeoutMillis: 1000, from: .trimHorizon).encode()
        #expect(throws: MalformedBytes.self) { try self.read(JoinGroup.self, join.replacing(join.count - 1, [3])) }
        let save = SaveCheckpoint(
            member: Samples.member, shard: ShardNumber(1), counter: 1, checkpoint: .trimHorizon
        ).encode()
        #expect(throws: MalformedBytes.self) { try self.read(SaveCheckpoint.self, save.replacing(save.count - 1, [4])) }
    }

    // MARK: Assignments

    @Test func `An assignment that has not changed is told from one that is empty now`() throws {
        for leases in [nil, []] as [[AssignedLease]?] {
            let answer = HeartbeatAnswer(Assignment(version: 1, leases: leases))
            #expect(try self.read(HeartbeatAnswer.self, answer.encode()).assignment.leases == leases)
        }
        let join = JoinGroupAnswer(Assignment(version: 1, leases: nil))
        #expect(try self.read(JoinGroupAnswer.self, join.encode()).assignment.leases == [])
    }

    @Test func `An assignment that has not changed names no leases`() {
        let changed = HeartbeatAnswer(Assignment(version: 1, leases: Samples.assigned)).encode()
        #expect(throws: MalformedBytes.self) { try self.read(HeartbeatAnswer.self, changed.replacing(8, [0])) }
    }

    @Test func `The whole lease table of a node fits into one assignment and one frame, a row more does not`() throws {
        let lease = AssignedLease(
            shard: ShardNumber(.max), counter: .max, checkpoint: Samples.middle, isToBeHandedOver: true)
        let full = JoinGroupAnswer(
            Assignment(version: 1, leases: Array(repeating: lease, count: Limits.leasesMax)))
        #expect(full.encode().count <= Limits.frameBytesMax)
        #expect(try self.read(JoinGroupAnswer.self, full.encode()) == full)
        let above = full.encode().withOneMore(countAt: 8, element: (full.encode().count - 12) / Limits.leasesMax)
        #expect(throws: MalformedBytes.self) { try self.read(JoinGroupAnswer.self, above) }
    }

    // MARK: Counts

    @Test func `A count without its elements is refused, whatever it is`() {
        let beat = Heartbeat(member: Samples.member, seenVersion: 1, waitMillis: 0).encode().dropLast(4)
        for count: UInt32 in [1, 64, 20_000, 20_001, 200_001, .max] {
            let count = little(count)
            #expect(throws: MalformedBytes.self) { try self.read(Heartbeat.self, beat + count) }
            #expect(throws: MalformedBytes.self) { try self.read(JoinGroupAnswer.self, little(UInt64(1)) + count) }
            #expect(throws: MalformedBytes.self) {
                try self.read(HeartbeatAnswer.self, little(UInt64(1)) + [1] + count)
            }
            #expect(throws: MalformedBytes.self) { try self.read(ListLeasesAnswer.self, [0] + count) }
            #expect(throws: MalformedBytes.self) { try self.read(ResetLeasesAnswer.self, count) }
            #expect(throws: MalformedBytes.self) { try self.read(ListApplicationsAnswer.self, count) }
            #expect(throws: MalformedBytes.self) { try self.read(ListConsumersAnswer.self, count) }
        }
    }

    @Test func `Lists are read up to their limit and not beyond`() throws {
        func beat(_ count: Int) -> Heartbeat {
            let one = Heartbeat.Measurement(shard: ShardNumber(0), bytesPerSecond: 1)
            return Heartbeat(
                member: Samples.member, seenVersion: 0, waitMillis: 0, measured: Array(repeating: one, count: count))
        }
        #expect(try self.request(beat(20_000)) == beat(20_000))
        let longest = beat(20_000).encode()
        let tooLong = longest.withOneMore(countAt: longest.count - 20_000 * 12 - 4, element: 12)
        #expect(throws: MalformedBytes.self) { try self.read(Heartbeat.self, tooLong) }
        func applications(_ count: Int) -> ListApplicationsAnswer {
            ListApplicationsAnswer(applications: Array(repeating: Samples.applicationDescription, count: count))
        }
        #expect(try self.read(ListApplicationsAnswer.self, applications(64).encode()) == applications(64))
        let moreApplications = applications(64).encode().withOneMore(
            countAt: 0, element: applications(1).encode().count - 4)
        #expect(throws: MalformedBytes.self) { try self.read(ListApplicationsAnswer.self, moreApplications) }
        func consumers(_ count: Int) -> ListConsumersAnswer {
            ListConsumersAnswer(consumers: Array(repeating: Samples.consumer, count: count))
        }
        #expect(try self.read(ListConsumersAnswer.self, consumers(20).encode()) == consumers(20))
        let moreConsumers = consumers(20).encode().withOneMore(countAt: 0, element: consumers(1).encode().count - 4)
        #expect(throws: MalformedBytes.self) { try self.read(ListConsumersAnswer.self, moreConsumers) }
    }

    @Test func `The longest rows fit into a page and a frame`() throws {
        let worker = Samples.worker(String(repeating: "w", count: 256))
        let row = LeaseDescription(
            shard: ShardNumber(.max), owner: worker, counter: .max, checkpoint: Samples.middle,
            parents: [ShardNumber(1), ShardNumber(2)], ownerSwitchesSinceCheckpoint: .max, handingOverTo: worker,
            reset: .init(reason: String(repeating: "r", count: 256), atMillis: .max),
            lag: .init(records: .max, millis: .max))
        let page = ListLeasesAnswer(leases: Array(repeating: row, count: 10_000), hasMore: true)
        #expect(page.encode().count <= Limits.frameBytesMax)
        #expect(try self.read(ListLeasesAnswer.self, page.encode()) == page)
        let above = page.encode().withOneMore(countAt: 1, element: page.encode().count / 10_000)
        #expect(throws: MalformedBytes.self) { try self.read(ListLeasesAnswer.self, above) }
        let reset = LeaseReset(shard: ShardNumber(.max), from: Samples.middle, to: Samples.middle, owner: worker)
        let resets = ResetLeasesAnswer(leases: Array(repeating: reset, count: Wire.resetsMax))
        #expect(resets.encode().count <= Limits.frameBytesMax)
        #expect(try self.read(ResetLeasesAnswer.self, resets.encode()) == resets)
    }

    @Test func `A lease has at most two parents, and a reason of at most 256 bytes`() {
        func row(_ parents: Int) -> [UInt8] {
            let row = LeaseDescription(
                shard: ShardNumber(1), owner: nil, counter: 1, checkpoint: .trimHorizon,
                parents: (0..<parents).map { ShardNumber(UInt32($0)) }, ownerSwitchesSinceCheckpoint: 0,
                handingOverTo: nil, reset: .init(reason: "r", atMillis: 1), lag: .init(records: 0, millis: 0))
            return ListLeasesAnswer(leases: [row], hasMore: false).encode()
        }
        #expect(throws: Never.self) { try self.read(ListLeasesAnswer.self, row(2)) }
        #expect(throws: MalformedBytes.self) { try self.read(ListLeasesAnswer.self, row(3)) }
        // Behind them stand the lag, the time and the text of one byte.
        let bytes = row(0)
        let long = bytes.replacing(bytes.count - 16 - 8 - 3, little(UInt16(257)))
        #expect(throws: MalformedBytes.self) {
            try self.read(ListLeasesAnswer.self, long + [UInt8](repeating: 65, count: 256))
        }
    }

    @Test func `A name that is not allowed is malformed in an answer`() {
        let listed = ListConsumersAnswer(consumers: [Samples.consumer]).encode()
        #expect(throws: MalformedBytes.self) { try self.read(ListConsumersAnswer.self, listed.replacing(6, [32])) }
        let applications = ListApplicationsAnswer(applications: [Samples.applicationDescription]).encode()
        #expect(throws: MalformedBytes.self) {
            try self.read(ListApplicationsAnswer.self, applications.replacing(6, [UInt8(ascii: "/")]))
        }
        let reset = ResetLeasesAnswer(leases: [
            LeaseReset(shard: ShardNumber(1), from: .trimHorizon, to: .shardEnd, owner: Samples.worker("w"))
        ]).encode()
        #expect(throws: MalformedBytes.self) {
            try self.read(ResetLeasesAnswer.self, reset.replacing(reset.count - 1, [32]))
        }
    }

    // MARK: Values

    @Test func `A worker's requests are refused with its name, when that is not allowed`() {
        func member(_ application: String, _ worker: String) -> Member {
            Member(
                stream: Samples.stream, application: SentName(application), worker: SentName(worker), incarnation: 1)
        }
        for (member, part) in [
            (member("", "w"), "application name"), (member("a b", "w"), "a-z, A-Z, 0-9"),
            (member("a", ""), "worker id"),
            (member("a", "w w"), "1 to 256"), (member("a", String(repeating: "w", count: 257)), "1 to 256"),
        ] {
            self.expectRefusal(JoinGroup(member: member, sessionTimeoutMillis: 5000, from: .latest), part)
            self.expectRefusal(Heartbeat(member: member, seenVersion: 0, waitMillis: 0), part)
            self.expectRefusal(
                SaveCheckpoint(member: member, shard: ShardNumber(1), counter: 1, checkpoint: .shardEnd), part)
            self.expectRefusal(HandOver(member: member, shard: ShardNumber(1), counter: 1), part)
            self.expectRefusal(LeaveGroup(member: member), part)
        }
    }

    @Test func `Names of applications and consumers, with what is allowed`() throws {
        let stream = Samples.stream
        for name in ["", "a b", String(repeating: "a", count: 129), "é"] {
            let (application, consumer) = (SentName<ApplicationName>(name), SentName<ConsumerName>(name))
            self.expectRefusal(ListLeases(stream: stream, application: application), "application name")
            self.expectRefusal(
                ResetLeases(stream: stream, application: application, target: .latest, reason: "r"), "application name")
            self.expectRefusal(DeleteApplication(stream: stream, application: application), "application name")
            self.expectRefusal(RegisterConsumer(stream: stream, consumer: consumer), "consumer name")
            self.expectRefusal(DeregisterConsumer(stream: stream, consumer: consumer), "consumer name")
            self.expectRefusal(
                Subscribe(
                    stream: stream, shard: ShardNumber(1), start: .index(0), creditBytes: 1,
                    lease: .init(application: application, counter: 1)), "application name")
            self.expectRefusal(
                Subscribe(
                    stream: stream, shard: ShardNumber(1), start: .index(0), creditBytes: 1, consumer: consumer),
                "consumer name")
        }
        let longest = String(repeating: "a", count: 128)
        let consumer = RegisterConsumer(stream: stream, consumer: SentName(longest))
        #expect(try self.request(consumer).consumer.get().description == longest)
    }

    @Test func `A name that is not allowed keeps the form of its request, and is refused as a value`() throws {
        for text in ["", "a b", String(repeating: "a", count: 129), "é"] {
            let sent = ListLeases(stream: Samples.stream, application: SentName(text))
            let bytes = sent.encode()
            let read = try bytes.withUnsafeBytes { try ListLeases(payload: $0) }
            #expect(read == sent && read.application.text == text)
            let error = #expect(throws: WeirError.self) { try read.application.get() }
            #expect(error?.code == .invalidArgument)
        }
        let name = try ApplicationName("billing")
        #expect(SentName(name) == SentName("billing"))
        #expect(try SentName<ApplicationName>("billing").get() == name)
    }

    @Test func `Session timeouts from 1 s to 5 min, waits up to a minute, pages up to 10,000`() throws {
        for millis: UInt32 in [1000, 300_000] {
            let join = JoinGroup(member: Samples.member, sessionTimeoutMillis: millis, from: .latest)
            #expect(try self.request(join) == join)
        }
        for millis: UInt32 in [0, 999, 300_001, .max] {
            self.expectRefusal(
                JoinGroup(member: Samples.member, sessionTimeoutMillis: millis, from: .latest), "1000 to 300000")
        }
        self.expectRefusal(Heartbeat(member: Samples.member, seenVersion: 0, waitMillis: 60_001), "0 to 60000")
        let beat = Heartbeat(member: Samples.member, seenVersion: 0, waitMillis: 60_000)
        #expect(try self.request(beat) == beat)
        for limit: UInt32 in [0, 10_001] {
            self.expectRefusal(ListLeases(stream: Samples.stream, application: "a", limit: limit), "1 to 10000")
        }
    }

    @Test func `A checkpoint or a reset to the number of another shard is refused before the log is asked`() {
        self.expectRefusal(
            SaveCheckpoint(member: Samples.member, shard: ShardNumber(2), counter: 1, checkpoint: Samples.whole),
            "shardId-000000000001")
        self.expectRefusal(
            ResetLeases(
                stream: Samples.stream, application: "a", shard: ShardNumber(2),
                target: .sequenceNumber(Samples.number), reason: "r"), "shardId-000000000001")
        self.expectRefusal(
            ResetLeases(
                stream: Samples.stream, application: "a", target: .sequenceNumber(Samples.number), reason: "r"),
            "names one shard")
    }

    @Test func `A reset has a reason of 1 to 256 bytes`() throws {
        for reason in ["", String(repeating: "r", count: 257)] {
            self.expectRefusal(
                ResetLeases(stream: Samples.stream, application: "a", target: .latest, reason: reason), "1 to 256")
        }
        let longest = ResetLeases(
            stream: Samples.stream, application: "a", target: .latest, reason: String(repeating: "r", count: 256))
        #expect(try self.request(longest) == longest)
    }

    @Test func `What a request may have changed is told when the connection is lost`() {
        let changing: Set<FrameType> = [
            .joinGroup, .checkpoint, .handOver, .leaveGroup, .resetLeases, .deleteApplication, .registerConsumer,
            .deregisterConsumer, .saveLeaseState,
        ]
        for type in FrameType.allCases where (0x0050...0x0062).contains(type.rawValue) {
            #expect(type.changesSomething == changing.contains(type), "\(type)")
        }
    }
}
