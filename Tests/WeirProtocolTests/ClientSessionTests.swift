// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@Suite struct ClientSessionTests {
    typealias Session = ClientSession<String>

    enum Phase: String, CaseIterable, Sendable {
        case connecting, greeting, open, closed
    }

    private static let answer = HelloAnswer(
        nodeID: 1, putCreditBytes: 1000, putCreditRequests: 3, frameBytesMax: 65_536, serverTimeMillis: 0,
        serverName: "weir test")

    /// When open, a ping is outstanding with correlation id 2.
    private static func session(_ phase: Phase, outstandingMax: Int = 8) throws -> Session {
        var session = Session(hello: try Hello(clientName: "test"), outstandingMax: outstandingMax)
        if phase == .connecting { return session }
        #expect(session.connected() == (try Hello(clientName: "test").frame(correlation: 1)))
        #expect(session.connected() == [])
        if phase == .greeting { return session }
        _ = try Self.answer.encode().exactly { raw throws(WeirError) in try session.helloAnswered(payload: raw) }
        #expect(session.request(.ping, bytes: 0, context: "ping") == .send(correlation: 2))
        if phase == .closed { _ = session.closed(WeirError(.unavailable, "gone")) }
        return session
    }

    private static func describe(_ received: Session.Received) -> String {
        switch received {
        case .helloAnswer: "hello answer"
        case .answer(let type, let context): "answer \(type) \(context)"
        case .failure(let type, let context): "failure \(type) \(context)"
        case .helloRefused: "hello refused"
        case .push(let type): "push \(type)"
        case .violation: "violation"
        }
    }

    /// Frame, and what it is when connecting, greeting, open, closed.
    private static let table: [(FrameHeader, [String])] = [
        (
            FrameHeader(.helloAnswer, length: 40, correlation: 1),
            ["violation", "hello answer", "violation", "violation"]
        ),
        (
            FrameHeader(.helloAnswer, length: 40, correlation: 2),
            ["violation", "violation", "violation", "violation"]
        ),
        (FrameHeader(.error, length: 40, correlation: 1), ["violation", "hello refused", "violation", "violation"]),
        (
            FrameHeader(.pingAnswer, length: 8, correlation: 2),
            ["violation", "violation", "answer ping ping", "violation"]
        ),
        (
            FrameHeader(.error, length: 40, correlation: 2),
            ["violation", "violation", "failure ping ping", "violation"]
        ),
        (
            FrameHeader(.statusAnswer, length: 8, correlation: 2),
            ["violation", "violation", "violation", "violation"]
        ),
        (FrameHeader(.pingAnswer, length: 8, correlation: 3), ["violation", "violation", "violation", "violation"]),
        (
            FrameHeader(.recordsPush, length: 8, correlation: 0),
            ["violation", "violation", "push recordsPush", "violation"]
        ),
        (
            FrameHeader(.closing, length: 8, correlation: 0),
            ["violation", "push closing", "push closing", "violation"]
        ),
        (FrameHeader(.ping, length: 0, correlation: 2), ["violation", "violation", "violation", "violation"]),
        (
            FrameHeader(rawType: 0x7777, flags: 0, length: 0, correlation: 2),
            ["violation", "violation", "violation", "violation"]
        ),
        (
            FrameHeader(rawType: FrameType.pingAnswer.rawValue, flags: 1, length: 8, correlation: 2),
            ["violation", "violation", "violation", "violation"]
        ),
    ]

    @Test(arguments: Phase.allCases, Self.table.indices)
    func `Every frame in every state`(_ phase: Phase, _ row: Int) throws {
        let (header, expected) = Self.table[row]
        var session = try Self.session(phase)
        let received = Self.describe(session.received(header))
        #expect(received == expected[Phase.allCases.firstIndex(of: phase) ?? 0], "\(header) when \(phase)")
    }

    @Test func `Nothing is sent before Hello is answered`() throws {
        for phase in [Phase.connecting, .greeting] {
            var session = try Self.session(phase)
            #expect(session.request(.ping, bytes: 0, context: "") == .wait)
            #expect(!session.mayPut(0))
            #expect(session.phase == .beforeHello)
        }
        var closed = try Self.session(.closed)
        guard case .refuse(let error) = closed.request(.ping, bytes: 0, context: "") else {
            Issue.record("a closed session sends")
            return
        }
        #expect(error.code == .unavailable)
        #expect(try Self.session(.open).phase == .open(frameBytesMax: Limits.frameBytesMax))
    }

    @Test func `A server of a version that was not asked for is refused`() throws {
        for version: UInt16 in [0, 2] {
            var session = try Self.session(.greeting)
            let answer = HelloAnswer(
                version: version, nodeID: 1, putCreditBytes: 1, putCreditRequests: 1, frameBytesMax: 4096,
                serverTimeMillis: 0, serverName: "")
            let error = #expect(throws: WeirError.self) {
                _ = try answer.encode().exactly { raw throws(WeirError) in try session.helloAnswered(payload: raw) }
            }
            #expect(error?.code == .unsupportedVersion)
        }
    }

    @Test func `Correlation ids are never used twice, and requests are bounded`() throws {
        var session = try Self.session(.open, outstandingMax: 3)
        #expect(session.request(.ping, bytes: 0, context: "a") == .send(correlation: 3))
        #expect(session.request(.ping, bytes: 0, context: "b") == .send(correlation: 4))
        #expect(session.request(.ping, bytes: 0, context: "c") == .wait)
        #expect(session.outstandingCount == 3)
        let received = session.received(FrameHeader(.pingAnswer, length: 8, correlation: 3))
        #expect(Self.describe(received) == "answer ping a")
        #expect(Self.describe(session.received(FrameHeader(.pingAnswer, length: 8, correlation: 3))) == "violation")
        #expect(session.request(.ping, bytes: 0, context: "c") == .send(correlation: 5))
    }

    @Test func `Puts keep to the credit, with the server's arithmetic`() throws {
        var session = try Self.session(.open)
        func put(_ bytes: Int) -> Session.Admission {
            let may = session.mayPut(bytes)
            let admission = session.request(.putRecords, bytes: bytes, context: "")
            if case .send = admission { #expect(may) } else { #expect(!may) }
            return admission
        }
        #expect(put(600) == .send(correlation: 3))
        #expect(put(401) == .wait)
        #expect(put(400) == .send(correlation: 4))
        #expect(put(0) == .send(correlation: 5))
        #expect(put(0) == .wait)
        _ = session.received(FrameHeader(.putRecordsAnswer, length: 64, correlation: 3))
        #expect(put(601) == .wait)
        #expect(put(600) == .send(correlation: 6))
        for correlation: UInt64 in [4, 5, 6] {
            _ = session.received(FrameHeader(.error, length: 64, correlation: correlation))
        }
        #expect(put(65_536) == .send(correlation: 7), "one put alone may be larger than the credit")
        guard case .refuse(let error) = session.request(.putRecords, bytes: 65_537, context: "") else {
            Issue.record("a frame above the limit is sent")
            return
        }
        #expect(error.code == .frameTooLarge)
    }

    @Test func `When the connection is gone, puts have an unknown outcome and others are unavailable`() throws {
        var session = try Self.session(.open)
        _ = session.request(.putRecords, bytes: 10, context: "put")
        _ = session.request(.splitShard, bytes: 10, context: "split")
        _ = session.request(.getRecords, bytes: 10, context: "get")
        let ended = session.closed(WeirError(.timedOut, "a frame has begun"))
        #expect(ended.map(\.context) == ["ping", "put", "split", "get"])
        #expect(ended.map(\.error.code) == [.unavailable, .outcomeUnknown, .unavailable, .unavailable])
        #expect(ended.map(\.error.verdict.maybeStored) == [false, true, true, false])
        #expect(ended.allSatisfy { $0.error.message.contains("a frame has begun") })
        #expect(session.closed(WeirError(.unavailable, "")).isEmpty)
        #expect(session.outstandingCount == 0)
    }

    @Test func `Client and server agree on the credit, whatever is sent and answered`() throws {
        var random = SplitMix64(seed: 1)
        var client = try Self.session(.open)
        var server = ServerSession(
            .init(serverName: "", nodeID: 1, putCreditBytes: 1000, putCreditRequests: 3, frameBytesMax: 65_536), now: 0)
        _ = try Hello(clientName: "").encode().exactly { server.helloReceived(payload: $0, serverTimeMillis: 0) }
        var underWay: [(UInt64, Int)] = []
        for _ in 0..<5000 {
            let bytes = Int.random(in: 0...600, using: &random)
            if case .send(let correlation) = client.request(.putRecords, bytes: bytes, context: "") {
                let header = FrameHeader(.putRecords, length: bytes, correlation: correlation)
                #expect(server.headerReceived(header) == .take(.putRecords))
                underWay.append((correlation, bytes))
            } else if let answered = underWay.indices.randomElement(using: &random) {
                let (correlation, bytes) = underWay.remove(at: answered)
                server.putFinished(bytes: bytes)
                _ = client.received(FrameHeader(.putRecordsAnswer, length: 64, correlation: correlation))
            }
        }
        #expect(underWay.count <= 3)
    }
}
