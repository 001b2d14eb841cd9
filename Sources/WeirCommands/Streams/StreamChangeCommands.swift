// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirClient
import WeirModel

struct StreamUpdateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Change what a stream is set to; what is not named stays.",
        discussion: """
            A shorter retention hides the older records at once; a longer one brings nothing back.

            Examples:
              weir stream update access --retention 48h
              weir stream update access --limits open --max-size none
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var name: StreamName
    @Option(help: "How long records are kept, 1h to 8760h.", transform: Arguments.retention)
    var retention: Int64?
    @Option(
        help: ArgumentHelp(MaxSizeHelp.text + ", or none.", valueName: "size|none"),
        transform: { $0 == "none" ? .none : .bytes(try Arguments.sizeCap($0)) })
    var maxSize: StreamChange.SizeCap?
    @Option(help: LimitsHelp.text, transform: Arguments.limits)
    var limits: LimitsProfile?
    @Option(
        help: ArgumentHelp("Data and key of one record, 1MiB to 10MiB.", valueName: "size"),
        transform: Arguments.recordBytes)
    var maxRecord: Int?
    @OptionGroup var connection: ConnectionOptions

    var change: StreamChange {
        StreamChange(
            retentionMillis: self.retention, maxBytes: self.maxSize, limits: self.limits,
            recordBytesMax: self.maxRecord)
    }

    func validate() throws {
        guard self.change != StreamChange() else {
            throw ValidationError("nothing to change: name --retention, --max-size, --limits or --max-record")
        }
    }

    func run() async throws {
        let stream = try await self.connection.withClient { client in
            let stream = try await client.describeStream(self.name)
            return try await client.updateStream(stream.id, self.change)
        }
        try StandardOutput.write("updated \(StreamText.summary(stream))\n")
    }
}

struct StreamTrimCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trim", abstract: "Hide, for good, the records that arrived before a time.",
        discussion: """
            Examples:
              weir stream trim access --before 2026-01-31T12:00:00Z
              weir stream trim access --before 90m
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var name: StreamName
    @Option(
        help: "RFC 3339, seconds or milliseconds since 1970, or how long ago, such as 90m.", transform: Arguments.time)
    var before: TimePoint
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let before = try await self.connection.withClient { client in
            let stream = try await client.describeStream(self.name)
            let now = try await client.serverMillis(for: .time(self.before))
            let before = self.before.millis(serverMillis: now)
            try await client.trimStream(stream.id, beforeMillis: before)
            return before
        }
        try StandardOutput.write("trimmed \(self.name): records from before \(TimeText.describe(before)) are gone\n")
    }
}

struct StreamDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a stream with all its records. Nobody is asked.",
        discussion: """
            Examples:
              weir stream delete access
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var name: StreamName
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await self.connection.withClient { client in
            try await client.deleteStream(try await client.describeStream(self.name).id)
        }
        try StandardOutput.write("deleted \(self.name)\n")
    }
}
