// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import NIOCore
import NIOPosix
import Synchronization
import WeirClient
import WeirConsumer
import WeirModel

struct ConsumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consume",
        abstract: "Process a stream together with others: each record at least once, from where the application was.",
        discussion: """
            All that run with the same --app share the shards, whether they are this command or programs of yours, \
            and take over from each other when one ends or dies. Records are printed, or given to a program, one \
            process of it for each shard (docs/consumers.md has what they say to each other, and a program of ten \
            lines). A record counts as processed when it was printed, or when the program says so. Ctrl-C finishes \
            what is being processed and gives the shards to the others.

            Examples:
              weir consume access --app billing
              weir consume access --app billing --json | my-importer
              weir consume access --app billing --polling --idle 500ms
              weir consume access --app billing --exec ./worker.py --dead-letter access-failed
              weir consume access --app billing --exec python3 -- worker.py --verbose
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @Option(
        help: ArgumentHelp("The application: who shares its name shares the work.", valueName: "name"),
        transform: Arguments.application)
    var app: ApplicationName
    @OptionGroup var worker: WorkerOptions
    @Option(help: ArgumentHelp("Give the records to this program.", valueName: "program"))
    var exec: String?
    @Argument(parsing: .postTerminator, help: ArgumentHelp("Arguments of the program.", valueName: "arguments"))
    var arguments: [String] = []
    @Flag(help: "Print one JSON object a record, its data in base64.")
    var json = false
    @Option(
        help: ArgumentHelp("Put records that fail all attempts there, and go on.", valueName: "stream"),
        transform: Arguments.stream)
    var deadLetter: StreamName?
    @Option(
        help: ArgumentHelp("Attempts behind the first one for records that fail.", valueName: "n"),
        transform: { try Arguments.number($0, 0...999_999) })
    var retries = 4
    @Option(
        name: .customLong("exec-timeout"),
        help: ArgumentHelp("How long the program may take for one action.", valueName: "time"),
        transform: Arguments.timeout)
    var execTimeout: Duration = .seconds(60)
    @Option(
        help: ArgumentHelp("Read as this registered consumer, with its own read budget.", valueName: "name"),
        transform: Arguments.consumer)
    var consumer: ConsumerName?
    @Flag(
        help: ArgumentHelp(
            "Ask for the records again and again, instead of having them sent: within the reads that a shard allows "
                + "all who ask."))
    var polling = false
    @Option(
        help: ArgumentHelp("With --polling: the time between two reads of a shard, 10ms to 1m.", valueName: "time"),
        transform: Arguments.idle)
    var idle: Duration?
    @Option(
        name: .customLong("max-records"),
        help: ArgumentHelp("With --polling: records of one read, 1 to 10000.", valueName: "n"),
        transform: { try Arguments.number($0, 1...Limits.getRecordsMax) })
    var maxRecords: Int?
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if self.json && self.exec != nil { throw ValidationError("--json and --exec exclude each other") }
        if self.exec == nil && !self.arguments.isEmpty {
            throw ValidationError("arguments behind -- are those of the program that --exec names")
        }
        if !self.polling, self.idle != nil || self.maxRecords != nil {
            throw ValidationError("--idle and --max-records say how to poll: they need --polling")
        }
        if self.polling, self.consumer != nil {
            throw ValidationError("--consumer has a budget for what is sent to it; it and --polling exclude each other")
        }
    }

    func workerConfiguration(serverMillis: Int64) throws -> WorkerConfiguration {
        var configuration = try self.worker.configuration(self.app, serverMillis: serverMillis)
        configuration.retry.attempts = self.retries + 1
        if let deadLetter { configuration.retry.exhausted = .deadLetter(deadLetter) }
        configuration.consumer = self.consumer
        if self.polling {
            var polling = Polling()
            if let idle { polling.idle = idle }
            if let maxRecords { polling.recordsPerRead = maxRecords }
            configuration.retrieval = .polled(polling)
        }
        return configuration
    }

    func run() async throws {
        let program = try self.exec.map { try ProgramCommand($0, self.arguments) }
        let status = try await self.connection.withClient(trying: "until it is there or this is ended") { client in
            let configuration = try self.workerConfiguration(
                serverMillis: try await client.serverMillis(for: self.worker.from))
            if let program { return try await self.run(program, client, configuration) }
            return try await self.print(client, configuration)
        }
        if Messages.isTerminal || status.deadLetters > 0 {
            let letters = CountText.describe(Int(clamping: status.deadLetters), "dead letter")
            Messages.write(
                "processed " + CountText.describe(Int(clamping: status.records), "record")
                    + (status.deadLetters > 0 ? ", \(letters)" : ""))
        }
        guard status.shardsStopped == 0 else {
            throw Failure(
                .failed,
                "\(CountText.describe(Int(clamping: status.shardsStopped), "shard")) stood still because records could "
                    + "not be processed: they are where they were, and come first when the shard is taken again")
        }
    }

    private func run(
        _ program: ProgramCommand, _ client: WeirClient, _ configuration: WorkerConfiguration
    ) async throws -> WorkerStatus {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var configuration = configuration
        configuration.checkpoints = .manual
        configuration.recordsPerCall = 500
        let timeoutMillis = Int(clamping: self.execTimeout.nanos / 1_000_000)
        let worker = try Worker(client: client, stream: self.stream, configuration: configuration) { shard in
            ProgramProcessor(program, shard, timeoutMillis: timeoutMillis, on: group)
        }
        do {
            try await Interrupts.whileRunning(finish: { worker.shutdown() }) { try await worker.run() }
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        try? await group.shutdownGracefully()
        return worker.status
    }

    private func print(
        _ client: WeirClient, _ configuration: WorkerConfiguration
    ) async throws -> WorkerStatus {
        let stop = WorkerStop()
        let queue = PrintQueue(self.json ? .json : .people) { stop.now() }
        let worker = try Worker(client: client, stream: self.stream, configuration: configuration) { _ in
            PrintingProcessor(queue: queue)
        }
        stop.worker.withLock { $0 = worker }
        let finish: @Sendable () -> Void = {
            worker.shutdown()
            queue.giveUp(after: PrintQueue.patience)
        }
        try await Interrupts.whileRunning(finish: finish) { try await worker.run() }
        if let failure = queue.failure { throw failure }
        guard !queue.hasLeftOut else {
            throw Failure(
                .tryAgain,
                "processed \(CountText.describe(Int(clamping: worker.status.records), "record")); nobody has read the "
                    + "output in time, and what was not written comes again")
        }
        return worker.status
    }
}

/// Lets a processor stop the worker that it is made for.
private final class WorkerStop: Sendable {
    let worker = Mutex<Worker?>(nil)

    func now() { self.worker.withLock { $0 }?.shutdown() }
}
