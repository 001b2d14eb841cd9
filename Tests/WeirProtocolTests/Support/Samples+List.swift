// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

extension Samples {
    static let all =
        Self.connection + Self.streams + Self.shards + Self.puts + Self.reads + Self.groups
        + Self.deliveries

    private static var hello: Hello {
        guard
            let hello = try? Hello(
                clientName: "weir-cli 0.1", sessionID: 0x1122_3344_5566_7788, connectionNumber: 0x0a)
        else {
            preconditionFailure("Hello refuses its own sample")
        }
        return hello
    }

    private static var connection: [Sample] {
        [
            Sample("hello", Self.hello, correlation: 1),
            Sample(
                "hello-answer",
                HelloAnswer(
                    nodeID: Self.nodeID, putCreditBytes: 33_554_432, putCreditRequests: 1024,
                    frameBytesMax: 16_777_216, serverTimeMillis: Self.time, serverName: "weir 0.1.0"),
                .helloAnswer, correlation: 1),
            Sample("ping", Ping(), correlation: 2),
            Sample("ping-answer", PingAnswer(serverTimeMillis: Self.time), .pingAnswer, correlation: 2),
            Sample("status", Status(), correlation: 3),
            Sample(
                "status-answer",
                StatusAnswer(
                    numbers: [.init("uptime-ms", 60_000), .init("streams", 1)], texts: [.init("version", "0.1.0")]),
                .statusAnswer, correlation: 3),
            Sample(
                "error", ErrorAnswer(error: WeirError(.streamNotFound, "no stream clicks")), .error, correlation: 4),
            Sample(
                "closing", push: Closing(error: WeirError(.unavailable, "the server is going down"))),
        ]
    }

    private static var streams: [Sample] {
        [
            Sample(
                "create-stream", CreateStream(name: "clicks", shards: 4, settings: Self.settings), correlation: 5),
            Sample(
                "create-stream-profile",
                CreateStream(name: "clicks", shards: 4, settings: Self.settings).told(to: Wire.features),
                correlation: 5),
            Sample(
                "create-stream-answer", StreamAnswer(stream: Self.description("clicks")), .createStreamAnswer,
                correlation: 5),
            Sample("describe-stream-by-name", DescribeStream(stream: .name("clicks")), correlation: 6),
            Sample("describe-stream-by-id", DescribeStream(stream: .id(Self.stream)), correlation: 7),
            Sample("list-streams", ListStreams(afterName: "a", limit: 100), correlation: 8),
            Sample(
                "list-streams-answer", ListStreamsAnswer(streams: [Self.description("clicks")], hasMore: true),
                .listStreamsAnswer, correlation: 8),
            Sample(
                "list-streams-answer-profile",
                ListStreamsAnswer(streams: [Self.description("clicks")], hasMore: true).told(to: Wire.features),
                .listStreamsAnswer, correlation: 8),
            Sample(
                "update-stream-profile",
                UpdateStream(stream: Self.stream, retentionMillis: 3_600_000, sizeCap: .removed, limits: .open)
                    .told(to: Wire.features), correlation: 9),
            Sample(
                "update-stream",
                UpdateStream(stream: Self.stream, retentionMillis: 3_600_000, sizeCap: .removed, limits: .open),
                correlation: 9),
            Sample(
                "update-stream-cap",
                UpdateStream(stream: Self.stream, sizeCap: .set(1 << 20), recordBytesMax: 10_485_760), correlation: 10),
            Sample("trim-stream", TrimStream(stream: Self.stream, beforeMillis: Self.time), correlation: 11),
            Sample("trim-stream-answer", Empty(), .trimStreamAnswer, correlation: 11),
            Sample("delete-stream", DeleteStream(stream: Self.stream), correlation: 12),
        ]
    }

    private static var shards: [Sample] {
        [
            Sample(
                "list-shards",
                ListShards(
                    stream: Self.stream, filter: .fromTimestamp(Self.time), after: ShardNumber(0), limit: 1000),
                correlation: 13),
            Sample("list-shards-open", ListShards(stream: Self.stream, filter: .atLatest), correlation: 14),
            Sample(
                "list-shards-answer",
                ListShardsAnswer(mapVersion: 9, shards: [Self.closedShard, Self.openShard], hasMore: false),
                .listShardsAnswer, correlation: 13),
            Sample(
                "split-shard", SplitShard(stream: Self.stream, shard: ShardNumber(1), at: Self.quarter),
                correlation: 15),
            Sample(
                "split-shard-answer",
                ReshardAnswer(mapVersion: 10, closed: [ShardNumber(1)], opened: [ShardNumber(4), ShardNumber(5)]),
                .splitShardAnswer, correlation: 15),
            Sample(
                "merge-shards", MergeShards(stream: Self.stream, first: ShardNumber(4), second: ShardNumber(5)),
                correlation: 16),
            Sample("update-shard-count", UpdateShardCount(stream: Self.stream, target: 16), correlation: 17),
        ]
    }

