// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@Suite struct ClientSessionTests {
    private func openSession() throws -> ClientSession<String> {
        var session = ClientSession<String>(hello: try Hello(clientName: "test"), outstandingMax: 4)
        #expect(session.connected() == (try Hello(clientName: "test").frame(correlation: 1)))
        #expect(session.phase == .beforeHello)
        let answer = HelloAnswer(
            nodeID: 1, putCreditBytes: 1000, putCreditRequests: 3, frameBytesMax: 65_536, serverTimeMillis: 0,
            serverName: "weir test")
        _ = try answer.encode().exactly { raw throws(WeirError) in try session.helloAnswered(payload: raw) }
        #expect(session.state == .open(answer))
        return session
    }

    @Test func `Every answer finds what was kept for its request, in whatever order they come`() throws {
        var session = try self.openSession()
        var random = SplitMix64(seed: 3)
        var waiting: [UInt64: String] = [:]
        for count in 0..<2000 {
            let context = "request \(count)"
            if case .send(let correlation) = session.request(.ping, bytes: 0, context: context) {
                #expect(waiting.updateValue(context, forKey: correlation) == nil)
            }
            guard Bool.random(using: &random), let correlation = waiting.keys.sorted().randomElement(using: &random)
            else { continue }
            let failed = Bool.random(using: &random)
            let header = FrameHeader(failed ? .error : .pingAnswer, length: 8, correlation: correlation)
            let expected = waiting.removeValue(forKey: correlation)
            switch session.received(header) {
            case .answer(.ping, let context):
                #expect(!failed && context == expected)
            case .failure(.ping, let context):
                #expect(failed && context == expected)
            default: Issue.record("the answer to \(correlation) is not one")
            }
            #expect(session.outstandingCount == waiting.count)
        }
    }

    @Test func `At the end every request that is left is told, in the order of sending`() throws {
        var session = try self.openSession()
        #expect(session.mayPut(10))
        for context in ["a", "b", "c"] { _ = session.request(.putRecords, bytes: 10, context: context) }
        #expect(!session.mayPut(10))
        let ended = session.closed(WeirError(.unavailable, "gone"))
        #expect(ended.map(\.context) == ["a", "b", "c"])
        #expect(ended.map(\.type) == [.putRecords, .putRecords, .putRecords])
        #expect(ended.allSatisfy { $0.error.code == .outcomeUnknown })
        #expect(session.closed(WeirError(.unavailable, "gone")).isEmpty)
        #expect(session.state == .closed)
    }

    @Test func `What is no answer to a request is passed on`() throws {
        var session = try self.openSession()
        guard case .push(.recordsPush) = session.received(FrameHeader(.recordsPush, length: 8, correlation: 0)),
            case .violation = session.received(FrameHeader(.pingAnswer, length: 8, correlation: 9))
        else {
            Issue.record("a push or a violation is taken for something else")
            return
        }
        var greeting = ClientSession<String>(hello: try Hello(clientName: ""))
        _ = greeting.connected()
        guard case .helloAnswer = greeting.received(FrameHeader(.helloAnswer, length: 8, correlation: 1)),
            case .helloRefused = greeting.received(FrameHeader(.error, length: 8, correlation: 1))
        else {
            Issue.record("the answer to Hello is taken for something else")
            return
        }
    }
}
