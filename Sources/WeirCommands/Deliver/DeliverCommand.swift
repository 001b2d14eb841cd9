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
        discussion: """
            'weir deliver run' delivers here, until it is ended. The others are about deliveries that a server runs by \
            itself, below the folder that 'weir serve --deliver-to FOLDER' names.

            Examples:
              weir deliver run access --to /data/access
              weir deliver create access --to access --size 128MiB
              weir deliver list
            """,
        subcommands: [
            DeliverRunCommand.self, DeliverReplayCommand.self, DeliverCreateCommand.self, DeliverListCommand.self,
            DeliverDescribeCommand.self, DeliverUpdateCommand.self, DeliverDeleteCommand.self,
        ])
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
    @OptionGroup var files: DeliveryOptions
    @Flag(help: "Print the status as one JSON object a line: each second in which it changes, and at the end.")
    var json = false
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        do {
            try self.configuration.check(self.stream)
            if self.until != nil { try self.validateBackfill(try self.configuration.pattern(self.stream)) }
        } catch let error as WeirError {
            throw ValidationError(error.message)
        }
    }

    var configuration: DeliveryConfiguration {
        var configuration = DeliveryConfiguration(to: self.to)
        self.files.apply(to: &configuration)
        return configuration
    }

    /// From when on folders are whole; `nil`: no manifests are wanted.
    private func manifestsSince(
        _ client: WeirClient, _ stream: StreamID, _ application: ApplicationName
    ) async throws -> (millis: Int64, isNew: Bool)? {
        guard self.configuration.hasManifests else { return nil }
        let millis = try await client.serverMillis(for: self.worker.from)
        return try await Delivery.manifestsSince(
            client, stream, application,
            begins: try (self.worker.from ?? .trimHorizon).streamStart(serverMillis: millis))
    }

    /// Notes whose files come into the folder.
    private func claim(
        _ folder: FolderDestination, _ application: ApplicationName, manifests: (millis: Int64, isNew: Bool)?
    ) throws -> Int64? {
        let claim = FolderClaim.application(application, manifests: manifests?.millis)
        do throws(DestinationError) {
            let claimed = try folder.claim(self.stream, claim, begins: manifests?.isNew ?? false)
            guard case .application(_, let since) = claimed else { return nil }
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
            let manifests = try await self.manifestsSince(client, stream.id, application)
            let since = try self.claim(folder, application, manifests: manifests)
            var settings = try self.configuration.settings(stream, application)
            settings.manifestsSince = since
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
