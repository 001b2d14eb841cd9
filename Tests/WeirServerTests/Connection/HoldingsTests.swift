// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol
import WeirTestKit

@testable import WeirEngine
@testable import WeirServer

@Suite struct HoldingsTests {
    /// Sizes around what a connection has for itself, which is where counting branches.
    private static func size(_ random: inout SplitMix64) -> Int {
        let around = [0, 1, Holdings.ownBytes - 1, Holdings.ownBytes, Holdings.ownBytes + 1, 1 << 20]
        return Bool.random(using: &random)
            ? around.randomElement(using: &random) ?? 0 : Int.random(in: 0...(2 * Holdings.ownBytes), using: &random)
    }

    @Test func `The node counts what its connections hold beyond their own part, whatever comes and goes`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(seed: seed)
        let budget = MemoryBudget(bytesMax: 4 << 20)
        var connections = (0..<5).map { _ in Holdings(budget) }
        var model = (0..<5).map { _ in [Holdings.Kind: Int]() }
        for _ in 0..<5000 {
            let chosen = Int.random(in: 0..<5, using: &random)
            let kind = Holdings.Kind.allCases.randomElement(using: &random) ?? .waiting
            switch Int.random(in: 0..<20, using: &random) {
            case 0:
                connections[chosen].close()
                connections[chosen].set(kind, 1 << 20)
                #expect(connections[chosen].bytes == 0, "one that is gone holds nothing, whatever comes late")
                connections[chosen] = Holdings(budget)
                model[chosen] = [:]
            case 1...5:
                let by = Self.size(&random)
                connections[chosen].change(kind, by: by)
                model[chosen][kind, default: 0] += by
            default:
                let bytes = Self.size(&random)
                connections[chosen].set(kind, bytes)
                model[chosen][kind] = bytes
            }
            let sums = model.map { $0.values.reduce(0, +) }
            #expect(connections.map(\.bytes) == sums, "seed \(seed)")
            let shared = sums.map { max(0, $0 - Holdings.ownBytes) }.reduce(0, +)
            #expect(budget.reservedBytes == shared, "seed \(seed)")
            for (connection, sum) in zip(connections, sums) {
                #expect(connection.mayGrow == (sum < Holdings.ownBytes || shared < budget.bytesMax), "seed \(seed)")
            }
        }
        for position in connections.indices { connections[position].close() }
        #expect(budget.reservedBytes == 0, "seed \(seed)")
    }
}

/// What few bytes of requests make a node hold, on a disk that stands still and for a client that does not read.
@Suite struct HeldMemoryTests {
    private static let shards = 500

    /// Answers of these lists are large, and what they say waits for the disk.
    private func flood(_ client: RawClient, _ stream: StreamID, _ count: Int) throws {
        var bytes: [UInt8] = []
        for number in 0..<count {
            bytes += ListShards(stream: stream, filter: .atLatest).frame(correlation: UInt64(10_000 + number))
        }
        try client.send(bytes)
    }

    /// Reads the answers to a flood; returns how many were lists and how many refusals.
    private func answers(_ client: RawClient, _ count: Int) throws -> (lists: Int, refused: Int) {
        var (lists, refused) = (0, 0)
        for number in 0..<count {
            let answer = try client.answer(to: UInt64(10_000 + number))
            if let error = answer.error {
                #expect(error.code == .limitExceeded || error.code == .unavailable)
                #expect(error.verdict == .init(maybeStored: false, retry: .after(millis: 100)))
                refused += 1
            } else {
                #expect(answer.type == .listShardsAnswer)
                lists += 1
            }
        }
        return (lists, refused)
    }

    @Test func `While the disk stands still requests are kept and not their answers, and signs of life go on`()
        async throws
    {
        try await TestNode.runOnFaultyDisk { node, disk in
            let (client, stream) = try node.stream(shards: UInt32(Self.shards))
            let worker = try TestWorker(node, stream, "a", timeout: 60_000)
            disk.hold()
            let settings = StreamSettings()
            try client.send(CreateStream(name: "t", shards: 1, settings: settings).frame(correlation: 5))
            disk.waitUntilHeld()
            try self.flood(client, stream, 1200)
            // An answer that needs no log says that all before it was taken up.
            #expect(try client.ask(Ping()).type == .pingAnswer)
            let held = node.node.core.engine.heldMemory
            let one = Self.shards * 128
            #expect(held.reservedBytes > 0)
            // Buffers grow to powers of two; beside the answers there are a thousand requests of a few bytes.
            #expect(held.reservedBytes <= 2 * (Holdings.waitingBytesMax + one) + 1024 * 512)
            // A worker is alive, on the same connection too.
            let unchanged = worker.heartbeat(waiting: 0)
            for other in [client, worker.client] {
                try other.send(unchanged.frame(correlation: 77))
                #expect(try other.ask(Ping()).type == .pingAnswer)
            }
            disk.letGo(nil)
            #expect(try client.answer(to: 5).type == .createStreamAnswer)
            let (lists, refused) = try self.answers(client, 1200)
            #expect(lists >= 1024 && lists + refused == 1200)
            #expect(try client.answer(to: 77).type == .heartbeatAnswer)
            #expect(try worker.client.answer(to: 77).type == .heartbeatAnswer)
            #expect(held.reservedBytes == 0)
        }
    }

    @Test func `Requests of many connections share one bound, and each may still speak`() async throws {
        try await TestNode.run({ $0.heldMemoryBytesMax = 1 << 20 }) { node in
            let (first, stream) = try node.stream(shards: UInt32(Self.shards))
            let slow = try (0..<12).map { _ in try node.connect(receiveBytes: 4096) }
            for client in slow { try self.flood(client, stream, 200) }
            let held = node.node.core.engine.heldMemory
            let one = Self.shards * 128
            while held.reservedBytes < held.bytesMax { await Task.yield() }
            // Each goes over the bound by one answer at most.
            #expect(held.reservedBytes <= held.bytesMax + (slow.count + 1) * one)
            #expect(try first.ask(Ping()).type == .pingAnswer)
            let asked = DescribeStream(stream: .id(stream))
            #expect(try first.call(asked, StreamAnswer.self).stream.id == stream)
            // One that reads at last gets an answer to each of its requests.
            let (lists, refused) = try self.answers(slow[0], 200)
            #expect(lists >= 1 && lists + refused == 200)
            // Each goes over the bound by one answer at most.
            #expect(held.reservedBytes <= held.bytesMax + (slow.count + 1) * one)
            for client in slow { client.close() }
            while held.reservedBytes > 0 { await Task.yield() }
        }
    }
}
