// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirHarness

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Runs the scenarios against the real program, for as long as one likes.
@main
struct HarnessCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weir-harness", abstract: "Kills, reshards, throttles and mistreats the real program weir.",
        discussion: """
            Uses the program weir that lies beside this one, or WEIR_BINARY. Every run prints its seed and its \
            figures, and ends with 1 when it found something wrong.

            Examples:
              swift run -c release weir-harness crash --kills 100
              swift run -c release weir-harness disturb --rounds 200
              swift run -c release weir-harness reshard --rate 50000
              swift run -c release weir-harness faults --only idle
            """,
        subcommands: [
            Crash.self, Disturb.self, Reshard.self, Throttle.self, AccessLog.self, Consumers.self, HandOver.self,
            Deliver.self, Faults.self,
        ])
}

struct RunOptions: ParsableArguments {
    @Option(help: "Repeats a run as far as chance decided it (default: any).")
    var seed: UInt64?
    @Option(
        help: ArgumentHelp("Where the data folder is made (default: the system's temporary folder).", valueName: "path")
    )
    var folder: String?

    func finish(_ report: Report) throws {
        print(report)
        if !report.isGood { throw ExitCode(1) }
    }
}

/// Progress on stderr, in one line for a person and in lines for a file.
@Sendable private func tell(_ text: String) {
    var line = isatty(STDERR_FILENO) == 1 ? "\r\(text)\u{1b}[K" : text + "\n"
    // A line that is not seen is not missed.
    line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

struct Crash: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Kill the server with SIGKILL at random moments under load; nothing acknowledged may be lost.")

    @Option var kills = 100
    @Option(help: "Records a second of all producers together; 0: as many as they can.") var rate = 20_000
    @Option var producers = 4
    @Option(help: "Partition keys of each producer.") var keys = 64
    @Option var shards = 4
    @Option(help: "Longest data of a record.") var bytes = 300
    @Option(help: "Bytes a second of another, small stream in every third life; 0: none.") var churn = 20_000_000
    @Option(help: "In one of so many lives the shards are changed; 0: never.") var reshardsOneIn = 3
    @Option(help: "Longest life of a server after its ready line, in milliseconds.") var longestLife = 500
    @OptionGroup var options: RunOptions

    func run() async throws {
        var scenario = CrashScenario()
        scenario.kills = self.kills
        scenario.rate = self.rate
        scenario.producers = self.producers
        scenario.keys = self.keys
        scenario.shards = self.shards
        scenario.bytes = 24...max(24, self.bytes)
        scenario.churn = self.churn
        scenario.reshardsOneIn = self.reshardsOneIn
        scenario.lifeMillis = 1...max(1, self.longestLife)
        scenario.parentFolder = self.options.folder
        scenario.onProgress = tell
        if let seed = self.options.seed { scenario.seed = seed }
        print("crash: \(scenario.kills) kills, seed \(scenario.seed)")
        try self.options.finish(try await scenario.run())
    }
}

struct Disturb: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let commits, snapshots and footers fail, stall the disk and kill the server under load, by chance.")

    @Option(help: "Faults, one after the other.") var rounds = 100
    @Option(help: "Records a second of all producers together.") var rate = 5_000
    @Option(help: "Longest stall of the disk, in milliseconds.") var longestStall = 400
    @OptionGroup var options: RunOptions

    func run() async throws {
        var scenario = DisturbScenario()
        scenario.rounds = self.rounds
        scenario.rate = self.rate
        scenario.longestStall = max(1, self.longestStall)
        scenario.parentFolder = self.options.folder
        scenario.onProgress = tell
        if let seed = self.options.seed { scenario.seed = seed }
        print("disturb: \(scenario.rounds) rounds, seed \(scenario.seed)")
        try self.options.finish(try await scenario.run())
    }
}

struct Reshard: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Split, merge and rescale under a steady put, with a tail attached that must see all of it in order.")

    @Option(help: "Records a second of all producers together; 0: as many as they can.") var rate = 50_000
    @Option(help: "Acknowledged records between one change and the next.") var between = 50_000
    @Option(help: "How often all of the changes are made.") var rounds = 1
    @Option var producers = 4
    @OptionGroup var options: RunOptions

    func run() async throws {
        var scenario = ReshardScenario()
        scenario.rate = self.rate
        scenario.recordsBetween = self.between
        scenario.rounds = self.rounds
        scenario.producers = self.producers
        scenario.parentFolder = self.options.folder
        scenario.onProgress = tell
        if let seed = self.options.seed { scenario.seed = seed }
        print("reshard: seed \(scenario.seed)")
        try self.options.finish(try await scenario.run())
    }
}

