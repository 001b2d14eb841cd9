// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@Suite struct ServerSessionTests {
    enum Phase: String, CaseIterable, Sendable {
        case awaitingHello, open, draining, closing, finishing
    }

    private static let configuration = ServerSession.Configuration(
        serverName: "weir test", nodeID: 5, putCreditBytes: 1000, putCreditRequests: 3, frameBytesMax: 65_536)

    private static func session(_ phase: Phase) throws -> ServerSession {
        var session = ServerSession(Self.configuration, now: 0)
        if phase == .awaitingHello { return session }
        if phase == .closing {
            #expect(session.close() == true)
            return session
        }
        try Self.greet(&session)
        if phase == .draining { #expect(session.drain() == false) }
        if phase == .finishing { #expect(session.inputEnded() == false) }
        return session
    }

    private static func greet(_ session: inout ServerSession) throws {
        #expect(session.headerReceived(FrameHeader(.hello, length: 28, correlation: 1)) == .take(.hello))
        let hello = try Hello(clientName: "", sessionID: 9)
        guard case .accept(hello, _) = Self.hello(&session, hello) else {
            Issue.record("Hello is not accepted")
            return
        }
    }

    private static func hello(_ session: inout ServerSession, _ hello: Hello) -> ServerSession.HelloVerdict {
        hello.encode().exactly { session.helloReceived(payload: $0, serverTimeMillis: 77) }
    }

    enum Expected: Equatable, Sendable {
        case take, refuse(WeirError.Code), refusePut(WeirError.Code), ignore, close(WeirError.Code)

        init(_ verdict: ServerSession.HeaderVerdict) {
            self =
                switch verdict {
                case .take: .take
                case .refuse(let error): .refuse(error.code)
                case .refusePut(let error): .refusePut(error.code)
                case .ignore: .ignore
                case .close(let error): .close(error.code)
                }
        }
    }

    struct Row: Sendable {
        let event: String
        let header: FrameHeader
        /// In the order of `Phase`; what is closing and what finishes take nothing alike.
        let expected: [Expected]

        init(_ event: String, _ header: FrameHeader, _ expected: Expected...) {
            self.event = event
            self.header = header
            self.expected = expected
        }
    }

    private static func flagged(_ type: FrameType) -> FrameHeader {
        FrameHeader(rawType: type.rawValue, flags: 1, length: 8, correlation: 2)
    }

    private static let table: [Row] = [
        Row(
            "hello", FrameHeader(.hello, length: 28, correlation: 2),
            .take, .refuse(.malformedRequest), .refuse(.malformedRequest), .ignore),
        Row(
            "hello of 4 KiB", FrameHeader(.hello, length: 4096, correlation: 2),
            .take, .refuse(.malformedRequest), .refuse(.malformedRequest), .ignore),
        Row(
            "hello above 4 KiB", FrameHeader(.hello, length: 4097, correlation: 2),
            .close(.frameTooLarge), .refuse(.frameTooLarge), .refuse(.frameTooLarge), .ignore),
        Row(
            "hello with flags", Self.flagged(.hello),
            .close(.unsupportedVersion), .refuse(.unsupportedVersion), .refuse(.unsupportedVersion), .ignore),
        Row(
            "ping", FrameHeader(.ping, length: 0, correlation: 2), .close(.malformedRequest), .take, .take, .ignore),
        Row(
            "credit", FrameHeader(.credit, length: 8, correlation: 0), .close(.malformedRequest), .take, .take,
            .ignore),
        Row(
            "unsubscribe", FrameHeader(.unsubscribe, length: 4, correlation: 2),
            .close(.malformedRequest), .take, .take, .ignore),
        Row(
            "create stream", FrameHeader(.createStream, length: 60, correlation: 2),
            .close(.malformedRequest), .take, .refuse(.unavailable), .ignore),
        Row(
            "get records", FrameHeader(.getRecords, length: 60, correlation: 2),
            .close(.malformedRequest), .take, .refuse(.unavailable), .ignore),
        Row(
            "put", FrameHeader(.putRecords, length: 500, correlation: 2),
            .close(.malformedRequest), .take, .refusePut(.unavailable), .ignore),
        Row(
            "put with flags", Self.flagged(.putRecords),
            .close(.malformedRequest), .refusePut(.unsupportedVersion), .refusePut(.unsupportedVersion), .ignore),
        Row(
            "credit with flags", Self.flagged(.credit),
            .close(.malformedRequest), .close(.unsupportedVersion), .close(.unsupportedVersion), .ignore),
        Row(
            "ping with flags", Self.flagged(.ping),
            .close(.malformedRequest), .refuse(.unsupportedVersion), .refuse(.unsupportedVersion), .ignore),
        Row(
            "an unknown type", FrameHeader(rawType: 0x3fff, flags: 0, length: 8, correlation: 2),
            .close(.malformedRequest), .refuse(.malformedRequest), .refuse(.malformedRequest), .ignore),
        Row(
            "an answer", FrameHeader(.pingAnswer, length: 8, correlation: 2),
            .close(.malformedRequest), .refuse(.malformedRequest), .refuse(.malformedRequest), .ignore),
        Row(
            "a push", FrameHeader(.recordsPush, length: 8, correlation: 0),
            .close(.malformedRequest), .refuse(.malformedRequest), .refuse(.malformedRequest), .ignore),
        Row(
            "a put of the limit", FrameHeader(.putRecords, length: 65_536, correlation: 2),
            .close(.frameTooLarge), .take, .refusePut(.unavailable), .ignore),
        Row(
            "a request of its type's bound", FrameHeader(.listShards, length: 4096, correlation: 2),
            .close(.malformedRequest), .take, .refuse(.unavailable), .ignore),
        Row(
            "a request above its type's bound", FrameHeader(.listShards, length: 4097, correlation: 2),
            .close(.frameTooLarge), .refuse(.frameTooLarge), .refuse(.frameTooLarge), .ignore),
        Row(
            "a heartbeat above the bound of others", FrameHeader(.heartbeat, length: 65_536, correlation: 2),
            .close(.frameTooLarge), .take, .refuse(.unavailable), .ignore),
        Row(
            "a credit above its type's bound", FrameHeader(.credit, length: 4097, correlation: 0),
            .close(.frameTooLarge), .close(.frameTooLarge), .close(.frameTooLarge), .ignore),
        Row(
            "a frame above the limit", FrameHeader(.listShards, length: 65_537, correlation: 2),
            .close(.frameTooLarge), .close(.frameTooLarge), .close(.frameTooLarge), .ignore),
    ]

    @Test(arguments: Phase.allCases, Self.table.indices)
    func `Every frame in every state`(_ phase: Phase, _ row: Int) throws {
        let row = Self.table[row]
        let expected = row.expected[min(Phase.allCases.firstIndex(of: phase) ?? 0, row.expected.count - 1)]
        var session = try Self.session(phase)
        let before = session.state
        #expect(Expected(session.headerReceived(row.header)) == expected, "\(row.event) when \(phase)")
        if case .close = expected {
            #expect(session.state == .closing, "\(row.event) when \(phase)")
        } else {
            #expect(session.state == before, "\(row.event) when \(phase)")
        }
    }

    @Test func `Hello opens the session and names what it runs on`() throws {
        var session = ServerSession(Self.configuration, now: 0)
        #expect(session.phase == .beforeHello)
        let hello = try Hello(clientName: "c", sessionID: 9, features: .max, minVersion: 0, maxVersion: 4)
        let answer = HelloAnswer(
            version: 1, features: Wire.features, nodeID: 5, putCreditBytes: 1000, putCreditRequests: 3,
            frameBytesMax: 65_536,
            serverTimeMillis: 77, serverName: "weir test")
        #expect(Self.hello(&session, hello) == .accept(hello, answer))
        #expect(session.state == .open(sessionID: 9))
        #expect(session.features == Wire.features)
        #expect(session.phase == .open(frameBytesMax: 65_536))
    }

    @Test(arguments: [(UInt16(2), UInt16(3)), (0, 0)])
    func `Without a version in common the server says which it speaks`(_ lowest: UInt16, _ highest: UInt16) throws {
        var session = ServerSession(Self.configuration, now: 0)
        let verdict = Self.hello(&session, try Hello(clientName: "", minVersion: lowest, maxVersion: highest))
        guard case .close(let error) = verdict else {
            Issue.record("versions \(lowest) to \(highest) are accepted")
            return
        }
        #expect(error.code == .unsupportedVersion)
        #expect(error.message.contains("\(lowest) to \(highest)") && error.message.contains("server 1"))
        #expect(session.state == .closing)
    }

    @Test(arguments: Phase.allCases)
    func `Hello that is malformed, or comes again, closes`(_ phase: Phase) throws {
        var session = try Self.session(phase)
        let verdict = [UInt8]("GET /".utf8).exactly { session.helloReceived(payload: $0, serverTimeMillis: 0) }
        guard case .close(let error) = verdict else {
            Issue.record("garbage is taken for Hello")
            return
        }
        #expect(error.code == .malformedRequest)
        #expect(session.state == .closing)
    }

    @Test func `Puts beyond the credit are refused until answers free it`() throws {
        var session = try Self.session(.open)
        func put(_ bytes: Int) -> Expected {
            Expected(session.headerReceived(FrameHeader(.putRecords, length: bytes, correlation: 2)))
        }
        #expect(put(600) == .take)
        #expect(put(401) == .refusePut(.creditExceeded))
        #expect(put(400) == .take)
        #expect(put(1) == .refusePut(.creditExceeded))
        #expect(put(0) == .take)
        #expect(put(0) == .refusePut(.creditExceeded), "a fourth put of three")
        session.putFinished(bytes: 600)
        #expect(put(600) == .take)
        for bytes in [600, 400, 0] { session.putFinished(bytes: bytes) }
        #expect(put(5000) == .take, "one put alone may be larger than the credit")
        #expect(put(0) == .refusePut(.creditExceeded))
        #expect(session.state == .open(sessionID: 9))
    }

    @Test func `A client that does not say Hello is closed after 10 s`() {
        var session = ServerSession(Self.configuration, now: 500)
        #expect(session.nextDeadline == 10_500)
        session.bytesReceived(7, ofFrame: 7, now: 9_000)
        #expect(session.nextDeadline == 10_500, "a drip of bytes gains no time")
        #expect(session.deadlineReached(now: 10_499) == nil)
        let error = session.deadlineReached(now: 10_500)
        #expect(error?.code == .timedOut)
        #expect(error?.verdict.maybeStored == false)
        #expect(error?.message == "no Hello within 10000 ms")
        #expect(session.state == .closing)
        #expect(session.nextDeadline == nil)
        #expect(session.deadlineReached(now: .max) == nil)
    }

    @Test(arguments: [Phase.open, .draining])
    func `A frame that stalls for 30 s closes, an idle connection does not`(_ phase: Phase) throws {
        var session = try Self.session(phase)
        #expect(session.nextDeadline == nil)
        session.bytesReceived(1 << 20, ofFrame: 1 << 20, now: 1000)
        session.bytesReceived(1, ofFrame: 1 << 20 + 1, now: 2000)
        #expect(session.nextDeadline == 32_000)
        session.bytesReceived(5, ofFrame: nil, now: 3000)
        #expect(session.nextDeadline == nil)
        #expect(session.deadlineReached(now: .max) == nil)
        session.bytesReceived(1, ofFrame: 1, now: 4000)
        #expect(session.deadlineReached(now: 33_999) == nil)
        let error = session.deadlineReached(now: 34_000)
        #expect(error?.code == .timedOut && error?.message.contains("nothing of it came for 30000 ms") == true)
        #expect(session.state == .closing)
    }

    @Test func `A frame that comes drop by drop closes, frames behind each other have their own time`() throws {
        var session = try Self.session(.open)
        session.bytesReceived(100, ofFrame: 20, now: 0)
        for second in 1...29 { session.bytesReceived(1, ofFrame: 20 + second, now: Int64(second) * 1000) }
        #expect(session.nextDeadline == 30_000, "a drip of bytes gains no time")
        // Its end and another one's beginning come together: all of that one is among them.
        session.bytesReceived(500, ofFrame: 500, now: 29_500)
        #expect(session.nextDeadline == 59_500)
        // As many as have come may also be more of the same frame.
        session.bytesReceived(500, ofFrame: 1000, now: 30_000)
        #expect(session.deadlineReached(now: 59_514) == nil)
        let error = session.deadlineReached(now: 59_515)
        #expect(error?.code == .timedOut && error?.verdict.maybeStored == false)
        #expect(
            error?.message
                == "a frame has begun and comes too slowly: 1000 bytes in 30015 ms; after 30000 ms it comes at 65536 "
                + "bytes a second on average")
    }

    @Test func `Closing is said once, and a connection without Hello has nothing to drain`() throws {
        for phase in Phase.allCases {
            var session = try Self.session(phase)
            #expect(session.close() == (phase != .closing))
            #expect(session.close() == false)
            var other = try Self.session(phase)
            #expect(other.drain() == (phase == .awaitingHello))
            #expect(other.drain() == false)
            var third = try Self.session(phase)
            #expect(third.inputEnded() == (phase == .awaitingHello), "without Hello there is nothing to answer")
            #expect(third.inputEnded() == false)
            #expect(third.close() == (phase != .closing && phase != .awaitingHello))
            #expect(third.ending == nil)
        }
    }

    @Test func `When the input has ended, or the node goes down, nothing waits for news`() throws {
        for phase in Phase.allCases {
            var session = try Self.session(phase)
            #expect((session.ending != nil) == (phase == .draining || phase == .finishing))
            // The rest of a frame that has begun does not come any more.
            if phase == .finishing { session.bytesReceived(1, ofFrame: 1, now: 4000) }
            if phase == .finishing { #expect(session.deadlineReached(now: .max) == nil) }
        }
    }
}
