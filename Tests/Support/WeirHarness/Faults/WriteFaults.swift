// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel
import WeirProtocol

/// Commits that fail, on the disk or not: nothing acknowledged is lost, nothing undone is told as done, and everybody
/// is answered.
enum WriteFaults {
    static let cases: [FaultCase] =
        FaultPage.Commit.allCases.map { kind in
            FaultCase("after a commit that failed (\(kind)) every call is answered within seconds") {
                try await Self.everyCall($0, kind)
            }
        } + [
            FaultCase("a deletion that was lost with its write is told to no subscriber", Self.lostDeletion),
            FaultCase("commits that fail under load lose nothing that was acknowledged", Self.underLoad),
            FaultCase("a disk that goes on failing ends the server with a sentence, and nothing is lost", Self.forGood),
        ]

    private static let soon = Duration.seconds(5)

    /// Connections on several loops, each of which must learn what happened.
    private static func everyCall(_ scene: Scene, _ kind: FaultPage.Commit) async throws -> String {
        let faults = try await FaultPage.make(in: scene.folder)
        let server = try await scene.serve(["event-loops": "3"], faults: faults)
        try await server.weir.succeed("stream", "create", "s", "--shards", "2")
        var connections: [RawConnection] = []
        for _ in 0..<6 {
            let connection = try await RawConnection.open(server)
            try await connection.hello()
            connections.append(connection)
        }
        let stream = try await connections[0].call(DescribeStream(stream: .name("s"))).stream.id
        let stored = try await connections[0].put(stream, [(key: "k", data: [1])], correlation: 10)
        try require(stored == [nil], "a put was refused: \(stored)")
        faults.failCommits(1, kind)
        let refusal = try await Self.refusal("the put that failed") {
            _ = try await connections[1].put(stream, [(key: "k", data: [2])], correlation: 11)
        }
        try require(refusal?.code == .outcomeUnknown, "the put that failed was answered by \(refusal as Any)")
        try require(faults.failedWrites == 1, "\(faults.failedWrites) writes have failed")
        var slowest = 0.0
        for connection in connections {
            slowest = max(slowest, try await Self.callEverything(connection, stream))
        }
        try await server.provesThatItWorks()
        let lines = try await server.lines(of: "s")
        for connection in connections { connection.close() }
        let expected = kind == .lost ? 1 : 2
        try require(lines.count == expected, "\(lines.count) records are there, not \(expected)")
        try await server.stop()
        return "slowest answer \(Int(slowest)) ms"
    }

    private static func refusal(_ what: String, _ body: () async throws -> Void) async throws -> WeirError? {
        do {
            try await body()
            return nil
        } catch let error as WeirError {
            return error
        }
    }

    /// Calls that commit nothing, each answered by what it asks or by an error. Returns the longest time in ms.
    private static func callEverything(_ connection: RawConnection, _ stream: StreamID) async throws -> Double {
        var questions = Questions(connection)
        try await questions.ask(Ping())
        try await questions.ask(Status())
        try await questions.ask(ListStreams())
        try await questions.ask(DescribeStream(stream: .id(stream)))
        try await questions.ask(ListShards(stream: stream, filter: .fromTrimHorizon))
        try await questions.ask(ListApplications(stream: stream))
        try await questions.ask(ListLeases(stream: stream, application: "none"))
        try await questions.ask(ListConsumers(stream: stream))
        // It is there already.
        try await questions.ask(CreateStream(name: "s", shards: 2, settings: StreamSettings()))
        try await questions.ask(GetShardIterator(stream: stream, shard: ShardNumber(0), start: .trimHorizon))
        // It is not there.
        try await questions.ask(DeleteStream(stream: StreamID(999_999)))
        return questions.slowest
    }

    private struct Questions {
        let connection: RawConnection
        var slowest = 0.0

        init(_ connection: RawConnection) { self.connection = connection }

        mutating func ask<C: WireCall>(_ call: C) async throws {
            let watch = Stopwatch()
            do {
                _ = try await self.connection.call(call, within: WriteFaults.soon)
            } catch is WeirError {
                // An answer too.
            } catch {
                throw HarnessError("\(C.self) after a failed write: \(error)")
            }
            self.slowest = max(self.slowest, watch.milliseconds)
        }
    }

    // MARK: Subscribers

