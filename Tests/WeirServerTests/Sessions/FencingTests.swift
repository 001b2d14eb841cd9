// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@testable import WeirServer

@Suite struct FencingTests {
    @Test func `A newer connection of a session ends the older one before it is answered`() async throws {
        try await TestNode.run {
            $0.loops = 3
        } _: { node in
            let (watcher, stream) = try node.stream()
            var older = try node.connect(session: 42)
            for round in 0..<12 {
                // Half of a put is on its way when the newer one comes.
                let frame = RawClient.putFrame(stream, [(nil, [TestRecord("lost-\(round)")])], correlation: 9)
                try older.send(Array(frame.prefix(frame.count - 1)))
                let newer = try node.connect(session: 42)
                _ = older.sendWithoutWaiting(Array(frame.suffix(1)))
                #expect(try newer.put(stream, [TestRecord("kept-\(round)")]).stored == 1)
                #expect(try older.receiveClosing()?.code == .sessionFenced)
                older = newer
            }
            #expect(try watcher.readAll(stream).map(\.key) == (0..<12).map { "kept-\($0)" })
            #expect(try older.ask(Ping()).type == .pingAnswer)
        }
    }

    @Test func `A connection that its client has given up takes nothing over, however late its Hello comes`()
        async throws
    {
        try await TestNode.run {
            $0.loops = 3
        } _: { node in
            let (_, stream) = try node.stream()
            for round in UInt64(0)..<12 {
                let givenUp = try node.connect(hello: false)
                let good = try node.connect(hello: false)
                try good.hello(session: 42, number: 2 * round + 2)
                try givenUp.send(
                    Hello(clientName: "late", sessionID: 42, connectionNumber: 2 * round + 1).frame(correlation: 1))
                #expect(try givenUp.receiveClosing()?.code == .sessionFenced)
                #expect(try good.put(stream, [TestRecord("kept")], sequence: 2 * round + 1).stored == 1)
                // One that its client made later does take over.
                if round == 11 {
                    try node.connect(hello: false).hello(session: 42, number: 2 * round + 3)
                    #expect(try good.receiveClosing()?.code == .sessionFenced)
                }
            }
        }
    }

    @Test func `Connections without a session do not fence each other`() async throws {
        try await TestNode.run { node in
            let first = try node.connect()
            let second = try node.connect()
            let third = try node.connect(session: 1)
            let fourth = try node.connect(session: 2)
            for client in [first, second, third, fourth] { #expect(try client.ask(Ping()).type == .pingAnswer) }
            third.close()
            #expect(try node.connect(session: 1).ask(Ping()).type == .pingAnswer)
        }
    }

    @Test func `Of many that come at once for one session exactly the last one stays`() async throws {
        try await TestNode.run {
            $0.loops = 3
        } _: { node in
            let (_, stream) = try node.stream()
            for _ in 0..<10 {
                let clients = try (0..<8).map { _ in try node.connect(hello: false) }
                for client in clients {
                    try client.send(Hello(clientName: "many", sessionID: 7).frame(correlation: 1))
                    // What follows Hello at once waits for it.
                    try client.send(RawClient.putFrame(stream, [(nil, [TestRecord("k")])], correlation: 2))
                }
                var alive = 0
                for client in clients {
                    _ = client.sendWithoutWaiting(Ping().frame(correlation: 3))
                    var pinged = false
                    while let frame = try client.receive() {
                        if frame.type == .pingAnswer {
                            pinged = true
                            // It may yet be fenced: only who answers a second time is the last.
                            break
                        }
                        if frame.type == .closing { break }
                    }
                    if pinged { alive += 1 }
                }
                #expect(alive >= 1)
                #expect(node.node.core.sessions.count == 1)
                for client in clients { client.close() }
            }
        }
    }
}
