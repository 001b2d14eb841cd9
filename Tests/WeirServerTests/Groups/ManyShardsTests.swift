// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@testable import WeirServer

/// One worker with many shards: what it says and what it is told grows with them.
@Suite struct ManyShardsTests {
    /// Around the number of measurements that fit into a plain request, and up to all that a stream can have open.
    @Test(arguments: [1, 300, 340, 341, 3_000, 10_000])
    func `A worker may say what it measured of every shard that it holds`(_ shards: Int) async throws {
        try await TestNode.run { node in
            let (_, stream) = try node.stream(shards: UInt32(shards))
            let worker = try TestWorker(node, stream, "only", timeout: 60_000)
            #expect(worker.leases.count == shards)
            let measured = worker.leases.map { Heartbeat.Measurement(shard: $0.shard, bytesPerSecond: 5) }
            let heartbeat = Heartbeat(
                member: worker.member, seenVersion: worker.version, waitMillis: 0, measured: measured)
            for pieces in [1, 3] {
                let answer = try Self.send(heartbeat, to: worker.client, in: pieces)
                #expect(answer.assignment.version == worker.version)
                #expect(answer.assignment.leases == nil, "nothing has changed")
            }
            #expect(node.node.core.listMemory.reservedBytes == 0)
        }
    }

    private static func send(
        _ heartbeat: Heartbeat, to client: RawClient, in pieces: Int
    ) throws -> HeartbeatAnswer {
        let correlation = client.nextCorrelation()
        let frame = heartbeat.frame(correlation: correlation)
        let size = max(1, frame.count / pieces)
        for start in stride(from: 0, to: frame.count, by: size) {
            try client.send(Array(frame[start..<min(start + size, frame.count)]))
        }
        let answer = try client.answer(to: correlation)
        if let error = answer.error { throw error }
        return try answer.decode()
    }

    @Test func `A heartbeat that is longer than all shards need is refused, and the connection lives on`() async throws
    {
        try await TestNode.run { node in
            let (_, stream) = try node.stream()
            let worker = try TestWorker(node, stream, "only", timeout: 60_000)
            let length = FrameType.heartbeatBytesMax + 1
            try worker.client.send(FrameHeader(.heartbeat, length: length, correlation: 7).encoded)
            try worker.client.send([UInt8](repeating: 0, count: length))
            let error = try #require(try worker.client.answer(to: 7).error)
            #expect(error.code == .frameTooLarge)
            #expect(error.message.contains("\(FrameType.heartbeatBytesMax)"))
            _ = try Self.send(worker.heartbeat(waiting: 0), to: worker.client, in: 1)
        }
    }

    @Test func `Without memory for long requests short ones are taken, and so are puts`() async throws {
        try await TestNode.run { node in
            let (_, stream) = try node.stream()
            let worker = try TestWorker(node, stream, "only", timeout: 60_000)
            let budget = node.node.core.listMemory
            let taken = budget.bytesMax - FrameType.plainRequestBytesMax
            #expect(budget.reserve(taken))
            let measured = (0..<1000).map { Heartbeat.Measurement(shard: ShardNumber($0), bytesPerSecond: 1) }
            let long = Heartbeat(member: worker.member, seenVersion: worker.version, waitMillis: 0, measured: measured)
            // So that it comes in pieces: memory is taken for the whole when its header is read.
            let frame = long.frame(correlation: 9)
            try worker.client.send(Array(frame[..<100]))
            let error = try #require(try worker.client.answer(to: 9).error)
            #expect(error.code == .unavailable)
            #expect(error.message.contains("\(budget.bytesMax)"))
            try worker.client.send(Array(frame[100...]))
            _ = try Self.send(worker.heartbeat(waiting: 0), to: worker.client, in: 2)
            budget.release(taken)
            _ = try Self.send(long, to: worker.client, in: 2)
        }
    }

    @Test func `A reset is told with its size to a client that can read it`() async throws {
        try await TestNode.run { node in
            let (_, stream) = try node.stream(shards: 3)
            _ = try TestWorker(node, stream, "only", timeout: 60_000)
            for (features, count) in [(UInt64(0), nil), (1, 3), (2, nil), (.max, 3)] as [(UInt64, Int?)] {
                let client = try node.connect(hello: false)
                try client.hello(features: features)
                for isDryRun in [true, false] {
                    let reset = ResetLeases(
                        stream: stream, application: "billing", target: .trimHorizon, isForced: true,
                        isDryRun: isDryRun, reason: "a test")
                    let answer = try client.call(reset, ResetLeasesAnswer.self)
                    #expect(answer.leases.count == 3)
                    #expect(answer.count == count, "features \(features)")
                }
            }
        }
    }
}
