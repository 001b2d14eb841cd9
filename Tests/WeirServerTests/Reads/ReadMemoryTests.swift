// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@testable import WeirServer

/// What reads make the node hold.
@Suite struct ReadMemoryTests {
    /// Until the node holds nothing, or has had time enough to let go of it.
    private func settle(_ bytes: () -> Int, _ client: RawClient) throws {
        for _ in 0..<2000 where bytes() > 0 { #expect(try client.ask(Ping()).type == .pingAnswer) }
    }

    @Test func `A connection that ends while positions are looked up for it holds nothing afterwards`() async throws {
        try await TestNode.runOnFaultyDisk { node, disk in
            let (client, stream) = try node.stream()
            let held = node.node.core.engine.heldMemory
            for round in 0..<10 {
                let goes = try node.connect()
                disk.hold()
                try goes.send(
                    CreateStream(name: "s-\(round)", shards: 1, settings: StreamSettings()).frame(correlation: 2))
                disk.waitUntilHeld()
                // One waits for the disk, many are looked up, and a Credit that says nothing ends the connection.
                var frames = Subscribe(
                    stream: stream, shard: ShardNumber(0), start: .index(0), creditBytes: 1
                ).frame(correlation: 3)
                for number in 0..<800 {
                    frames += GetShardIterator(stream: stream, shard: ShardNumber(0), start: .trimHorizon)
                        .frame(correlation: 4 + UInt64(number))
                }
                var broken = [UInt8](repeating: 0, count: FrameHeader.bytes)
                broken.withUnsafeMutableBytes { FrameHeader(.credit, length: 0, correlation: 0).write(to: $0) }
                try goes.send(frames + broken)
                #expect(try goes.receiveClosing()?.code == .malformedRequest)
                goes.close()
                disk.letGo(nil)
                #expect(try client.put(stream, [TestRecord("k")]).stored == 1)
            }
            try self.settle({ held.reservedBytes }, client)
            #expect(held.reservedBytes == 0)
        }
    }

    @Test func `Reads from the disk take no more memory than there is, however large the batch that each gets`()
        async throws
    {
        let mebibyte = 1 << 20
        try await TestNode.run {
            $0.readMemoryBytesMax = 32 * mebibyte
            $0.storage.tailBytes = 1
        } _: { node in
            let (writer, stream) = try node.stream()
            // The last ones stay in memory, the first one does not.
            for _ in 0..<4 { #expect(try writer.put(stream, [TestRecord("k", bytes: 900_000)]).stored == 1) }
            let first = try writer.iterator(stream)
            let memory = node.node.core.engine.readMemory
            let slow = try node.connect(receiveBytes: 4096)
            for number in 0..<200 {
                try slow.send(
                    GetRecords(iterator: first, limit: 1, maxBytes: 1, waitMillis: 0)
                        .frame(correlation: 100 + UInt64(number)))
            }
            var most = 0
            for _ in 0..<2000 {
                #expect(try writer.ask(Ping()).type == .pingAnswer)
                most = max(most, memory.reservedBytes)
            }
            #expect(most <= memory.bytesMax, "\(most)")
            var (read, refused) = (0, 0)
            for number in 0..<200 {
                let answer = try slow.answer(to: 100 + UInt64(number))
                if let error = answer.error {
                    #expect(error.code == .unavailable)
                    refused += 1
                } else {
                    #expect(try ReadOut(answer).records.first?.dataBytes == 900_000)
                    read += 1
                }
            }
            #expect(read > 10 && read + refused == 200)
            try self.settle({ memory.reservedBytes }, writer)
            #expect(memory.reservedBytes == 0)
        }
    }

    @Test func `A slow client's subscriptions are served in turn, whatever credit the first one has`() async throws {
        try await TestNode.run { node in
            let (writer, stream) = try node.stream(shards: 2)
            for _ in 0..<12 {
                for key in [HashKey.min, HashKey.max] {
                    let record = TestRecord("k", bytes: 1_000_000, hashKey: key)
                    #expect(try writer.put(stream, [record]).stored == 1)
                }
            }
            let slow = try node.connect(receiveBytes: 4096)
            var seen: [ShardNumber: Int] = [:]
            for shard in 0..<2 as Range<UInt32> {
                try slow.send(
                    Subscribe(
                        stream: stream, shard: ShardNumber(shard), start: .index(0), creditBytes: .max
                    ).frame(correlation: 10 + UInt64(shard)))
            }
            for shard in 0..<2 as Range<UInt64> {
                #expect(try slow.answer(to: 10 + shard).type == .subscribeAnswer)
            }
            for _ in 0..<14 { seen[try slow.records().header.shard, default: 0] += 1 }
            #expect(seen.count == 2 && seen.values.allSatisfy { $0 >= 3 }, "\(seen)")
        }
    }
}
