// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirLog
import WeirModel
import WeirProtocol
import WeirStorage

@testable import WeirServer

@Suite struct LifecycleTests {
    @Test func `A node that goes down says so, and comes back with everything it acknowledged`() async throws {
        let folder = TestNode.makeFolder()
        defer { TestNode.remove(folder) }
        let first = try await TestNode.start(folder)
        let node = TestNode(node: first, folder: folder)
        let (client, stream) = try node.stream(shards: 2)
        #expect(try client.put(stream, (0..<100).map { TestRecord("k\($0)") }).stored == 100)
        let poller = try node.connect()
        try poller.send(
            GetRecords(iterator: poller.iterator(stream, 0, .latest), waitMillis: 60_000).frame(correlation: 9))
        #expect(try poller.ask(Ping()).type == .pingAnswer)
        let subscriber = try node.connect()
        _ = try subscriber.subscribe(stream, 0, .iterator(.latest))
        await first.shutdown(drain: .seconds(10))
        #expect(await first.stopped == nil)
        #expect(try ReadOut(poller.answer(to: 9)).records.isEmpty, "a long poll is answered")
        #expect(try subscriber.push().type == .subscriptionEnded)
        for client in [client, poller, subscriber] {
            let error = try #require(try client.receiveClosing())
            #expect(error.code == .unavailable && error.message.contains("going down"))
        }
        #expect(throws: RawClient.Failure.self) { try RawClient(port: node.port) }

        let second = try await TestNode.start(folder)
        let again = try TestNode(node: second, folder: folder).connect()
        #expect(try again.readAll(stream, 0).count + again.readAll(stream, 1).count == 100)
        await second.shutdown(drain: .zero)
    }

    @Test func `A folder in use, a taken port and a wrong value are told in a sentence`() async throws {
        try await TestNode.run { node in
            let locked = await #expect(throws: NodeError.self) { try await TestNode.start(node.folder) }
            #expect(locked?.description.contains("in use") == true)
            let folder = TestNode.makeFolder()
            defer { TestNode.remove(folder) }
            let taken = await #expect(throws: NodeError.self) {
                try await TestNode.start(folder) { $0.port = node.port }
            }
            #expect(taken?.description.contains("127.0.0.1:\(node.port)") == true)
            let open = await #expect(throws: NodeError.self) {
                try await TestNode.start(folder) { $0.host = "0.0.0.0" }
            }
            #expect(open?.description.contains("--insecure") == true)
            // Nothing was left behind by the failed starts.
            let third = try await TestNode.start(folder)
            await third.shutdown(drain: .zero)
        }
    }

    @Test func `A log that gives up ends the node with its sentence`() async throws {
        try await TestNode.run { node in
            async let reason = node.node.stopped
            node.node.core.relay.report(.stopped("the disk is gone"))
            #expect(await reason == "the disk is gone")
        }
    }

    @Test(arguments: FaultyDisk.Fault.allCases)
    func `After a failed write ordered puts wait until the client has seen it`(fault: FaultyDisk.Fault) async throws {
        try await TestNode.runOnFaultyDisk { node, disk in
            let (client, stream) = try node.stream()
            #expect(try client.put(stream, [TestRecord("a")], sequence: 1).stored == 1)
            let poller = try node.connect()
            try poller.send(
                GetRecords(iterator: poller.iterator(stream, 0, .latest), waitMillis: 60_000).frame(correlation: 9))
            #expect(try poller.ask(Ping()).type == .pingAnswer)
            disk.hold()
            let lost = client.nextCorrelation()
            try client.send(
                RawClient.putFrame(stream, [(nil, [TestRecord("b")])], correlation: lost, sequence: 2))
            disk.waitUntilHeld()
            disk.letGo(fault)
            #expect(try client.answer(to: lost).error?.code == .outcomeUnknown)
            // The log says itself when it serves again.
            var behind: PutOutcome?
            while behind == nil {
                do {
                    behind = try client.put(stream, [TestRecord("c")], sequence: 3)
                } catch let error as WeirError where error.code == .unavailable {}
            }
            #expect(behind?.entries.map { $0.error?.code } == [.behind])
            #expect(try client.put(stream, [TestRecord("c")], sequence: 4, seenThrough: 3).stored == 1)
            let first = fault == .landed ? ["b"] : []
            let read = try ReadOut(poller.answer(to: 9)).records.map(\.key)
            #expect(!read.isEmpty && (first + ["c"]).starts(with: read), "who waits goes on waiting")
            #expect(try client.readAll(stream).map(\.key) == ["a"] + first + ["c"])
        }
    }
}
