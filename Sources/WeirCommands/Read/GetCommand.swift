// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirClient
import WeirJSON
import WeirModel

/// How records are printed.
struct RecordFormatOptions: ParsableArguments {
    @Flag(help: "Print one JSON object a record, its data in base64.")
    var json = false
    @Flag(help: "Print the data and a newline, nothing else.")
    var raw = false

    func validate() throws {
        if self.json && self.raw { throw ValidationError("--json and --raw exclude each other") }
    }

    var format: RecordFormat { self.json ? .json : self.raw ? .raw : .people }
}

struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Read the records of a stream up to where it ends now.",
        discussion: """
            All shards are read, parents before their children; the records of one partition key come in their order. \
            Without --json and --raw a line has shard, sequence number, partition key and data, with tabs between them \
            and control characters escaped.

            Ctrl-C, SIGTERM or SIGHUP ends it before the end: stderr says how many records were read, and the exit \
            status is 128 and the signal's number.

            Examples:
              weir get access --from trim-horizon --raw
              weir get access --from 10m --json
              weir get access --from 2026-01-31T12:00:00Z --to 2026-01-31T13:00:00Z
              weir get access --shard shardId-000000000002 --limit 10
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @Option(help: "Only this shard, such as shardId-000000000002 or 2.", transform: Arguments.shard)
    var shard: ShardNumber?
    @Option(
        help: ArgumentHelp(
            "trim-horizon (the default), latest, a sequence number (with --shard), a time (RFC 3339, or seconds or "
                + "milliseconds since 1970), or how long ago, such as 10m.", valueName: "position"),
        transform: ReadPosition.parseFrom)
    var from: ReadPosition?
    @Option(
        help: ArgumentHelp(
            "now (the default), the time before which records arrived, or the last sequence number (with --shard).",
            valueName: "position"),
        transform: ReadPosition.parseTo)
    var to: ReadPosition?
    @Option(
        help: ArgumentHelp("At most so many records.", valueName: "n"),
        transform: { try Arguments.number($0, 1...Int(Int64.max)) })
    var limit: Int?
    @OptionGroup var output: RecordFormatOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if self.from?.isRelative != true, self.to?.isRelative != true {
            try ReadPosition.check(from: self.from, to: self.to, serverMillis: 0)
        }
        guard self.shard == nil else {
            if case .sequence(let number)? = self.from { try self.check(number, "--from") }
            if case .sequence(let number)? = self.to { try self.check(number, "--to") }
            return
        }
        if case .sequence? = self.from { throw ValidationError("--from with a sequence number needs --shard") }
        if case .sequence? = self.to { throw ValidationError("--to with a sequence number needs --shard") }
    }

    private func check(_ number: SequenceNumber, _ option: String) throws {
        guard number.shard == self.shard else {
            throw ValidationError("\(option): that sequence number is of \(number.shard)")
        }
    }

    func bound(serverMillis: Int64) -> ReadSession.Bound {
        switch self.to {
        case nil, .trimHorizon, .latest: .none
        case .time(let time): .before(time.millis(serverMillis: serverMillis))
        case .sequence(let number): .through(number)
        }
    }

    func run() async throws {
        let progress = Progress("read", isShown: Messages.isTerminal && !StandardOutput.isTerminal)
        let count = try await self.connection.withClient(trying: ReadSession.patience) { client in
            let stream = try await client.describeStream(self.stream)
            let task = Task { try await self.read(client, stream, progress) }
            return try await Interrupts.whileRunning(finish: { task.cancel() }, patience: .seconds(10)) {
                do {
                    return try await progress.whileRunning { try await task.value }
                } catch is CancellationError {
                    return progress.recordCount
                } catch let error as WeirError {
                    throw error.naming(self.stream)
                }
            }
        }
        let summary = progress.summary("read " + CountText.describe(count, "record"))
        if Interrupts.isFinishing {
            Messages.write("interrupted: " + summary)
            Interrupts.cutShort()
        } else if Messages.isTerminal {
            Messages.write(summary)
        }
    }

    /// Returns how many records were printed.
    private func read(_ client: WeirClient, _ stream: StreamDescription, _ progress: Progress) async throws -> Int {
        let from = self.from ?? .trimHorizon
        let now = try await client.serverMillis(for: from, self.to)
        try ReadPosition.check(from: self.from, to: self.to, serverMillis: now)
        let bound = self.bound(serverMillis: now)
        if let shard {
            var session = self.session(progress, bound, shards: [shard])
            let start = from.shardStart(serverMillis: now)
            for try await batch in client.records(stream.id, shard: shard, from: start, until: .tip) {
                guard try session.print(batch) else { break }
            }
        } else {
            var shards: Set<ShardNumber>?
            if case .before(let millis) = bound {
                shards = Set(
                    try await client.listShards(stream.id).filter { $0.createdAtMillis < millis }.map(\.number))
                if shards?.isEmpty == true { return 0 }
            }
            var session = self.session(progress, bound, shards: shards)
            let start = try from.streamStart(serverMillis: now)
            for try await batch in client.records(stream.id, from: start, until: .tip) {
                guard try session.print(batch) else { break }
            }
        }
        return progress.recordCount
    }

    private func session(
        _ progress: Progress, _ bound: ReadSession.Bound, shards: Set<ShardNumber>?
    ) -> ReadSession {
        ReadSession(
            self.output.format, to: StandardOutput(), bound: bound, limit: self.limit, shards: shards,
            progress: progress)
    }
}

struct TailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail", abstract: "Follow a stream: print its records as they come, until Ctrl-C.",
        discussion: """
            Follows all shards through splits and merges, children after their parents. Output is as that of weir get. \
            A signal that ends it is its usual end: stderr says how many records were read, the exit status is 0.

            Examples:
              weir tail access
              weir tail access --from 10m --json
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @Option(
        help: ArgumentHelp(
            "latest (the default), trim-horizon, a time (RFC 3339, or seconds or milliseconds since 1970), or how long "
                + "ago, such as 10m.", valueName: "position"),
        transform: ReadPosition.parseFrom)
    var from: ReadPosition?
    @OptionGroup var output: RecordFormatOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if case .sequence? = self.from {
            throw ValidationError("--from with a sequence number needs one shard: use weir get --shard")
        }
    }

    func run() async throws {
        try await self.connection.withClient(trying: ReadSession.patience) { client in
            let stream = try await client.describeStream(self.stream)
            let progress = Progress("read", isShown: false)
            let task = Task { try await self.follow(client, stream, progress) }
            try await Interrupts.whileRunning(finish: { task.cancel() }, patience: .seconds(10)) {
                do {
                    try await task.value
                } catch is CancellationError {
                    // Its usual end.
                } catch let error as WeirError {
                    throw error.naming(self.stream)
                }
            }
            Messages.write(progress.summary("read " + CountText.describe(progress.recordCount, "record")))
        }
    }

    private func follow(_ client: WeirClient, _ stream: StreamDescription, _ progress: Progress) async throws {
        var session = ReadSession(
            self.output.format, to: StandardOutput(), bound: .none, limit: nil, shards: nil,
            progress: progress)
        let now = try await client.serverMillis(for: self.from)
        let start = try (self.from ?? .latest).streamStart(serverMillis: now)
        for try await batch in client.records(stream.id, from: start, until: .forever) {
            guard try session.print(batch) else { break }
        }
    }
}