struct Throttle: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Offer one hot key more than a shard takes: throttled record by record, and complete in the end.")

    @Option(help: "Records a second that are offered.") var rate = 5000
    @Option(help: "For so many seconds.") var seconds = 5.0
    @Option(help: "Lines of the weir put that must finish.") var lines = 10_000
    @OptionGroup var options: RunOptions

    func run() async throws {
        var scenario = ThrottleScenario()
        scenario.offeredRate = self.rate
        scenario.seconds = self.seconds
        scenario.lines = self.lines
        scenario.parentFolder = self.options.folder
        if let seed = self.options.seed { scenario.seed = seed }
        try self.options.finish(try await scenario.run())
    }
}

struct AccessLog: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "access-log", abstract: "Put a web server's log by its client addresses and read it back in order."
    )

    @Argument(help: "The log; one is made up when none is given.") var file: String?
    @Option(help: "Of the log that is made up.") var lines = 10_000
    @OptionGroup var options: RunOptions

    func run() async throws {
        var scenario = AccessLogScenario()
        scenario.lines = self.lines
        scenario.file = self.file
        scenario.parentFolder = self.options.folder
        if let seed = self.options.seed { scenario.seed = seed }
        try self.options.finish(try await scenario.run())
    }
}

struct Consumers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Kill, stop, pause and add workers while shards split and merge; every record must be processed.")

    @Option var shards = 16
    @Option(help: "Records a second of all producers together.") var rate = 5_000
    @Option(help: "Acknowledged records between one event and the next.") var between = 5_000
    @Option(help: "Session timeout of the workers, in seconds.") var session = 3
    @Option(help: "How long a worker stands still, in seconds.") var pause = 20
    @OptionGroup var options: RunOptions

    func run() async throws {
        var scenario = ConsumersScenario()
        scenario.shards = self.shards
        scenario.rate = self.rate
        scenario.recordsBetween = self.between
        scenario.sessionSeconds = self.session
        scenario.pauseSeconds = self.pause
        scenario.parentFolder = self.options.folder
        scenario.onProgress = tell
        if let seed = self.options.seed { scenario.seed = seed }
        print("consumers: seed \(scenario.seed)")
        try self.options.finish(try await scenario.run())
    }
}

struct HandOver: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "handover",
        abstract: "Measure how long leases are without a worker, after an end and after a kill."
    )

    @Option var shards = 64
    @Option var workers = 4
    @Option(help: "Of each kind.") var rounds = 50
    @Option(help: "Session timeout of the workers, in seconds.") var session = 2
    @Option(help: ArgumentHelp("Where the data folder is made.", valueName: "path")) var folder: String?

    func run() async throws {
        var scenario = HandOverScenario()
        scenario.shards = self.shards
        scenario.workers = self.workers
        scenario.rounds = self.rounds
        scenario.sessionSeconds = self.session
        scenario.parentFolder = self.folder
        scenario.onProgress = tell
        let report = try await scenario.run()
        print(report)
        if !report.isGood { throw ExitCode(1) }
    }
}

struct Deliver: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Kill, pause and stop workers that deliver into a folder; each line must be in exactly one file.")

    @Argument(help: "A log; one is made up when none is given.") var file: String?
    @Option(help: "Of the log that is made up.") var lines = 10_000
    @Option var shards = 16
    @Option var workers = 3
    @Option(help: "Kills, pauses, stops, splits, and kills of the server.") var events = 40
    @Option(help: "zstd, gzip, lz4 or none.") var compression = "zstd"
    @Option(help: "Of a file.") var size = "64KiB"
    @OptionGroup var options: RunOptions

    func run() async throws {
        var scenario = DeliveryScenario()
        scenario.file = self.file
        scenario.lines = self.lines
        scenario.shards = self.shards
        scenario.workers = self.workers
        scenario.events = max(1, self.events)
        scenario.compression = self.compression
        scenario.size = self.size
        scenario.parentFolder = self.options.folder
        scenario.onProgress = tell
        if let seed = self.options.seed { scenario.seed = seed }
        print("deliver: \(scenario.events) events, seed \(scenario.seed)")
        try self.options.finish(try await scenario.run())
    }
}

struct Faults: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bad input and faults, case by case: each must be told clearly and harm nobody else.")

    @Option(help: "Only the cases whose name contains this.") var only: String?
    @Option(help: ArgumentHelp("Where the data folders are made.", valueName: "path")) var folder: String?

    func run() async throws {
        let cases = FaultCase.all.filter { fault in self.only.map { fault.name.contains($0) } ?? true }
        guard !cases.isEmpty else { throw ValidationError("no case has '\(self.only ?? "")' in its name") }
        var failed = 0
        for fault in cases {
            let watch = Stopwatch()
            do {
                let told = try await fault.run(in: self.folder)
                print("ok      \(fault.name) (\(Int(watch.milliseconds)) ms)")
                if !told.isEmpty { print(told.split(separator: "\n").map { "        \($0)" }.joined(separator: "\n")) }
            } catch {
                failed += 1
                print("FAILED  \(error)")
            }
        }
        print("\(cases.count) cases, \(failed) failed")
        if failed > 0 { throw ExitCode(1) }
    }
}
