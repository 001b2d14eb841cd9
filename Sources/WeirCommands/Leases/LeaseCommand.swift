// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirClient
import WeirJSON
import WeirModel

struct LeaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lease", abstract: "See how far applications have come; reset or delete what they remember.",
        subcommands: [LeaseListCommand.self, LeaseResetCommand.self, LeaseDeleteCommand.self])
}

struct LeaseListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the leases of an application, the worst lag first.",
        discussion: """
            A row a shard: who holds it, how far it was processed, what is still to be processed, how often the owner \
            changed since the last checkpoint. Without --app the applications of the stream are listed.

            Examples:
              weir lease list access
              weir lease list access --app billing
              weir lease list access --app billing --json
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @Option(help: "The application.", transform: Arguments.application)
    var app: ApplicationName?
    @OptionGroup var format: JSONOption
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let output = StandardOutput()
        try await self.connection.withClient { client in
            let stream = try await client.describeStream(self.stream).id
            if let app {
                let leases = LeaseText.worstFirst(try await client.leases(stream, application: app))
                LeaseText.write(leases, asJSON: self.format.json, to: output.bytes)
            } else {
                let applications = try await client.applications(stream)
                ApplicationText.write(applications, asJSON: self.format.json, to: output.bytes)
            }
        }
        try output.flush()
    }
}

struct LeaseResetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset", abstract: "Send an application elsewhere: back to read again, or forward to skip.",
        discussion: """
            Prints each lease with its checkpoint before and after; of an application with more than 40,000 leases \
            the first 40,000, and how many there are. Leases that workers hold are reset only with \
            --force: the workers lose them and begin anew. The reason can be seen with weir lease list.

            Examples:
              weir lease reset access --app billing --from trim-horizon --dry-run
              weir lease reset access --app billing --from 2h --reason "prices were wrong"
              weir lease reset access --app billing --from latest --force
              weir lease reset access --app billing --from 2026-01-31T12:00:00Z --shard 2
            """)

    static let usualReason = "weir lease reset"

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @Option(help: "The application.", transform: Arguments.application)
    var app: ApplicationName
    @Option(
        help: ArgumentHelp(
            "trim-horizon, latest, a time (RFC 3339, or seconds or milliseconds since 1970), how long ago, such as "
                + "10m, or the sequence number of the next record to process (with --shard).", valueName: "position"),
        transform: ReadPosition.parseFrom)
    var from: ReadPosition
    @Option(help: "Only this shard, such as shardId-000000000002 or 2.", transform: Arguments.shard)
    var shard: ShardNumber?
    @Flag(help: "Show what would be done, and do nothing.")
    var dryRun = false
    @Flag(help: "Also leases that workers hold.")
    var force = false
    @Option(
        help: ArgumentHelp(
            "Why, at most \(Limits.reasonBytesMax) bytes (default: \(Self.usualReason)).", valueName: "text"),
        transform: Arguments.reason)
    var reason = Self.usualReason
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard case .sequence(let number) = self.from else { return }
        guard let shard else { throw ValidationError("--from with a sequence number needs --shard") }
        guard number.shard == shard else {
            throw ValidationError("--from: that sequence number is of \(number.shard)")
        }
    }

    func target(serverMillis: Int64) -> ResetTarget {
        switch self.from.shardStart(serverMillis: serverMillis) {
        case .start(let start): .start(start)
        case .atSequenceNumber(let number), .afterSequenceNumber(let number): .sequenceNumber(number)
        }
    }

    func run() async throws {
        let resets = try await self.connection.withClient { client in
            let stream = try await client.describeStream(self.stream)
            let now = try await client.serverMillis(for: self.from)
            return try await client.resetLeases(
                stream.id, application: self.app, shard: self.shard, to: self.target(serverMillis: now),
                reason: self.reason, isForced: self.force, isDryRun: self.dryRun)
        }
        let output = StandardOutput()
        LeaseText.write(resets, isDryRun: self.dryRun, to: output.bytes)
        try output.flush()
    }
}

struct LeaseDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Forget an application with all its checkpoints. Nobody is asked.",
        discussion: """
            While workers hold leases of it only --force deletes it.

            Examples:
              weir lease delete access --app billing
              weir lease delete access --app billing --force
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @Option(help: "The application.", transform: Arguments.application)
    var app: ApplicationName
    @Flag(help: "Also while workers hold leases.")
    var force = false
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await self.connection.withClient { client in
            try await client.deleteApplication(
                try await client.describeStream(self.stream).id, self.app, isForced: self.force)
        }
        try StandardOutput.write("deleted application \(self.app) of \(self.stream)\n")
    }
}
