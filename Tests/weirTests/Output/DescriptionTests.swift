// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirClient
import WeirJSON
import WeirModel

@testable import WeirCommands

/// What scripts read.
@Suite struct DescriptionTests {
    private func json(_ object: JSONObject) -> String {
        let output = OutputBytes()
        object.write(to: output)
        return output.text
    }

    @Test func anOpenShard() {
        let shard = ShardDescription(
            number: ShardNumber(4), range: HashKeyRange(HashKey(0), HashKey(99)), parents: [],
            creationSecond: 1_700_000_000,
            firstIndex: 0, createdAtMillis: 1_700_000_000_250, closed: nil)
        #expect(
            self.json(ShardText.object(shard))
                == "{\"shardId\":\"shardId-000000000004\",\"state\":\"OPEN\",\"parentShardIds\":[],"
                + "\"startingHashKey\":\"0\",\"endingHashKey\":\"99\","
                + "\"startingSequenceNumber\":\"\(shard.startingSequenceNumber)\",\"endingSequenceNumber\":null,"
                + "\"createdAt\":1700000000.250,\"closedAt\":null}\n")
    }

    @Test func aClosedShardWithParents() throws {
        let shard = ShardDescription(
            number: ShardNumber(6), range: .all, parents: [ShardNumber(1), ShardNumber(2)],
            creationSecond: 1_700_000_000, firstIndex: 10, createdAtMillis: 1_700_000_000_000,
            closed: .init(endIndex: 20, atMillis: 1_700_000_060_000, children: [ShardNumber(7)]))
        let text = self.json(ShardText.object(shard))
        let ending = try #require(shard.endingSequenceNumber)
        #expect(text.contains("\"state\":\"CLOSED\""))
        #expect(text.contains("\"parentShardIds\":[\"shardId-000000000001\",\"shardId-000000000002\"]"))
        #expect(text.contains("\"endingSequenceNumber\":\"\(ending)\""))
        #expect(text.contains("\"closedAt\":1700000060.000"))
    }

    @Test func aStream() throws {
        let stream = StreamDescription(
            id: StreamID(9), name: try StreamName("access"),
            settings: StreamSettings(maxBytes: 8 << 30, limits: .open), createdAtMillis: 1_700_000_000_000,
            openShards: 4, mapVersion: 3, horizonMillis: 0)
        #expect(
            self.json(StreamText.object(stream))
                == "{\"streamName\":\"access\",\"streamId\":\"9\",\"openShardCount\":4,\"retentionMillis\":86400000,"
                + "\"maxSizeBytes\":8589934592,\"limits\":\"open\",\"maxRecordBytes\":1048576,\"mapVersion\":3,"
                + "\"createdAt\":1700000000.000,\"trimHorizon\":null}\n")
        #expect(
            StreamText.summary(stream) == "access: 4 open shards, retention 24h, newest 8GiB, limits open")
    }

    @Test func aStatusForPeopleHasUnits() {
        let output = OutputBytes()
        StatusText.properties(
            [("version", "weir 0.1.0")],
            [
                ("uptime-ms", 93_784_000), ("records-in", 1_234_567), ("bytes-in", 5 << 20), ("log-bytes", 3 << 30),
                ("fsync-p99-us", 412),
            ]
        ).write(to: output)
        #expect(
            output.text
                == "version     weir 0.1.0\nuptime      1 d 2 h\nrecords in  1,234,567\nbytes in    5.0 MiB\n"
                + "log         3.0 GiB\nfsync p99   412 us\n")
    }
}
