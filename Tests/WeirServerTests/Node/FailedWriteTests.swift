// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import Testing
import WeirIO
import WeirLog
import WeirModel
import WeirProtocol
import WeirStorage
import WeirTestKit

@testable import WeirEngine
@testable import WeirServer

/// What clients are told when a write of the log fails while they wait.
@Suite struct FailedWriteTests {
    /// Requests that were sent and not answered yet.
    private struct Asked {
        let client: RawClient
        let correlation: UInt64
        let what: String
    }

    private func send<R: WireRequest>(_ client: RawClient, _ request: R, _ what: String) throws -> Asked {
        let correlation = client.nextCorrelation()
        try client.send(request.frame(correlation: correlation))
        return Asked(client: client, correlation: correlation, what: what)
    }

    /// The node has seen everything that was sent on the connection.
    private func isSeen(_ client: RawClient) throws { #expect(try client.ask(Ping()).type == .pingAnswer) }

    /// Asks again while the node recovers.
    private func call<R: WireRequest, A: WireMessage>(
        _ client: RawClient, _ request: R, _ answer: A.Type = A.self
    ) throws -> A {
        while true {
            do {
                return try client.call(request, answer)
            } catch let error as WeirError where error.code == .unavailable {}
        }
    }

    private func exists(_ client: RawClient, _ stream: StreamID) throws -> Bool {
        do {
            let found = try self.call(client, DescribeStream(stream: .id(stream)), StreamAnswer.self)
            return found.stream.id == stream
        } catch let error as WeirError where error.code == .streamDeleted {
            return false
        }
    }

    @Test(arguments: FaultyDisk.Fault.allCases)
    func `Everybody who waits is answered within one recovery, without anybody's put`(
        fault: FaultyDisk.Fault
    ) async throws {
        try await TestNode.runOnFaultyDisk { node, disk in
            let (owner, going) = try node.stream("going")
            let (other, staying) = try node.stream("staying", shards: 2)
            let worker = try TestWorker(node, staying, "a")
            disk.hold()
            // This is what is lost; all that follow saw the state with it.
            let deletion = try self.send(owner, DeleteStream(stream: going), "delete")
            disk.waitUntilHeld()
            var asked = [
                try self.send(other, DescribeStream(stream: .id(staying)), "describe"),
                try self.send(other, DescribeStream(stream: .id(going)), "describe of what goes"),
                try self.send(other, DescribeStream(stream: .name("nobody")), "refusal"),
                try self.send(other, ListStreams(), "list"),
                try self.send(other, ListShards(stream: staying), "list of shards"),
                try self.send(other, ListLeases(stream: staying, application: "billing"), "list of leases"),
                try self.send(other, ListLeases(stream: staying, application: "nobody"), "refusal of leases"),
                try self.send(other, ListApplications(stream: staying), "list of applications"),
                try self.send(
                    other, GetShardIterator(stream: staying, shard: ShardNumber(0), start: .latest), "iterator"),
                try self.send(other, Status(), "status"),
                try self.send(worker.client, worker.heartbeat(waiting: 0), "heartbeat"),
                try self.send(worker.client, worker.checkpoint(0, .shardEnd), "checkpoint"),
            ]
            let put = other.nextCorrelation()
            try other.send(RawClient.putFrame(staying, [(nil, [TestRecord("a")])], correlation: put))
            asked.append(Asked(client: other, correlation: put, what: "put"))
            for client in [other, worker.client] { try self.isSeen(client) }
            disk.letGo(fault)
            let told = try deletion.client.answer(to: deletion.correlation)
            #expect(told.error?.code == .unavailable && told.error?.verdict.maybeStored == true)
            for request in asked {
                let answer = try request.client.answer(to: request.correlation)
                // Of what was computed from a state that is lost nobody is told.
                #expect(
                    answer.error?.verdict.maybeStored == true, "\(request.what): \(String(describing: answer.type))")
            }
            // The next answers do not wait for a commit of somebody.
            let commits = node.node.core.storage.status().counters.batches
            #expect(try self.exists(owner, going) == (fault == .lost))
            #expect(
                try self.call(other, ListStreams(), ListStreamsAnswer.self).streams.count == (fault == .lost ? 2 : 1))
            _ = try self.call(other, ListLeases(stream: staying, application: "billing"), ListLeasesAnswer.self)
            #expect(try other.refusal(DescribeStream(stream: .name("nobody"))).code == .streamNotFound)
            #expect(try worker.client.ask(worker.heartbeat(waiting: 0)).type == .heartbeatAnswer)
            #expect(node.node.core.storage.status().counters.batches == commits)
        }
    }

    @Test func `A deletion that was lost is not told to those who read the stream`() async throws {
        let seed = UInt64.random(in: 0...(.max))
        var random = SplitMix64(seed: seed)
        try await TestNode.runOnFaultyDisk { node, disk in
            let (owner, _) = try node.stream("first")
            for round in 0..<24 {
                let fault = FaultyDisk.Fault.allCases.randomElement(using: &random)!
                let created = try self.call(
                    owner, CreateStream(name: "s\(round)", shards: 1, settings: StreamSettings(limits: .open)),
                    StreamAnswer.self)
                let stream = created.stream.id
                let readers = try (0..<3).map { _ in try node.connect() }
                for reader in readers { _ = try reader.subscribe(stream) }
                let poller = try node.connect()
                let poll = try self.send(
                    poller, GetRecords(iterator: poller.iterator(stream), waitMillis: 60_000), "poll")
                try self.isSeen(poller)
                disk.hold()
                let deletion = try self.send(owner, DeleteStream(stream: stream), "delete")
                disk.waitUntilHeld()
                // Commits of others are behind it, so that the next term's numbers rise well above it.
                let others = try node.connect()
                for number in 0..<Int.random(in: 0...3, using: &random) {
                    let name = "o\(round)-\(number)"
                    _ = try self.send(
                        others, CreateStream(name: SentName(name), shards: 1, settings: StreamSettings()), name)
                }
                try self.isSeen(others)
                disk.letGo(fault)
                #expect(try owner.answer(to: deletion.correlation).error?.code == .unavailable)
                _ = try self.call(
                    owner, CreateStream(name: "c\(round)", shards: 1, settings: StreamSettings()), StreamAnswer.self)
                let lives = try self.exists(owner, stream)
                #expect(lives == (fault == .lost), "seed \(seed), round \(round)")
                if lives { #expect(try owner.put(stream, [TestRecord("after")]).stored == 1) }
                for reader in readers {
                    let push = try reader.push()
                    #expect(
                        push.type == (lives ? .recordsPush : .subscriptionEnded),
                        "seed \(seed), round \(round), \(fault)")
                }
                let polled = try poller.answer(to: poll.correlation)
                #expect((polled.error?.code == .streamDeleted) == !lives, "seed \(seed), round \(round), \(fault)")
            }
        }
    }

    @Test func `A write that fails before the loops are attached to the log is no failure for ever`() async throws {
        let folder = TestNode.makeFolder()
        defer { TestNode.remove(folder) }
        let disk = FaultyDisk(try PosixFileSystem(folder: folder, mode: .automatic))
        let relay = ProgressRelay(logger: TestNode.logger)
        let box = Box()
        let configuration = TestNode.configuration(folder)
        let storage = try Storage.open(configuration.storage, on: disk, clock: SystemClock()) { progress in
            // What comes later, such as the commit that ends an idle time, is reported to nobody either.
            guard !box.isRecovered else { return }
            relay.report(progress)
            if case .recovered = progress { box.recovered() }
        }
        defer { storage.shutdown() }
        let core = NodeCore(
            configuration, storage: storage, clock: SystemClock(), relay: relay, logger: TestNode.logger)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let eventLoop = group.next()
        let (loop, inbox) = try await eventLoop.submit {
            let loop = LoopContext(core, eventLoop)
            return (LoopHandle(loop, eventLoop), LaneInbox(loop.host))
        }.get()
        // The failure and the term after it are reported to nobody.
        disk.letGo(.lost)
        _ = try storage.withLog { log throws(WeirError) in
            try log.submit(
                .createStream(name: StreamName("s"), shards: 1, settings: StreamSettings()), nowMillis: 1)
        }
        #expect(box.waitUntilRecovered())
        relay.attach([inbox]) { _ in }
        let before = try await eventLoop.submit { loop.onLoop.lane.watermark }.get()
        #expect(!before.isInStep(with: storage.withLog { $0.watermark }))
        // What the loop knows it has from the log, not from how often something was reported.
        let after = try await eventLoop.submit {
            loop.onLoop.lane.withLog { _ in }
            return loop.onLoop.lane.watermark
        }.get()
        #expect(after.isInStep(with: storage.withLog { $0.watermark }))
        try await group.shutdownGracefully()
    }

    private final class Box: Sendable {
        private let monitor = Monitor(false)

        func recovered() {
            self.monitor.withLock { $0 = true }
            self.monitor.wakeAll()
        }

        var isRecovered: Bool { self.monitor.withLock { $0 } }

        func waitUntilRecovered() -> Bool { self.monitor.wait(milliseconds: 20_000) { $0 ? true : nil } ?? false }
    }
}
