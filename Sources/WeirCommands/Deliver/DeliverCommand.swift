// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirClient
import WeirConsumer
import WeirDelivery
import WeirModel

struct DeliverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deliver",
        abstract: "Deliver a stream into files: well-sized, compressed, and each record exactly once.",
        subcommands: [DeliverRunCommand.self, DeliverReplayCommand.self])
}

struct DeliverRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Deliver a stream into a folder until it is ended.",
        discussion: """
            A file holds records of one shard and one prefix. It gets its name, with the sequence numbers of its first \
            and last record, when it has --size bytes or its first record has waited for --age; before, it is hidden. \
            Each record is in exactly one file, whoever is killed when. Several of these can share a folder that all \
            of them see, with the same --app. Ctrl-C finishes the files that are open.

            With --until it writes a fixed range and ends: the records that arrived from --from on and before \
            --until. Files are cut at places that the records alone decide, so whoever runs it again with the same \
            options finds each file there and writes nothing; what was interrupted is completed. --size counts \
            before compression then.

            Examples:
              weir deliver run access --to /data/access
              weir deliver run access --to /data/access --compression gzip --size 128MiB --age 15m
              weir deliver run events --to out --event-time .time
              weir deliver run events --to out --prefix '!{partitionKeyFromQuery:.user}/'
              weir deliver run access --to /data/access --prefix 'year=!{timestamp:yyyy}/month=!{timestamp:MM}/'
              weir deliver run access --to /data/old --from 2026-11-01T00:00:00Z --until 2026-11-02T00:00:00Z
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @Option(help: ArgumentHelp("The folder; it must be there.", valueName: "folder"))
    var to: String
    @Option(
        help: ArgumentHelp("The application: who shares its name shares the work.", valueName: "name"),
        transform: Arguments.application)
    var app: ApplicationName?
    @OptionGroup var worker: WorkerOptions
    @Option(
        help: ArgumentHelp(
            "Write a fixed range and end: the time before which its records arrived, as in --from, or now.",
            valueName: "position"),
        transform: ReadPosition.parseTo)
    var until: ReadPosition?
    @Option(help: ArgumentHelp("zstd, gzip, lz4 or none.", valueName: "name"))
    var compression = "zstd"
    @Option(
        help: ArgumentHelp("The compression's level (usually 3 for zstd, 6 for gzip, 1 for lz4).", valueName: "n"),
        transform: { try Arguments.number($0, 1...19) })
    var level: Int?
    @Option(
        help: ArgumentHelp(
            "A file gets its name at this size, 64KiB to 16GiB (default: 64MiB; with --until 256MiB).",
            valueName: "size"),
        transform: { try SizeText.parse($0, in: 64 << 10...16 << 30) })
    var size: Int64?
    @Flag(help: "Count --size before compression.")
    var sizeBeforeCompression = false
    @Option(
        help: ArgumentHelp("Or when its first record has waited so long, 0s to 15m (default: 1m).", valueName: "time"),
        transform: { try DurationText.parse($0, in: 0...900_000) })
    var age: Int64?
    @OptionGroup var naming: PrefixOptions
    @Option(help: ArgumentHelp("How records stand in files: lines, json or raw.", valueName: "format"))
    var format = DeliveryFormat.lines
    @Flag(help: "Print the status as one JSON object a line: each second in which it changes, and at the end.")
    var json = false
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        let pattern = try self.pattern()
        if self.naming.manifest, !pattern.hasPeriods {
            throw ValidationError(
                "--manifest needs folders that end: --prefix and --error-prefix have the year, and what is finer with "
                    + "all between, before a slash, such as !{timestamp:yyyy/MM/dd}/")
        }
        if self.until != nil { try self.validateBackfill(pattern) }
    }

    func pattern() throws -> PrefixPattern {
        do {
            return try self.naming.pattern(self.stream, try Compression(named: self.compression, level: self.level))
        } catch {
            throw ValidationError(error.message)
        }
    }

    private func settings(
        _ tag: String, _ application: ApplicationName, manifestsSince: Int64?
    ) throws -> DeliverySettings {
        var settings = DeliverySettings(
            stream: self.stream, streamTag: tag, application: application, pattern: try self.pattern(),
            compression: try Compression(named: self.compression, level: self.level),
            files: DeliveryMachine.Settings(
                fileBytes: UInt64(self.size ?? 64 << 20), measure: self.sizeBeforeCompression ? .input : .compressed,
                fileNanos: UInt64(self.age ?? 60_000) * 1_000_000), form: self.format.form)
        settings.manifestsSince = manifestsSince
        settings.errorForm = self.naming.errorFormat
        return settings
    }

    /// From when on folders are whole: where the application begins, or from now on when it has begun already.
    private func manifestsSince(
        _ client: WeirClient, _ stream: StreamID, _ application: ApplicationName
    ) async throws -> Int64? {
        guard self.naming.manifest else { return nil }
        let now = try await client.ping().serverTimeMillis
        let isNew = try await !client.applications(stream).contains { $0.name == application }
        switch self.worker.from {
        case nil where isNew, .trimHorizon where isNew: return 0
        case .time(let time) where isNew: return time.millis(serverMillis: now)
        default: return now
        }
    }

    /// Notes whose files come into the folder.
    private func claim(_ folder: FolderDestination, _ claim: FolderClaim) throws -> Int64? {
        do throws(DestinationError) {
            guard case .application(_, let since) = try folder.claim(self.stream, claim) else { return nil }
            return since
        } catch {
            throw Failure(.failed, error.description)
        }
    }

    func run() async throws {
        if let until { return try await self.backfill(until) }
        let application = try self.app ?? ApplicationName("deliver")
        // Each shard writes some files at a time.
        OpenFiles.raise()
        let folder: FolderDestination
        do {
            folder = try FolderDestination(self.to)
        } catch {
            throw Failure(.failed, error.description)
        }
        let status = try await self.connection.withClient(trying: "until it is there or this is ended") { client in
            let stream = try await client.describeStream(self.stream)
            let since = try self.claim(
                folder,
                .application(
                    application, manifests: try await self.manifestsSince(client, stream.id, application)))
            let settings = try self.settings(
                FileName.tag(stream.id, createdMillis: stream.createdAtMillis), application, manifestsSince: since)
            let serverMillis = try await client.serverMillis(for: self.worker.from)
            let delivery = Delivery(
                client, settings, try self.worker.configuration(application, serverMillis: serverMillis), into: folder,
                told: Self.told)
            return try await self.run(delivery, stream.id)
        }
        Messages.write(
            "delivered \(CountText.describe(Int(clamping: status.records), "record")) in "
                + "\(CountText.describe(Int(clamping: status.files), "file")), "
                + "\(SizeText.rounded(Int64(clamping: status.bytes)))")
        guard let (shard, reason) = status.unfinished.min(by: { $0.key < $1.key }) else { return }
        let shards = CountText.describe(status.unfinished.count, "shard")
        throw Failure(
            .tryAgain,
            "open files of \(shards) could not be finished, of \(shard) because of this: \(reason). Their records are "
                + "delivered when this is run again")
    }

    private static var told: Delivery.Told {
        Delivery.Told(
            waiting: { reason in
                Messages.write(reason.map { "delivery waits: \($0)" } ?? "delivery goes on")
            },
            again: { Messages.write("all shards are read again from their checkpoints: \($0)") })
    }

    private func run(_ delivery: Delivery, _ stream: StreamID) async throws -> DeliveryStatus {
        try await self.reporting({ delivery.status }) {
            try await Interrupts.whileRunning(finish: {
                Messages.write("finishing the files that are open")
                delivery.stop()
            }) { try await delivery.run(stream) }
        }
        return delivery.status
    }

    /// Prints the status while `body` runs, and at its end, when it is wanted.
    func reporting(_ status: @escaping @Sendable () -> DeliveryStatus, _ body: () async throws -> Void) async throws {
        let reporter = self.json ? DeliveryReporter() : nil
        let reporting = Task {
            while let reporter, !Task.isCancelled {
                try reporter.report(status(), isLast: false)
                try await Task.sleep(for: .seconds(1))
            }
        }
        defer { reporting.cancel() }
        try await body()
        reporting.cancel()
        guard let reporter else { return }
        for _ in 0..<20 where reporter.isWriting { try? await Task.sleep(for: .milliseconds(100)) }
        if reporter.isWriting {
            Messages.write("nobody reads the status that --json prints")
        } else {
            _ = await reporting.result
            try reporter.report(status(), isLast: true)
        }
    }
}
