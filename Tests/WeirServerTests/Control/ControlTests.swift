// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@testable import WeirServer

@Suite struct ControlTests {
    @Test func `A stream is made, found, listed, changed, trimmed and deleted`() async throws {
        try await TestNode.run { node in
            let client = try node.connect()
            let settings = StreamSettings(retentionMillis: 7_200_000, limits: .kinesis)
            let made = try client.call(
                CreateStream(name: "orders", shards: 3, settings: settings), StreamAnswer.self
            ).stream
            #expect(made.openShards == 3 && made.settings == settings && made.name.description == "orders")
            for reference in [.name("orders"), .id(made.id)] as [DescribeStream.Reference] {
                #expect(try client.call(DescribeStream(stream: reference), StreamAnswer.self).stream == made)
            }
            let changed = try client.call(
                UpdateStream(
                    stream: made.id, retentionMillis: 3_600_000, sizeCap: .set(1 << 30), limits: .open,
                    recordBytesMax: 2 << 20), StreamAnswer.self
            ).stream.settings
            #expect(changed.retentionMillis == 3_600_000 && changed.maxBytes == 1 << 30)
            #expect(changed.profile == .open && changed.recordBytesMax == 2 << 20)
            let uncapped = try client.call(UpdateStream(stream: made.id, sizeCap: .removed), StreamAnswer.self)
            #expect(uncapped.stream.settings.maxBytes == nil && uncapped.stream.settings.profile == .open)
            _ = try client.call(TrimStream(stream: made.id, beforeMillis: 1000), Empty.self)
            _ = try client.call(DeleteStream(stream: made.id), Empty.self)
            #expect(try client.refusal(DescribeStream(stream: .name("orders"))).code == .streamNotFound)
            #expect(try client.refusal(DescribeStream(stream: .id(made.id))).code == .streamDeleted)
        }
    }

    /// A profile is said by its name where both ends know that, and by the numbers of old elsewhere.
    @Test func `A stream keeps the profile that it was given, and not the numbers of today`() async throws {
        try await TestNode.run { node in
            let profiles: [LimitsProfile] = [
                .kinesis, .open, .explicit(LimitsProfile.kinesis.rates), .explicit(LimitsProfile.open.rates),
            ]
            for (features, isNamed) in [(Wire.features, true), (0, false), (Wire.Features.resetCount, false)] {
                let client = try node.connect(hello: false)
                try client.hello(features: features)
                for (number, profile) in profiles.enumerated() {
                    let name = "s-\(features)-\(number)"
                    let create = CreateStream(
                        name: SentName(name), shards: 1, settings: StreamSettings(limits: profile))
                    let made = try client.call(create.told(to: features), StreamAnswer.self)
                    #expect(made.namesProfile == isNamed)
                    let known = isNamed ? profile : LimitsProfile(named: profile.rates)
                    #expect(made.stream.settings.profile == known && made.stream.settings.limits == profile.rates)
                    let update = UpdateStream(stream: made.stream.id, limits: profiles[3 - number])
                    let changed = try client.call(update.told(to: features), StreamAnswer.self)
                    let next = isNamed ? profiles[3 - number] : LimitsProfile(named: profiles[3 - number].rates)
                    #expect(changed.stream.settings.profile == next)
                }
                let listed = try client.call(ListStreams(limit: 100), ListStreamsAnswer.self)
                #expect(listed.namesProfiles == isNamed)
                let own = listed.streams.filter { $0.name.description.hasPrefix("s-\(features)-") }
                #expect(own.count == 4)
            }
        }
    }

    @Test func `Streams are listed by name, in pages`() async throws {
        try await TestNode.run { node in
            let client = try node.connect()
            for name in ["c", "a", "e", "b", "d"] {
                _ = try client.call(
                    CreateStream(name: SentName(name), shards: 1, settings: StreamSettings()), StreamAnswer.self)
            }
            let first = try client.call(ListStreams(limit: 2), ListStreamsAnswer.self)
            #expect(first.streams.map(\.name.description) == ["a", "b"] && first.hasMore)
            let rest = try client.call(ListStreams(afterName: "b", limit: 3), ListStreamsAnswer.self)
            #expect(rest.streams.map(\.name.description) == ["c", "d", "e"] && !rest.hasMore)
            #expect(try client.refusal(ListStreams(afterName: "no/name")).code == .invalidArgument)
            #expect(try client.refusal(ListStreams(limit: 0)).code == .invalidArgument)
        }
    }

