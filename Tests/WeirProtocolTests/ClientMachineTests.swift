// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@Suite struct ClientMachineTests {
    enum Phase: String, CaseIterable, Sendable {
        case connecting, greeting, open, closed
    }

    private static let answer = HelloAnswer(
        nodeID: 1, putCreditBytes: 1000, putCreditRequests: 3, frameBytesMax: 65_536, serverTimeMillis: 0,
        serverName: "weir test")

    /// The id of request `count` in slot `slot`: slots are taken from 0 up.
    private static func id(_ count: UInt64, slot: Int) -> UInt64 { count << 16 | UInt64(slot) }
    private static let pingID = Self.id(1, slot: 0)

    /// When open, a ping is outstanding with `pingID`.
    private static func session(_ phase: Phase, outstandingMax: Int = 8) throws -> ClientMachine {
        var session = ClientMachine(hello: try Hello(clientName: "test"), outstandingMax: outstandingMax)
        if phase == .connecting { return session }
        #expect(session.connected() == (try Hello(clientName: "test").frame(correlation: 1)))
        #expect(session.connected() == [])
        if phase == .greeting { return session }
        _ = try Self.answer.encode().exactly { raw throws(WeirError) in try session.helloAnswered(payload: raw) }
        #expect(session.request(.ping, bytes: 0) == .send(correlation: Self.pingID))
        if phase == .closed { _ = session.closed(WeirError(.unavailable, "gone")) }
        return session
    }

    private static func describe(_ received: ClientMachine.Received) -> String {
        switch received {
        case .helloAnswer: "hello answer"
        case .answer(let request): "answer \(request.type) \(request.slot)"
        case .failure(let request): "failure \(request.type) \(request.slot)"
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
            FrameHeader(.helloAnswer, length: 40, correlation: Self.pingID),
            ["violation", "violation", "violation", "violation"]
        ),
        (FrameHeader(.error, length: 40, correlation: 1), ["violation", "hello refused", "violation", "violation"]),
        (
            FrameHeader(.pingAnswer, length: 8, correlation: Self.pingID),
            ["violation", "violation", "answer ping 0", "violation"]
        ),
        (
            FrameHeader(.error, length: 40, correlation: Self.pingID),
            ["violation", "violation", "failure ping 0", "violation"]
        ),
        (
            FrameHeader(.statusAnswer, length: 8, correlation: Self.pingID),
            ["violation", "violation", "violation", "violation"]
        ),
        (
            FrameHeader(.pingAnswer, length: 8, correlation: Self.id(2, slot: 0)),
            ["violation", "violation", "violation", "violation"]
        ),
        (
            FrameHeader(.pingAnswer, length: 8, correlation: Self.id(1, slot: 65_535)),
            ["violation", "violation", "violation", "violation"]
        ),
        (FrameHeader(.error, length: 8, correlation: 0), ["violation", "violation", "violation", "violation"]),
        (FrameHeader(.pingAnswer, length: 8, correlation: 3), ["violation", "violation", "violation", "violation"]),
        (
            FrameHeader(.recordsPush, length: 8, correlation: 0),
            ["violation", "violation", "push recordsPush", "violation"]
        ),
        (
            FrameHeader(.closing, length: 8, correlation: 0),
            ["push closing", "push closing", "push closing", "violation"]
        ),
        (
            FrameHeader(.ping, length: 0, correlation: Self.pingID),
            ["violation", "violation", "violation", "violation"]
        ),
        (
            FrameHeader(rawType: 0x7777, flags: 0, length: 0, correlation: Self.pingID),
            ["violation", "violation", "violation", "violation"]
        ),
        (
            FrameHeader(rawType: FrameType.pingAnswer.rawValue, flags: 1, length: 8, correlation: Self.pingID),
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
            #expect(session.request(.ping, bytes: 0) == .wait)
            #expect(!session.mayPut(0))
            #expect(session.phase == .beforeHello)
        }
        var closed = try Self.session(.closed)
        guard case .refuse(let error) = closed.request(.ping, bytes: 0) else {
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
        #expect(session.request(.ping, bytes: 0) == .send(correlation: Self.id(2, slot: 1)))
        #expect(session.request(.ping, bytes: 0) == .send(correlation: Self.id(3, slot: 2)))
        #expect(session.request(.ping, bytes: 0) == .wait)
        #expect(session.outstandingCount == 3)
        let answer = FrameHeader(.pingAnswer, length: 8, correlation: Self.id(2, slot: 1))
        #expect(Self.describe(session.received(answer)) == "answer ping 1")
        #expect(Self.describe(session.received(answer)) == "violation", "answered twice")
        #expect(session.request(.ping, bytes: 0) == .send(correlation: Self.id(4, slot: 1)))
    }

    @Test(arguments: [1, 3, 4096]) func `A worker's signs of life have places that no other request takes`(
        _ outstandingMax: Int
    ) throws {
        var session = try Self.session(.open, outstandingMax: outstandingMax)
        var others = 0
        while case .send = session.request(.checkpoint, bytes: 0) { others += 1 }
        #expect(session.outstandingCount == outstandingMax && others <= outstandingMax)
        for type in [FrameType.subscribe, .putRecords, .ping] {
            #expect(session.request(type, bytes: 0) == .wait)
        }
        var signs = 0
        while case .send = session.request([.heartbeat, .joinGroup, .leaveGroup][signs % 3], bytes: 0) { signs += 1 }
        #expect(signs == 16)
    }

    @Test func `Puts keep to the credit, with the server's arithmetic`() throws {
        var session = try Self.session(.open)
        func put(_ bytes: Int) -> ClientMachine.Admission {
            let may = session.mayPut(bytes)
            let admission = session.request(.putRecords, bytes: bytes)
            if case .send = admission { #expect(may) } else { #expect(!may) }
            return admission
        }
        #expect(put(600) == .send(correlation: Self.id(2, slot: 1)))
        #expect(put(401) == .wait)
        #expect(put(400) == .send(correlation: Self.id(3, slot: 2)))
        #expect(put(0) == .send(correlation: Self.id(4, slot: 3)))
        #expect(put(0) == .wait)
        _ = session.received(FrameHeader(.putRecordsAnswer, length: 64, correlation: Self.id(2, slot: 1)))
        #expect(put(601) == .wait)
        #expect(put(600) == .send(correlation: Self.id(5, slot: 1)))
        for correlation in [Self.id(3, slot: 2), Self.id(4, slot: 3), Self.id(5, slot: 1)] {
            _ = session.received(FrameHeader(.error, length: 64, correlation: correlation))
        }
        #expect(put(65_536) == .send(correlation: Self.id(6, slot: 1)), "one put alone may be larger than the credit")
        guard case .refuse(let error) = session.request(.putRecords, bytes: 65_537) else {
            Issue.record("a frame above the limit is sent")
            return
        }
        #expect(error.code == .frameTooLarge)
    }

    @Test func `When the connection is gone, puts have an unknown outcome and others are unavailable`() throws {
        var session = try Self.session(.open)
        _ = session.request(.putRecords, bytes: 10)
        _ = session.request(.splitShard, bytes: 10)
        _ = session.request(.getRecords, bytes: 10)
        let ended = session.closed(WeirError(.timedOut, "a frame has begun"))
        #expect(ended.map(\.request.type) == [.ping, .putRecords, .splitShard, .getRecords])
        #expect(ended.map(\.request.slot) == [0, 1, 2, 3])
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
            if case .send(let correlation) = client.request(.putRecords, bytes: bytes) {
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