    static var groupedPut: [UInt8] {
        var writer = PutRecordsWriter(
            PutRecords.Header(stream: Self.stream, mapVersion: 9, sequence: 41, seenThrough: 38))
        writer.append(shard: ShardNumber(1), body: Self.twoRecords)
        writer.append(shard: ShardNumber(2), body: Self.oneRecord)
        return writer.finish(correlation: 18)
    }

    static var routedPut: [UInt8] {
        var writer = PutRecordsWriter(PutRecords.Header(stream: Self.stream, mapVersion: 0))
        writer.append(shard: nil, body: Self.twoRecords)
        return writer.finish(correlation: 19)
    }

    static let stored = PutEntry(
        shard: ShardNumber(1), count: 1,
        outcome: .stored(.init(firstIndex: 998, arrivalMillis: Self.time, shardCreationSecond: 1_700_000_000)))

    private static var puts: [Sample] {
        // Shard 1 took one record and then had no rate left; shard 2 has been closed.
        var grouped = PutRecordsAnswerWriter(mapVersion: 10, entries: 3)
        grouped.append(Self.stored)
        grouped.append(PutEntry(shard: ShardNumber(1), count: 1, refused: .throughputExceeded))
        grouped.append(PutEntry(shard: ShardNumber(2), count: 1, refused: .wrongShard))
        var routed = PutRecordsAnswerWriter(mapVersion: 9, entries: 2, records: 2)
        let first = routed.append(PutEntry(shard: ShardNumber(0), count: 1, refused: .outcomeUnknown))
        let second = routed.append(Self.stored)
        routed.appendRecord(inEntry: first)
        routed.appendRecord(inEntry: second)
        return [
            Sample("put-grouped", put: Self.groupedPut, correlation: 18),
            Sample("put-grouped-answer", putAnswer: grouped.finish(correlation: 18), correlation: 18),
            Sample("put-routed", put: Self.routedPut, correlation: 19),
            Sample("put-routed-answer", putAnswer: routed.finish(correlation: 19), correlation: 19),
        ]
    }

    private static var reads: [Sample] {
        let shard = ShardNumber(1)
        let number = SequenceNumber(
            shardCreationSecond: 1_700_000_000, shard: shard, index: 999, arrivalSecond: 1_700_000_005)
        func iterator(_ name: String, _ start: ShardIteratorType, _ correlation: UInt64) -> Sample {
            Sample(
                name, GetShardIterator(stream: Self.stream, shard: shard, start: start), correlation: correlation)
        }
        return [
            iterator("get-shard-iterator-trim-horizon", .trimHorizon, 20),
            iterator("get-shard-iterator-latest", .latest, 21),
            iterator("get-shard-iterator-at", .atSequenceNumber(number), 22),
            iterator("get-shard-iterator-after", .afterSequenceNumber(number), 23),
            iterator("get-shard-iterator-timestamp", .atTimestamp(Self.time), 24),
            Sample(
                "get-shard-iterator-answer", GetShardIteratorAnswer(iterator: Self.token.encode()),
                .getShardIteratorAnswer, correlation: 24),
            Sample(
                "get-records",
                GetRecords(iterator: Self.token.encode(), limit: 500, maxBytes: 1_048_576, waitMillis: 5000),
                correlation: 25),
            Sample(
                "get-records-quoted",
                GetRecords(
                    from: .place(Self.stream, shard, .index(1001)), limit: 500, maxBytes: 1_048_576,
                    lease: .init(application: Self.application, counter: 3)), correlation: 25),
            Sample(
                "get-records-answer", records: Self.recordsHeader.answerHead(correlation: 25) + Self.batches,
                correlation: 25),
            Sample(
                "get-records-answer-end", records: Self.endHeader.answerHead(correlation: 26), correlation: 26),
            Sample(
                "subscribe",
                Subscribe(stream: Self.stream, shard: shard, start: .index(1001), creditBytes: 1_048_576),
                correlation: 27),
            Sample("subscribe-answer", SubscribeAnswer(subscription: 5), .subscribeAnswer, correlation: 27),
            Sample("records-push", recordsPush: Self.push),
            Sample("credit", push: Credit(subscription: 5, bytes: 262_144)),
            Sample("unsubscribe", Unsubscribe(subscription: 5), correlation: 28),
            Sample(
                "subscription-ended",
                push: SubscriptionEnded(subscription: 5, error: WeirError(.streamDeleted, "clicks was deleted"))),
        ]
    }

    private static var push: [UInt8] {
        var header = Self.recordsHeader
        header.nextIterator = nil
        header.missedRecords = 0
        return header.pushHead(subscription: 5) + Self.batches
    }
}
