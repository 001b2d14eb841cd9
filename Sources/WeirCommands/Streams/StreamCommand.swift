// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirClient
import WeirJSON
import WeirModel

struct StreamCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stream", abstract: "Make, list, describe, change, trim and delete streams.",
        subcommands: [
            StreamCreateCommand.self, StreamListCommand.self, StreamDescribeCommand.self, StreamUpdateCommand.self,
            StreamTrimCommand.self, StreamDeleteCommand.self,
        ])
}

struct StreamCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a stream.",
        discussion: """
            Examples:
              weir stream create access
              weir stream create clicks --shards 16 --retention 168h --max-size 8GiB
              weir stream create bulk --limits open
              weir stream create small --limits records-in=100,bytes-in=65536
            """)

    @Argument(help: "1 to 128 of a-z, A-Z, 0-9, '_', '.' and '-'.", transform: Arguments.stream)
    var name: StreamName
    @Option(
        help:
            """
            Number of shards, \(Limits.shardsPerStream.lowerBound) to \(Limits.shardsPerStream.upperBound) \
            (default: 4).
            """,
        transform: Arguments.shardCount)
    var shards = 4
    @Option(help: "How long records are kept, 1h to 8760h (default: 24h).", transform: Arguments.retention)
    var retention: Int64?
    @Option(
        help: ArgumentHelp(MaxSizeHelp.text + " (default: no cap).", valueName: "size"),
        transform: Arguments.sizeCap)
    var maxSize: Int64?
    @Option(help: LimitsHelp.text, transform: Arguments.limits)
    var limits: LimitsProfile?
    @Option(
        help: ArgumentHelp("Data and key of one record, 1MiB to 10MiB (default: 1MiB).", valueName: "size"),
        transform: Arguments.recordBytes)
    var maxRecord: Int?
    @OptionGroup var connection: ConnectionOptions

    var settings: StreamSettings {
        StreamSettings(
            retentionMillis: self.retention ?? Limits.retentionMillisDefault, maxBytes: self.maxSize,
            limits: self.limits ?? .kinesis, recordBytesMax: self.maxRecord ?? Limits.recordBytesDefault)
    }

    func run() async throws {
        let stream = try await self.connection.withClient { client in
            try await client.createStream(self.name, shards: self.shards, settings: self.settings)
        }
        try StandardOutput.write("created \(StreamText.summary(stream))\n")
    }
}

enum MaxSizeHelp {
    static let text = "Bytes of the newest records that stay; older ones go, a segment of the log at a time"
}

enum LimitsHelp {
    static let text = ArgumentHelp(
        "Rates of each shard: kinesis (the default of a new stream), open (none), or KEY=VALUE,... with bytes-in, "
            + "records-in, bytes-out, reads-out per second.", valueName: "kinesis|open|key=value,...")
}

struct StreamListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the streams of the server.",
        discussion: """
            Examples:
              weir stream list
              weir stream list --json
            """)

    @OptionGroup var format: JSONOption
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let output = StandardOutput()
        try await self.connection.withClient { client in
            var table = StreamText.table
            for try await stream in client.streams {
                if self.format.json {
                    StreamText.object(stream).write(to: output.bytes)
                    try output.flushIfFull()
                } else {
                    table.append(StreamText.row(stream))
                }
            }
            if !self.format.json { table.write(to: output.bytes) }
        }
        try output.flush()
    }
}

struct StreamDescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Show what a stream is set to.",
        discussion: """
            Examples:
              weir stream describe access
              weir stream describe access --json
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var name: StreamName
    @OptionGroup var format: JSONOption
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let stream = try await self.connection.withClient { try await $0.describeStream(self.name) }
        let output = StandardOutput()
        if self.format.json {
            StreamText.object(stream).write(to: output.bytes)
        } else {
            StreamText.properties(stream).write(to: output.bytes)
        }
        try output.flush()
    }
}