    @Test func `Shards are listed in pages and by filter, and resharding says what it did`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 4)
            let scaled = try client.call(UpdateShardCount(stream: stream, target: 2), ReshardAnswer.self)
            #expect(scaled.closed == (0..<4).map { ShardNumber($0) })
            #expect(scaled.opened.count == 2)
            let same = try client.call(UpdateShardCount(stream: stream, target: 2), ReshardAnswer.self)
            #expect(same.closed.isEmpty && same.opened.isEmpty && same.mapVersion == scaled.mapVersion)
            let open = try client.call(ListShards(stream: stream, filter: .atLatest), ListShardsAnswer.self)
            #expect(open.shards.map(\.number) == scaled.opened && open.mapVersion == scaled.mapVersion)
            let page = try client.call(
                ListShards(stream: stream, after: ShardNumber(0), limit: 2), ListShardsAnswer.self)
            #expect(page.shards.map(\.number) == [ShardNumber(1), ShardNumber(2)] && page.hasMore)
            let all = try client.call(ListShards(stream: stream), ListShardsAnswer.self)
            #expect(all.shards.count >= 6 && !all.hasMore)
            #expect(HashKeyRange.tiling(2) == open.shards.map(\.range))
        }
    }

    @Test func `What is not allowed is refused with what is, and the connection lives on`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream("taken", shards: 3)
            func create(_ name: String, _ shards: UInt32 = 1) throws -> WeirError {
                try client.refusal(CreateStream(name: SentName(name), shards: shards, settings: StreamSettings()))
            }
            #expect(try create("taken").code == .streamExists)
            #expect(try create("no spaces").code == .invalidArgument)
            #expect(try create("many", 10_001).message.contains("1 to 10000"))
            #expect(try create("none", 0).code == .invalidArgument)
            let short = StreamSettings(retentionMillis: 1000)
            #expect(
                try client.refusal(CreateStream(name: "x", shards: 1, settings: short)).message.contains(
                    "1 h to 8760 h"))
            let merge = try client.refusal(
                MergeShards(stream: stream, first: ShardNumber(0), second: ShardNumber(2)))
            #expect(merge.code == .invalidArgument)
            let split = try client.refusal(SplitShard(stream: stream, shard: ShardNumber(0), at: .max))
            #expect(split.code == .invalidArgument)
            #expect(try client.refusal(SplitShard(stream: stream, shard: ShardNumber(9))).code == .shardNotFound)
            #expect(try client.refusal(UpdateShardCount(stream: stream, target: 0)).code == .invalidArgument)
            #expect(try client.refusal(UpdateShardCount(stream: StreamID(50), target: 2)).code == .streamNotFound)
            #expect(try client.refusal(DeleteStream(stream: StreamID(50))).code == .streamNotFound)
            #expect(try client.refusal(ListShards(stream: StreamID(50))).code == .streamNotFound)
            #expect(try client.refusal(TrimStream(stream: stream, beforeMillis: .max)).code == .invalidArgument)
            #expect(try client.refusal(Unsubscribe(subscription: 3)).code == .invalidArgument)
            #expect(try client.ask(Ping()).type == .pingAnswer)
        }
    }

    @Test func `Status tells what the node has done`() async throws {
        try await TestNode.run { node in
            let (client, stream) = try node.stream(shards: 2)
            #expect(try client.put(stream, [TestRecord("abc", "defg"), TestRecord("x", "")]).stored == 2)
            #expect(try client.readAll(stream, 0).count + client.readAll(stream, 1).count == 2)
            _ = try client.refusal(DescribeStream(stream: .name("missing")))
            let status = try client.call(Status(), StatusAnswer.self)
            #expect(status[.streams] == 1 && status[.openShards] == 2 && status[.connections] == 1)
            #expect(status[.recordsIn] == 2 && status[.bytesIn] == 8 && status[.recordsOut] == 2)
            #expect((status[.durableLSN] ?? 0) > 0 && (status[.residentBytes] ?? 0) > 0)
            #expect(status[.dataDirectory] == node.folder)
            #expect(["direct", "buffered"].contains(status[.writeMode]))
            #expect(status.numbers.first { $0.name == "errors-StreamNotFound" }?.value == 1)
        }
    }

    @Test func `Many control calls at once are all answered`() async throws {
        try await TestNode.run { node in
            let client = try node.connect()
            for number in UInt64(0)..<200 {
                let name = "s\(number)"
                try client.send(
                    CreateStream(name: SentName(name), shards: 2, settings: StreamSettings()).frame(
                        correlation: 1000 + number))
                try client.send(DescribeStream(stream: .name(SentName(name))).frame(correlation: 2000 + number))
            }
            var answered: Set<UInt64> = []
            while answered.count < 400 {
                let frame = try #require(try client.receive())
                #expect(frame.error == nil)
                answered.insert(frame.header.correlation)
            }
        }
    }
}
