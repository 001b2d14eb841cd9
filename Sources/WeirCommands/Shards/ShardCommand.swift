// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirClient
import WeirJSON
import WeirModel

struct ShardCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shard", abstract: "List, split, merge and rescale the shards of a stream.",
        subcommands: [
            ShardListCommand.self, ShardSplitCommand.self, ShardMergeCommand.self, ShardRescaleCommand.self,
        ])
}

struct ShardListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the shards of a stream that can be read, closed ones too.",
        discussion: """
            Examples:
              weir shard list access
              weir shard list access --json
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @OptionGroup var format: JSONOption
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let shards = try await self.connection.withClient { client in
            try await client.listShards(try await client.describeStream(self.stream).id)
        }
        let output = StandardOutput()
        if self.format.json {
            for shard in shards { ShardText.object(shard).write(to: output.bytes) }
        } else {
            var table = ShardText.table
            for shard in shards { table.append(ShardText.row(shard)) }
            table.write(to: output.bytes)
        }
        try output.flush()
    }
}

struct ShardSplitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "split", abstract: "Close a shard and open two that share its keys.",
        discussion: """
            Examples:
              weir shard split access shardId-000000000002
              weir shard split access 2 --at 200000000000000000000000000000000000000
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @Argument(help: "The shard, such as shardId-000000000002 or 2.", transform: Arguments.shard)
    var shard: ShardNumber
    @Option(
        help: ArgumentHelp("First hash key of the upper shard (default: the middle).", valueName: "hash-key"),
        transform: Arguments.hashKey)
    var at: HashKey?
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let reshard = try await self.connection.withClient { client in
            try await client.splitShard(try await client.describeStream(self.stream).id, self.shard, at: self.at)
        }
        try StandardOutput.write(ShardText.summary(reshard))
    }
}

struct ShardMergeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge", abstract: "Close two neighbours and open one for their keys.",
        discussion: """
            Examples:
              weir shard merge access shardId-000000000004 shardId-000000000005
              weir shard merge access 4 5
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @Argument(help: "A shard.", transform: Arguments.shard)
    var shard: ShardNumber
    @Argument(help: "Its neighbour.", transform: Arguments.shard)
    var neighbour: ShardNumber
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let reshard = try await self.connection.withClient { client in
            try await client.mergeShards(try await client.describeStream(self.stream).id, self.shard, self.neighbour)
        }
        try StandardOutput.write(ShardText.summary(reshard))
    }
}

struct ShardRescaleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rescale", abstract: "Share the key space evenly among another number of shards, in one step.",
        discussion: """
            Examples:
              weir shard rescale access --to 16
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @Option(
        help: ArgumentHelp(
            "Number of open shards, \(Limits.shardsPerStream.lowerBound) to \(Limits.shardsPerStream.upperBound).",
            valueName: "n"), transform: Arguments.shardCount)
    var to: Int
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let reshard = try await self.connection.withClient { client in
            try await client.rescale(try await client.describeStream(self.stream).id, to: self.to)
        }
        try StandardOutput.write(ShardText.summary(reshard))
    }
}

/// Shards as they are printed.
enum ShardText {
    static func summary(_ reshard: Reshard) -> String {
        if reshard.opened.isEmpty { return "nothing to change\n" }
        return reshard.closed.map { "closed \($0)\n" }.joined() + reshard.opened.map { "opened \($0)\n" }.joined()
    }

    static var table: Table {
        Table([
            ("SHARD", .left), ("STATE", .left), ("PARENTS", .left), ("FIRST HASH KEY", .right),
            ("LAST HASH KEY", .right), ("CREATED", .left), ("CLOSED", .left),
        ])
    }

    static func row(_ shard: ShardDescription) -> [String] {
        [
            shard.number.description, Self.state(shard),
            shard.parents.isEmpty ? "-" : shard.parents.map { String($0.rawValue) }.joined(separator: ","),
            shard.range.lower.description, shard.range.upper.description,
            TimeText.describe(shard.createdAtMillis / 1000 * 1000),
            shard.closed.map { TimeText.describe($0.atMillis / 1000 * 1000) } ?? "-",
        ]
    }

    static func state(_ shard: ShardDescription) -> String { shard.isOpen ? "OPEN" : "CLOSED" }

    static func object(_ shard: ShardDescription) -> JSONObject {
        var object = JSONObject()
        object.set("shardId", shard.number.description)
        object.set("state", Self.state(shard))
        object.set("parentShardIds", .texts(shard.parents.map(\.description)))
        object.set("startingHashKey", shard.range.lower.description)
        object.set("endingHashKey", shard.range.upper.description)
        object.set("startingSequenceNumber", shard.startingSequenceNumber.description)
        object.set("endingSequenceNumber", shard.endingSequenceNumber?.description)
        object.set("createdAt", .time(shard.createdAtMillis))
        object.set("closedAt", shard.closed.map { .time($0.atMillis) } ?? .null)
        return object
    }
}
