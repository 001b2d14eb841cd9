// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirModel
import WeirProtocol

@testable import WeirServer

@Suite struct DescriptorPlanTests {
    struct Row: Sendable {
        let limit: Int?
        let connections: Int
        let loops: Int
        let allowed: Int
        let turnedAway: Int
        let readFiles: Int
    }

    @Test(arguments: [
        // What systemd, containers and shells give.
        Row(limit: nil, connections: 1100, loops: 1, allowed: 1100, turnedAway: 64, readFiles: 256),
        Row(limit: 1 << 20, connections: 1100, loops: 4, allowed: 1100, turnedAway: 64, readFiles: 256),
        Row(limit: .max, connections: 65_536, loops: 64, allowed: 65_536, turnedAway: 64, readFiles: 256),
        Row(limit: 4096, connections: 1100, loops: 4, allowed: 1100, turnedAway: 64, readFiles: 256),
        Row(limit: 1300, connections: 1100, loops: 1, allowed: 1100, turnedAway: 64, readFiles: 93),
        Row(limit: 1024, connections: 1100, loops: 1, allowed: 888, turnedAway: 61, readFiles: 32),
        Row(limit: 1024, connections: 100, loops: 1, allowed: 100, turnedAway: 61, readFiles: 256),
        Row(limit: 256, connections: 1100, loops: 1, allowed: 174, turnedAway: 13, readFiles: 26),
        Row(limit: 200, connections: 1100, loops: 1, allowed: 129, turnedAway: 9, readFiles: 19),
        Row(limit: 64, connections: 1100, loops: 1, allowed: 13, turnedAway: 4, readFiles: 4),
        Row(limit: 59, connections: 1100, loops: 1, allowed: 8, turnedAway: 4, readFiles: 4),
        Row(limit: 55, connections: 3, loops: 1, allowed: 3, turnedAway: 4, readFiles: 5),
        Row(limit: 52, connections: 1, loops: 1, allowed: 1, turnedAway: 4, readFiles: 4),
    ])
    func `A limit of open files allows so many connections`(_ row: Row) throws {
        let plan = try DescriptorPlan(limit: row.limit, connectionsMax: row.connections, loops: row.loops)
        #expect(plan.connections == row.allowed)
        #expect(plan.turnedAway == row.turnedAway)
        #expect(plan.readFiles == row.readFiles)
        #expect((plan.sentence == nil) == (row.allowed == row.connections))
    }

    @Test func `What is allowed, why, and what to raise is said in a sentence`() throws {
        let plan = try DescriptorPlan(limit: 200, connectionsMax: 1100, loops: 1)
        #expect(
            plan.sentence
                == "the system lets this process have 200 files open: 129 connections are allowed instead of 1100 "
                + "(connections.max), so that the log never lacks a file; 1239 open files would do for all. Raise the "
                + "hard limit: ulimit -Hn, LimitNOFILE of a systemd unit, --ulimit nofile of a container")
        let error = #expect(throws: NodeError.self) {
            try DescriptorPlan(limit: 58, connectionsMax: 1100, loops: 1)
        }
        #expect(
            error?.description
                == "the system lets this process have 58 files open, which is too few for a server: with 1 event loops "
                + "and 1100 connections it wants 1239. Raise the hard limit: ulimit -Hn, LimitNOFILE of a systemd "
                + "unit, --ulimit nofile of a container")
    }

    @Test func `Whatever the limit, all shares together keep it, more of it never allows less, and its advice holds`()
        throws
    {
        for loops in [1, 2, 4, 64] {
            for connections in [1, 2, 7, 8, 9, 100, 1100, 65_536] {
                let kept = DescriptorPlan.ofProcess + DescriptorPlan.ofLog + DescriptorPlan.ofLoop * loops
                var last = 0
                for limit in Array(0...700) + Array(stride(from: 701, to: 70_000, by: 61)) {
                    guard let plan = try? DescriptorPlan(limit: limit, connectionsMax: connections, loops: loops) else {
                        #expect(last == 0, "more files are refused: \(limit)")
                        continue
                    }
                    let all = kept + plan.connections + plan.turnedAway + plan.readFiles
                    #expect(all <= limit, "\(plan) of \(limit)")
                    #expect(plan.connections >= min(connections, 8) && plan.connections <= connections)
                    #expect(DescriptorPlan.turnedAwayRange.contains(plan.turnedAway))
                    #expect((4...DescriptorPlan.readFilesMax).contains(plan.readFiles), "\(plan) of \(limit)")
                    #expect(plan.connections >= last, "\(limit) files allow fewer connections than one less")
                    last = plan.connections
                }
                let wanted = kept + 64 + 32 + connections
                let plan = try DescriptorPlan(limit: wanted, connectionsMax: connections, loops: loops)
                #expect(plan.connections == connections && plan.sentence == nil)
            }
        }
    }
}

@Suite struct PlacesTests {
    @Test func `There are so many places, and whoever waits is called once when one is free`() {
        let places = Places(2)
        let calls = Counted()
        #expect(places.take { calls.add() })
        #expect(places.take { calls.add() })
        #expect(!places.take { calls.add() })
        #expect(!places.take { calls.add() })
        places.giveBack()
        #expect(calls.value == 2 && places.free == 1, "who waits tries again")
        places.giveBack()
        #expect(calls.value == 2 && places.free == 2)
    }

    /// With files for a few connections only, as the plan of a low limit allows them.
    private static let openFilesMax = 64

    @Test func `A crowd beyond the files of the process is refused or waits, and takes nobody's place`() async throws {
        try await TestNode.run(openFilesMax: Self.openFilesMax) {
            $0.loops = 1
            $0.lingerMillis = 200
        } _: { node in
            let plan = try DescriptorPlan(limit: Self.openFilesMax, connectionsMax: 1100, loops: 1)
            let (client, stream) = try node.stream()
            var crowd: [RawClient] = []
            for _ in 0..<plan.connections - 1 { crowd.append(try node.connect()) }
            var outside: [RawClient] = []
            for _ in 0..<30 { outside.append(try node.connect(hello: false)) }
            // Each of them is told, some only when others have left.
            for one in outside {
                let error = try #require(try one.receiveClosing())
                #expect(error.code == .limitExceeded)
                #expect(error.message.contains("\(plan.connections) are allowed"))
            }
            #expect(try client.put(stream, [TestRecord("a")]).stored == 1)
            outside = []
            crowd.removeLast()
            var again: RawClient?
            let deadline = ContinuousClock.now + .seconds(20)
            while again == nil, ContinuousClock.now < deadline { again = try? node.connect() }
            #expect(try #require(again).ask(Ping()).type == .pingAnswer)
        }
    }
}

private final class Counted: Sendable {
    private let state = Mutex(0)
    var value: Int { self.state.withLock { $0 } }
    func add() { self.state.withLock { $0 += 1 } }
}
