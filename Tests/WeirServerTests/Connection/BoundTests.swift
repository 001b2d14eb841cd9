// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirIO
import WeirModel
import WeirProtocol
import WeirStorage
import WeirTestKit

@testable import WeirServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What keeps a node bounded, whatever its clients do.
@Suite(.serialized) struct BoundTests {
    /// Asks for Status until `condition` holds; each round is a round trip, and there is an end to them.
    private func until(
        _ client: RawClient, _ name: String, _ condition: (Int64) -> Bool
    ) throws -> Int64 {
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            let value = try Self.number(client, name)
            if condition(value) || ContinuousClock.now > deadline { return value }
        }
    }

    static func number(_ client: RawClient, _ name: String) throws -> Int64 {
        let status = try client.call(Status(), StatusAnswer.self)
        return status.numbers.first { $0.name == name }?.value ?? -1
    }

    @Test func `A thousand idle connections are held, cheaply`() async throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        try #require(limit.rlim_cur > 3000, "too few file descriptors for this test")
        try await TestNode.run { node in
            let (client, stream) = try node.stream()
            let before = try Self.number(client, "resident-bytes")
            var idle: [RawClient] = []
            for _ in 0..<1050 { idle.append(try node.connect()) }
            #expect(try Self.number(client, "connections") == 1051)
            let after = try Self.number(client, "resident-bytes")
            // Both ends live in this process.
            #expect((after - before) / 1050 < 128 << 10, "\((after - before) / 1050) bytes a connection")
            #expect(try client.put(stream, [TestRecord("a")]).stored == 1)
            #expect(try idle[500].ask(Ping()).type == .pingAnswer)
        }
    }

    @Test func `One connection too many is told so`() async throws {
        try await TestNode.run {
            $0.connectionsMax = 2
        } _: { node in
            let first = try node.connect()
            let second = try node.connect()
            let third = try node.connect(hello: false)
            let error = try #require(try third.receiveClosing())
            #expect(error.code == .limitExceeded && error.message.contains("2 are allowed"))
            third.close()
            #expect(try first.ask(Ping()).type == .pingAnswer)
            second.close()
            #expect(try self.until(first, "connections") { $0 == 1 } == 1)
            #expect(try node.connect().ask(Ping()).type == .pingAnswer)
        }
    }

    @Test func `A client that never reads its answers is closed when too many wait`() async throws {
        try await TestNode.run {
            $0.answerBytesMax = 1 << 16
            $0.lingerMillis = 100
        } _: { node in
            let watcher = try node.connect()
            let client = try node.connect(receiveBytes: 4096)
            // Each is answered with an error that is several times its length.
            let wrong = FrameHeader(rawType: 0x0777, flags: 0, length: 0, correlation: 1).encoded
            let many = Array(repeatElement(wrong, count: 2000).joined())
            let deadline = ContinuousClock.now + .seconds(60)
            while try Self.number(watcher, "connections") > 1, ContinuousClock.now < deadline {
                _ = client.sendWithoutWaiting(many)
            }
            #expect(try Self.number(watcher, "connections") == 1)
            #expect(try Self.number(watcher, "errors-LimitExceeded") == 1)
        }
    }

    @Test func `A client that does not read its records holds little, and is closed in time`() async throws {
        try await TestNode.run {
            $0.unreadTimeoutMillis = 400
            $0.lingerMillis = 100
        } _: { node in
            let (watcher, stream) = try node.stream()
            for _ in 0..<12 {
                #expect(try watcher.put(stream, (0..<10).map { TestRecord("k\($0)", bytes: 100_000) }).stored == 10)
            }
            let client = try node.connect(receiveBytes: 4096)
            let iterator = try client.iterator(stream)
            for number in 0..<100 {
                try client.send(GetRecords(iterator: iterator).frame(correlation: UInt64(9000 + number)))
            }
            #expect(try self.until(watcher, "read-memory-bytes") { $0 > 0 } > 0)
            #expect(try Self.number(watcher, "read-memory-bytes") <= 2 * 13 << 20)
            #expect(try self.until(watcher, "connections") { $0 == 1 } == 1)
            #expect(try self.until(watcher, "read-memory-bytes") { $0 == 0 } == 0)
            #expect(try Self.number(watcher, "subscriptions-and-long-polls") == 0)
        }
    }

    @Test func `A subscriber that does not read is pushed no more than fits`() async throws {
        try await TestNode.run { node in
            let (writer, stream) = try node.stream()
            let client = try node.connect(receiveBytes: 4096)
            _ = try client.subscribe(stream)
            for _ in 0..<20 {
                #expect(try writer.put(stream, (0..<10).map { TestRecord("k\($0)", bytes: 100_000) }).stored == 10)
            }
            #expect(try Self.number(writer, "read-memory-bytes") <= 5 << 20)
            // It reads after all, and gets everything.
            var records = 0
            while records < 200 { records += try client.records().records.count }
            #expect(records == 200)
            #expect(try self.until(writer, "read-memory-bytes") { $0 == 0 } == 0)
        }
    }

    @Test func `More puts than the credit allows are refused, and the connection lives on`() async throws {
        try await TestNode.run {
            $0.putCreditRequests = 2
        } _: { node in
            let (client, stream) = try node.stream()
            var bytes: [UInt8] = []
            for number in UInt64(1000)..<1005 {
                bytes += RawClient.putFrame(stream, [(nil, [TestRecord("k")])], correlation: number)
            }
            try client.send(bytes)
            var outcomes: [UInt64: WeirError.Code?] = [:]
            while outcomes.count < 5 {
                let frame = try #require(try client.receive())
                outcomes[frame.header.correlation] = .some(frame.error?.code)
            }
            #expect(outcomes[1000] == .some(nil) && outcomes[1001] == .some(nil))
            #expect((1002..<1005).allSatisfy { outcomes[$0] == .some(.creditExceeded) })
            #expect(try client.put(stream, [TestRecord("k")]).stored == 1, "answers give the credit back")
            #expect(try client.readAll(stream).count == 3)
        }
    }

    @Test func `Bytes of puts count against the credit too`() async throws {
        try await TestNode.run {
            $0.putCreditBytes = 1000
        } _: { node in
            let (client, stream) = try node.stream()
            let first = RawClient.putFrame(stream, [(nil, [TestRecord("k", bytes: 5000)])], correlation: 1)
            let second = RawClient.putFrame(stream, [(nil, [TestRecord("k")])], correlation: 2)
            try client.send(first + second)
            var refused: [UInt64] = []
            for _ in 0..<2 {
                let frame = try #require(try client.receive())
                if frame.error?.code == .creditExceeded { refused.append(frame.header.correlation) }
            }
            #expect(refused == [2], "one put is always allowed")
        }
    }

    @Test func `Without memory for a frame its put is refused and skipped`() async throws {
        try await TestNode.run {
            $0.frameBytesMax = 1 << 20
            $0.frameMemoryBytesMax = 1 << 20
            $0.receiveBytes = 4096
        } _: { node in
            let (watcher, stream) = try node.stream()
            let large = RawClient.putFrame(stream, [(nil, [TestRecord("k", bytes: 900_000)])], correlation: 77)
            let hog = try node.connect()
            try hog.send(Array(large.prefix(10_000)))
            #expect(try self.until(watcher, "frame-memory-bytes") { $0 > 0 } == 65_536)
            try hog.send(Array(large[10_000..<300_000]))
            #expect(try self.until(watcher, "frame-memory-bytes") { $0 > 900_000 } > 900_000)
            // There is room for its beginning, and not for the rest.
            let client = try node.connect()
            try client.send(large)
            let error = try #require(try client.answer(to: 77).error)
            #expect(error.code == .unavailable && !error.verdict.maybeStored)
            #expect(try client.put(stream, [TestRecord("small")]).stored == 1, "the connection lives on")
            try hog.send(Array(large.dropFirst(300_000)))
            #expect(try PutOutcome(hog.answer(to: 77)).stored == 1)
            #expect(try Self.number(watcher, "frame-memory-bytes") == 0)
            try client.send(large)
            #expect(try PutOutcome(client.answer(to: 77)).stored == 1)
            // One that goes away in the middle gives its memory back.
            try hog.send(Array(large.prefix(10_000)))
            #expect(try self.until(watcher, "frame-memory-bytes") { $0 > 0 } > 0)
            hog.close()
            #expect(try self.until(watcher, "frame-memory-bytes") { $0 == 0 } == 0)
        }
    }

    /// Each of them announces as much as there is for all.
    @Test func `What is only announced takes nobody's memory`() async throws {
        try await TestNode.run {
            $0.frameMemoryBytesMax = 16 << 20
            $0.receiveBytes = 4096
        } _: { node in
            let (client, stream) = try node.stream()
            var slow: [RawClient] = []
            for _ in 0..<100 {
                let one = try node.connect()
                try one.send(FrameHeader(.putRecords, length: 16 << 20, correlation: 9).encoded + [1])
                slow.append(one)
            }
            let held = try self.until(client, "frame-memory-bytes") { $0 >= 100 * 65_536 }
            #expect(held == 100 * 65_536)
            for _ in 0..<3 {
                #expect(try client.put(stream, [TestRecord("k", bytes: 900_000)]).stored == 1)
            }
            for one in slow { one.close() }
            #expect(try self.until(client, "frame-memory-bytes") { $0 == 0 } == 0)
        }
    }

    @Test func `A put that comes drop by drop is closed, one that keeps the least rate is taken`() async throws {
        let folder = TestNode.makeFolder()
        defer { TestNode.remove(folder) }
        let clock = ManualClock()
        let started = try await TestNode.start(folder, clock: clock) { $0.loops = 1 }
        let node = TestNode(node: started, folder: folder)
        let (client, stream) = try node.stream()
        let put = RawClient.putFrame(stream, [(nil, [TestRecord("k", bytes: 900_000)])], correlation: 77)
        let (drip, steady) = (try node.connect(), try node.connect())
        var sent = (drip: 17, steady: 17)
        try drip.send(Array(put.prefix(sent.drip)))
        try steady.send(Array(put.prefix(sent.steady)))
        // Whatever was sent before it has come when the only loop has answered twice.
        func settle() throws { for _ in 0..<2 { _ = try client.ask(Ping()) } }
        try settle()
        // A byte each 10 s is something each 10 s.
        for step in 1...3 {
            clock.advance(millis: 9_900)
            try drip.send([put[sent.drip]])
            sent.drip += 1
            let next = min(put.count, sent.steady + (step == 1 ? 10 : 800_000))
            try steady.send(Array(put[sent.steady..<next]))
            sent.steady = next
            try settle()
        }
        clock.advance(millis: 400)
        let error = try #require(try drip.receiveClosing())
        #expect(error.code == .timedOut && !error.verdict.maybeStored)
        #expect(error.message.contains("comes too slowly: 20 bytes in 30100 ms"), "\(error)")
        try steady.send(Array(put[sent.steady...]))
        #expect(try PutOutcome(steady.answer(to: 77)).stored == 1)
        #expect(node.node.core.frameMemory.reservedBytes == 0)
        await started.shutdown(drain: .zero)
    }

    @Test func `Long polls and subscriptions are counted and limited over the node`() async throws {
        try await TestNode.run {
            $0.waitersMax = 3
            $0.waitingRequestsMax = 2
        } _: { node in
            let (client, stream) = try node.stream()
            let iterator = try client.iterator(stream)
            for number in UInt64(500)..<502 {
                try client.send(GetRecords(iterator: iterator, waitMillis: 60_000).frame(correlation: number))
            }
            let tooMany = try client.refusal(GetRecords(iterator: iterator, waitMillis: 60_000))
            #expect(tooMany.code == .limitExceeded && tooMany.message.contains("2 may"))
            let other = try node.connect()
            _ = try other.subscribe(stream, 0, .index(0))
            let full = try other.refusal(
                Subscribe(stream: stream, shard: ShardNumber(0), start: .index(0), creditBytes: 1))
            #expect(full.code == .limitExceeded && full.message.contains("3 are allowed"))
            client.close()
            #expect(try self.until(other, "subscriptions-and-long-polls") { $0 == 1 } == 1)
            _ = try other.subscribe(stream, 0, .index(0))
        }
    }
}
