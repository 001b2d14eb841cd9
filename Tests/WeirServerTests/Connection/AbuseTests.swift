// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol
import WeirTestKit

@testable import WeirServer

/// What a client does wrong: the connection lives on where frames can still be told apart, and the server says why
/// where it closes.
@Suite struct AbuseTests {
    @Test func `Another protocol is told so and closed; others are served`() async throws {
        try await TestNode.run { node in
            let good = try node.connect()
            for bytes in [
                "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}ab",
            ] {
                let client = try node.connect(hello: false)
                try client.send(Array(bytes.utf8) + [UInt8](repeating: 7, count: 64))
                let error = try #require(try client.receiveClosing())
                #expect(error.code == .frameTooLarge)
                #expect(error.message.contains("does not speak Weir's"))
            }
            #expect(try good.ask(Ping()).type == .pingAnswer)
        }
    }

    @Test func `Random bytes never bring the node down`() async throws {
        let seed = UInt64.random(in: 0...(.max))
        var random = SplitMix64(seed: seed)
        try await TestNode.run { node in
            let good = try node.connect()
            for round in 0..<60 {
                let client = try node.connect(hello: round.isMultiple(of: 2))
                let bytes = (0..<Int.random(in: 1...3000, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                _ = client.sendWithoutWaiting(bytes)
                client.close()
                #expect(try good.ask(Ping()).type == .pingAnswer, "seed \(seed)")
            }
        }
    }

    @Test func `A connection begins with Hello`() async throws {
        try await TestNode.run { node in
            let client = try node.connect(hello: false)
            try client.send(Ping().frame(correlation: 9))
            let error = try #require(try client.receiveClosing())
            #expect(error.code == .malformedRequest)
            #expect(error.message.contains("Hello"))
        }
    }

    @Test func `A second Hello is refused and the connection lives on`() async throws {
        try await TestNode.run { node in
            let client = try node.connect()
            #expect(try client.refusal(Hello(clientName: "again")).code == .malformedRequest)
            #expect(try client.ask(Ping()).type == .pingAnswer)
        }
    }

    @Test func `A client of another version is told which one is spoken`() async throws {
        try await TestNode.run { node in
            let client = try node.connect(hello: false)
            try client.send(Hello(clientName: "new", minVersion: 7, maxVersion: 9).frame(correlation: 1))
            let error = try #require(try client.receiveClosing())
            #expect(error.code == .unsupportedVersion)
            #expect(error.message.contains("7 to 9"))
        }
    }

    @Test func `Unknown types, answers, flags and malformed payloads are refused one by one`() async throws {
        try await TestNode.run { node in
            let client = try node.connect()
            let wrong: [(UInt16, UInt16, [UInt8], WeirError.Code)] = [
                (0x0777, 0, [1, 2, 3], .malformedRequest),
                (FrameType.pingAnswer.rawValue, 0, [], .malformedRequest),
                (FrameType.recordsPush.rawValue, 0, [], .malformedRequest),
                (FrameType.ping.rawValue, 3, [], .unsupportedVersion),
                (FrameType.ping.rawValue, 0, [9], .malformedRequest),
                (FrameType.status.rawValue, 0, [9], .malformedRequest),
                (FrameType.describeStream.rawValue, 0, [5], .malformedRequest),
                (FrameType.putRecords.rawValue, 0, [UInt8](repeating: 0, count: 39), .malformedRequest),
                (FrameType.putRecords.rawValue, 0, [], .malformedRequest),
                (FrameType.getRecords.rawValue, 0, [], .malformedRequest),
                (FrameType.describeStream.rawValue, 0, [UInt8](repeating: 0, count: 5000), .frameTooLarge),
            ]
            for (position, (type, flags, payload, code)) in wrong.enumerated() {
                var writer = ByteWriter()
                FrameHeader(rawType: type, flags: flags, length: payload.count, correlation: UInt64(position + 5000))
                    .encode(into: &writer)
                writer.append(payload)
                try client.send(writer.bytes)
                let answer = try client.answer(to: UInt64(position + 5000))
                #expect(answer.error?.code == code, "type \(type): \(String(describing: answer.error))")
            }
            #expect(try client.ask(Ping()).type == .pingAnswer)
        }
    }

    @Test func `A frame over the limit closes the connection with the limit`() async throws {
        try await TestNode.run { node in
            let client = try node.connect()
            try client.send(
                FrameHeader(.putRecords, length: Limits.frameBytesMax + 1, correlation: 1).encoded)
            let error = try #require(try client.receiveClosing())
            #expect(error.code == .frameTooLarge)
            #expect(error.message.contains("\(Limits.frameBytesMax)"))
        }
    }

    @Test func `Frames may come byte by byte, and many at once`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 2)
            var bytes = Ping().frame(correlation: 2001)
            bytes += RawClient.putFrame(stream, [(nil, [TestRecord("a"), TestRecord("b")])], correlation: 2002)
            bytes += Ping().frame(correlation: 2003)
            for byte in bytes { try client.send([byte]) }
            #expect(try client.answer(to: 2001).type == .pingAnswer)
            // The put waits for the disk; the ping behind it does not.
            #expect(try client.answer(to: 2003).type == .pingAnswer)
            #expect(try PutOutcome(client.answer(to: 2002)).stored == 2)
            var many: [UInt8] = []
            for number in 0..<500 {
                many += RawClient.putFrame(
                    stream, [(nil, [TestRecord("k\(number)")])], correlation: UInt64(10_000 + number))
                many += Ping().frame(correlation: UInt64(20_000 + number))
            }
            try client.send(many)
            var answered: Set<UInt64> = []
            while answered.count < 1000 {
                let frame = try #require(try client.receive())
                #expect(frame.error == nil)
                answered.insert(frame.header.correlation)
            }
            #expect(try client.readAll(stream, 0).count + client.readAll(stream, 1).count == 502)
        }
    }

    @Test func `No Hello in time, and a frame that stalls, are told and closed`() async throws {
        try await TestNode.run { configuration in
            configuration.helloTimeoutMillis = 150
            configuration.stallTimeoutMillis = 150
        } _: { node in
            let silent = try node.connect(hello: false)
            let error = try #require(try silent.receiveClosing())
            #expect(error.code == .timedOut && error.message.contains("150 ms"))
            let stalled = try node.connect()
            try stalled.send(Array(Ping().frame(correlation: 1).prefix(7)))
            #expect(try stalled.receiveClosing()?.code == .timedOut)
            let halfPut = try node.connect()
            try halfPut.send(FrameHeader(.putRecords, length: 1 << 20, correlation: 5).encoded + [1, 2, 3])
            let stall = try #require(try halfPut.receiveClosing())
            #expect(stall.code == .timedOut && stall.message.contains("nothing of it came"))
            let patient = try node.connect()
            #expect(try patient.ask(Ping()).type == .pingAnswer)
            #expect(node.node.core.frameMemory.reservedBytes == 0)
        }
    }
}

extension FrameHeader {
    var encoded: [UInt8] {
        var writer = ByteWriter()
        self.encode(into: &writer)
        return writer.bytes
    }
}
