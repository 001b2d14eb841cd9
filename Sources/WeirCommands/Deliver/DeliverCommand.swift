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
        subcommands: [DeliverRunCommand.self])
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

            Examples:
              weir deliver run access --to /data/access
              weir deliver run access --to /data/access --compression gzip --size 128MiB --age 15m
              weir deliver run events --to out --event-time .time
              weir deliver run events --to out --prefix '!{partitionKeyFromQuery:.user}/'
              weir deliver run access --to /data/access --prefix 'year=!{timestamp:yyyy}/month=!{timestamp:MM}/'
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
    @Option(help: ArgumentHelp("zstd, gzip, lz4 or none.", valueName: "name"))
    var compression = "zstd"
    @Option(
        help: ArgumentHelp("The compression's level (usually 3 for zstd, 6 for gzip, 1 for lz4).", valueName: "n"),
        transform: { try Arguments.number($0, 1...19) })
    var level: Int?
    @Option(
        help: ArgumentHelp("A file gets its name at this size, 64KiB to 16GiB.", valueName: "size"),
        transform: { try SizeText.parse($0, in: 64 << 10...16 << 30) })
    var size: Int64 = 64 << 20
    @Flag(help: "Count --size before compression.")
    var sizeBeforeCompression = false
    @Option(
        help: ArgumentHelp("Or when its first record has waited so long, 0s to 15m.", valueName: "time"),
        transform: { try DurationText.parse($0, in: 0...900_000) })
    var age: Int64 = 60_000
    @OptionGroup var naming: PrefixOptions
    @Option(help: ArgumentHelp("How records stand in files: lines, json or raw.", valueName: "format"))
    var format = DeliveryFormat.lines
    @Flag(help: "Print the status as one JSON object a line: each second in which it changes, and at the end.")
    var json = false
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        _ = try self.pattern()
    }

    private func pattern() throws -> PrefixPattern {
        do {
            return try self.naming.pattern(self.stream, try Compression(named: self.compression, level: self.level))
        } catch {
            throw ValidationError(error.message)
        }
    }

    private func settings(_ tag: String, _ application: ApplicationName) throws -> DeliverySettings {
        DeliverySettings(
            stream: self.stream, streamTag: tag, application: application, pattern: try self.pattern(),
            compression: try Compression(named: self.compression, level: self.level),
            files: DeliveryMachine.Settings(
                fileBytes: UInt64(self.size), measure: self.sizeBeforeCompression ? .input : .compressed,
                fileNanos: UInt64(self.age) * 1_000_000), form: self.format.form)
    }

    func run() async throws {
        let application = try self.app ?? ApplicationName("deliver")
        // Each shard writes some files at a time.
        OpenFiles.raise()
        let folder: FolderDestination
        do {
            folder = try FolderDestination(self.to)
            try folder.claim(self.stream, by: application)
        } catch {
            throw Failure(.failed, error.description)
        }
        let status = try await self.connection.withClient(trying: "until it is there or this is ended") { client in
            let stream = try await client.describeStream(self.stream)
            let settings = try self.settings(
                FileName.tag(stream.id, createdMillis: stream.createdAtMillis), application)
            let serverMillis = try await client.serverMillis(for: self.worker.from)
            let delivery = Delivery(
                client, settings, try self.worker.configuration(application, serverMillis: serverMillis), into: folder,
                told: Self.told)
            return try await self.run(delivery)
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

    private func run(_ delivery: Delivery) async throws -> DeliveryStatus {
        let reporter = self.json ? DeliveryReporter() : nil
        let reporting = Task {
            while let reporter, !Task.isCancelled {
                try reporter.report(delivery.status, isLast: false)
                try await Task.sleep(for: .seconds(1))
            }
        }
        defer { reporting.cancel() }
        try await Interrupts.whileRunning(finish: {
            Messages.write("finishing the files that are open")
            delivery.stop()
        }) { try await delivery.run() }
        reporting.cancel()
        guard let reporter else { return delivery.status }
        for _ in 0..<20 where reporter.isWriting { try? await Task.sleep(for: .milliseconds(100)) }
        if reporter.isWriting {
            Messages.write("nobody reads the status that --json prints")
        } else {
            _ = await reporting.result
            try reporter.report(delivery.status, isLast: true)
        }
        return delivery.status
    }
}
