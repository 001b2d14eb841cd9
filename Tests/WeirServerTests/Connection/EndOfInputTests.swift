// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol
import WeirTestKit

@testable import WeirServer

/// A client that ends its input and reads on, as `printf ... | nc` does.
@Suite struct EndOfInputTests {
    /// Reads until the server closes. Returns the correlations of what it answered, and what Closing said.
    private func rest(_ client: RawClient) throws -> (answered: [UInt64], closing: WeirError?) {
        var answered: [UInt64] = []
        var closing: WeirError?
        while let frame = try client.receive() {
            if frame.type == .closing { closing = try frame.decode(Closing.self).error }
            if frame.type?.direction == .answer {
                #expect(frame.error == nil, "\(frame.header.correlation)")
                answered.append(frame.header.correlation)
            }
        }
        return (answered.sorted(), closing)
    }

    @Test(arguments: [false, true], [0, 1, 40])
    func `What came before the end of input is answered, also what waits for the disk, and then the server closes`(
        isHeld: Bool, puts: Int
    ) async throws {
        let seed = UInt64.random(in: 0...(.max))
        var random = SplitMix64(seed: seed)
        try await TestNode.runOnFaultyDisk { node, disk in
            let (watcher, stream) = try node.stream()
            var bytes = try Hello(clientName: "pipe").frame(correlation: 1)
            for number in 0..<puts {
                bytes += RawClient.putFrame(
                    stream, [(nil, [TestRecord("k\(number)", bytes: Int.random(in: 1...9000, using: &random))])],
                    correlation: UInt64(100 + number))
            }
            bytes += DescribeStream(stream: .id(stream)).frame(correlation: 2) + Ping().frame(correlation: 3)
            // Half a frame, of which the rest never comes.
            bytes += Ping().frame(correlation: 4).prefix(Int.random(in: 0...15, using: &random))
            let client = try node.connect(hello: false)
            if isHeld { disk.hold() }
            var sent = 0
            while sent < bytes.count {
                let count = min(bytes.count - sent, Int.random(in: 1...bytes.count, using: &random))
                try client.send(Array(bytes[sent..<sent + count]))
                sent += count
            }
            client.endInput()
            if isHeld {
                if puts > 0 { disk.waitUntilHeld() }
                disk.letGo(nil)
            }
            let (answered, closing) = try self.rest(client)
            #expect(answered == [1, 2, 3] + (0..<puts).map { UInt64(100 + $0) }, "seed \(seed)")
            #expect(closing == nil, "seed \(seed)")
            #expect(try watcher.readAll(stream).count == puts, "seed \(seed)")
        }
    }

    @Test func `Behind the end of input nothing waits for news`() async throws {
        try await TestNode.run { node in
            let (_, stream) = try node.stream()
            let poller = try node.connect()
            let iterator = try poller.iterator(stream, 0, .latest)
            try poller.send(GetRecords(iterator: iterator, waitMillis: 60_000).frame(correlation: 9))
            let subscriber = try node.connect()
            _ = try subscriber.subscribe(stream, 0, .iterator(.latest))
            let late = try node.connect()
            try late.send(
                Subscribe(stream: stream, shard: ShardNumber(0), start: .iterator(.latest), creditBytes: 1 << 20)
                    .frame(correlation: 5))
            for client in [poller, subscriber, late] { client.endInput() }
            #expect(try self.rest(poller).answered == [9])
            #expect(try subscriber.push().type == .subscriptionEnded)
            #expect(try self.rest(subscriber).closing == nil)
            while try late.receive() != nil {}
            #expect(node.node.core.engine.waiterCount == 0)
        }
    }

    @Test func `Input that waits for an older connection to be fenced is answered before its end counts`() async throws
    {
        try await TestNode.run {
            $0.loops = 3
        } _: { node in
            let (_, stream) = try node.stream()
            for round in 0..<12 {
                let older = try node.connect(session: 42)
                let newer = try node.connect(hello: false)
                try newer.send(
                    Hello(clientName: "pipe", sessionID: 42).frame(correlation: 1)
                        + Ping().frame(correlation: 2)
                        + RawClient.putFrame(stream, [(nil, [TestRecord("k\(round)")])], correlation: 3))
                newer.endInput()
                #expect(try self.rest(newer).answered == [1, 2, 3])
                #expect(try older.receiveClosing()?.code == .sessionFenced)
            }
        }
    }

    @Test func `A client that may have gone keeps no place for as long as the disk stands still`() async throws {
        try await TestNode.runOnFaultyDisk {
            $0.unreadTimeoutMillis = 150
        } _: { node, disk in
            let (_, stream) = try node.stream()
            let client = try node.connect()
            disk.hold()
            try client.send(RawClient.putFrame(stream, [(nil, [TestRecord("k")])], correlation: 9))
            client.endInput()
            disk.waitUntilHeld()
            let closing = try #require(try client.receiveClosing())
            #expect(closing.code == .timedOut && closing.message.contains("150 ms"))
            disk.letGo(nil)
        }
    }

    @Test func `A connection that ends before Hello is closed at once`() async throws {
        try await TestNode.run { node in
            let client = try node.connect(hello: false)
            client.endInput()
            #expect(try client.receive() == nil)
        }
    }
}