    private static func lostDeletion(_ scene: Scene) async throws -> String {
        let faults = try await FaultPage.make(in: scene.folder)
        let server = try await scene.serve(["event-loops": "2"], faults: faults)
        let caller = try await RawConnection.open(server)
        try await caller.hello()
        var lost = 0
        for round in 0..<40 where lost < 12 {
            let settings = StreamSettings(limits: .open)
            let stream = try await caller.call(CreateStream(name: "r\(round)", shards: 1, settings: settings))
                .stream.id
            let subscriber = try await RawConnection.open(server)
            try await subscriber.hello()
            _ = try await subscriber.call(
                Subscribe(stream: stream, shard: ShardNumber(0), start: .index(0), creditBytes: 1 << 20))
            faults.failCommits(1, .lost)
            _ = try await Self.refusal("DeleteStream") { _ = try await caller.call(DeleteStream(stream: stream)) }
            faults.failCommits(0, .lost)
            // A commit, so that the log goes on.
            try await Waiting.until("a stream after a failed write", within: .seconds(10)) {
                try await Self.refusal("CreateStream") {
                    _ = try await caller.call(CreateStream(name: "c\(round)", shards: 1, settings: settings))
                } == nil
            }
            let isGone =
                try await Self.refusal("DescribeStream") {
                    _ = try await caller.call(DescribeStream(stream: .id(stream)))
                }?.code == .streamNotFound
            if isGone { continue }
            lost += 1
            let put = try await caller.put(stream, [(key: "k", data: [7])], correlation: 20)
            try require(put == [nil], "a put to a stream that is still there: \(put)")
            let frame = try require(try await subscriber.frame(within: Self.soon), "the subscriber's connection ended")
            try require(
                frame.header.type == .recordsPush,
                "round \(round): the stream is still there, but its subscriber got a frame of type "
                    + "\(frame.header.rawType): \(Self.ended(frame))")
            subscriber.close()
        }
        caller.close()
        try require(lost >= 12, "only \(lost) deletions were lost: nothing was proved")
        try await server.stop()
        return "\(lost) deletions lost"
    }

    private static func ended(_ frame: RawConnection.Frame) -> String {
        guard frame.header.type == .subscriptionEnded,
            let ended = try? frame.payload.withUnsafeBytes({ try SubscriptionEnded(payload: $0) })
        else { return "" }
        return ended.error.message
    }

    // MARK: Load

    private static func underLoad(_ scene: Scene) async throws -> String {
        let faults = try await FaultPage.make(in: scene.folder)
        let server = try await scene.serve(["event-loops": "2"], faults: faults)
        let report = try await Traffic.run("failing commits", server, rate: 3000) { traffic in
            var failed: [Int64] = []
            for round in 0..<6 {
                let before = faults.failedCommits
                faults.failCommits(1, round % 2 == 0 ? .lost : .landed)
                try await Waiting.until("a commit that fails") { faults.failedCommits > before }
                failed.append(faults.lastFailedMillis)
                // More than was on its way: then the log serves again.
                let acknowledged = traffic.load.acknowledged
                try await Waiting.until("acknowledgements after a failed write", within: .seconds(20)) {
                    try traffic.check()
                    return traffic.load.acknowledged > acknowledged + 500
                }
            }
            return failed
        }
        try require(report.isGood, report.description)
        try await server.stop()
        return report.description
    }

    private static func forGood(_ scene: Scene) async throws -> String {
        let faults = try await FaultPage.make(in: scene.folder)
        let server = try await scene.serve(faults: faults)
        try await server.weir.succeed("stream", "create", "s", "--shards", "1")
        try await server.weir.run(["put", "s", "--key", "k"], input: .bytes(Array("one\ntwo\n".utf8))).expect(0)
        faults.failCommits(.max, .lost)
        let put = try await scene.start(
            ["put", "s", "--key", "k", "--timeout", "2s"], server: server, input: .bytes(Array("three\n".utf8)))
        let ending = try await server.process.ended(within: .seconds(30))
        try require(ending == .exit(1), "the server ended with \(ending): \(server.process.errors.text)")
        let said = try require(server.process.errors.lines.last { $0.contains("weir: ") }, "it says nothing")
        try require(said.contains("writ"), "why it ended is not clear: \(said)")
        try await put.kill9()
        faults.failCommits(0, .lost)
        let next = try await scene.serve(faults: faults)
        let lines = try await next.lines(of: "s")
        try require(Array(lines.prefix(2)) == ["one", "two"], "what was acknowledged is not there: \(lines)")
        try await next.provesThatItWorks()
        try await next.stop()
        return said
    }
}
