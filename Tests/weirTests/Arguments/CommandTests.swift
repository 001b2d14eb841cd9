// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Testing
import WeirClient
import WeirConsumer
import WeirModel

@testable import WeirCommands

/// Arguments as people type them.
@Suite struct CommandTests {
    private func parse<C: ParsableCommand>(_ words: String, as type: C.Type = C.self) throws -> C {
        let arguments = words.split(separator: " ").map(String.init)
        return try #require(try WeirCommand.parseAsRoot(arguments) as? C)
    }

    @Test func streamCreateHasTheDefaultsOfTheModel() throws {
        let command = try self.parse("stream create access", as: StreamCreateCommand.self)
        #expect(command.shards == 4)
        #expect(command.settings == StreamSettings())
    }

    @Test func streamCreateTakesWhatItIsGiven() throws {
        let command = try self.parse(
            "stream create a --shards 16 --retention 168h --max-size 8GiB --limits records-in=100 --max-record 10MiB",
            as: StreamCreateCommand.self)
        #expect(command.shards == 16)
        let limits = LimitsProfile.explicit(RateLimits(bytesIn: nil, recordsIn: 100, bytesOut: nil, readsOut: nil))
        #expect(
            command.settings
                == StreamSettings(
                    retentionMillis: 604_800_000, maxBytes: 8 << 30, limits: limits, recordBytesMax: 10_485_760))
    }

    @Test func streamUpdateChangesOnlyWhatIsNamed() throws {
        let command = try self.parse("stream update a --max-size none", as: StreamUpdateCommand.self)
        #expect(command.change == StreamChange(maxBytes: StreamChange.SizeCap.none))
    }

    @Test func putKnowsWhereKeysComeFrom() throws {
        func form(_ words: String) throws -> String { "\(try self.parse(words, as: PutCommand.self).form)" }
        #expect(try form("put s") == "\(PutFeeder.Form.lines(.random))")
        #expect(try form("put s --key-random") == "\(PutFeeder.Form.lines(.random))")
        #expect(try form("put s f --key k") == "\(PutFeeder.Form.lines(.fixed([107])))")
        #expect(try form("put s --key-field 2") == "\(PutFeeder.Form.lines(.field(2, delimiter: [32])))")
        #expect(
            try form("put s - --key-field 2 --delimiter \\t,")
                == "\(PutFeeder.Form.lines(.field(2, delimiter: [9, 44])))")
        #expect(try form("put s --from-json --json") == "\(PutFeeder.Form.json)")
    }

    @Test func getReadsBounds() throws {
        #expect(try self.parse("get s", as: GetCommand.self).bound(serverMillis: 0) == .none)
        #expect(try self.parse("get s --to now", as: GetCommand.self).bound(serverMillis: 0) == .none)
        #expect(
            try self.parse("get s --to 1700000000", as: GetCommand.self).bound(serverMillis: 0)
                == .before(1_700_000_000_000))
        #expect(
            try self.parse("get s --to 10s", as: GetCommand.self).bound(serverMillis: 25_000) == .before(15_000))
        let sequence = ReadPositionTests.sequence
        #expect(
            try self.parse("get s --shard 3 --to \(sequence)", as: GetCommand.self).bound(serverMillis: 0)
                == .through(sequence))
    }

    @Test func leaseResetKnowsWhereItGoes() throws {
        func command(_ words: String) throws -> LeaseResetCommand {
            try self.parse("lease reset a --app b \(words)", as: LeaseResetCommand.self)
        }
        let usual = try command("--from trim-horizon")
        #expect(usual.target(serverMillis: 0) == .trimHorizon && usual.app.description == "b" && usual.shard == nil)
        #expect(!usual.dryRun && !usual.force && usual.reason == "weir lease reset")
        #expect(try command("--from latest").target(serverMillis: 0) == .latest)
        #expect(try command("--from LATEST").target(serverMillis: 0) == .latest)
        #expect(try command("--from 10s").target(serverMillis: 25_000) == .atTimestamp(15_000))
        #expect(try command("--from 1700000000").target(serverMillis: 0) == .atTimestamp(1_700_000_000_000))
        let sequence = ReadPositionTests.sequence
        let one = try command("--from \(sequence) --shard 3 --dry-run --force --reason replay")
        #expect(one.target(serverMillis: 0) == .sequenceNumber(sequence) && one.shard == ShardNumber(3))
        #expect(one.dryRun && one.force && one.reason == "replay")
    }

    @Test func leasesAreThoseOfAnApplicationAndConsumersThoseOfAStream() throws {
        #expect(try self.parse("lease list a", as: LeaseListCommand.self).app == nil)
        let list = try self.parse("lease list a --app b --json", as: LeaseListCommand.self)
        #expect(list.app?.description == "b" && list.format.json)
        #expect(!(try self.parse("lease delete a --app b", as: LeaseDeleteCommand.self).force))
        #expect(try self.parse("lease delete a --app b --force", as: LeaseDeleteCommand.self).force)
        let register = try self.parse("consumer register a fraud", as: ConsumerRegisterCommand.self)
        #expect(register.stream.description == "a" && register.name.description == "fraud")
        let deregister = try self.parse("consumer deregister a fraud", as: ConsumerDeregisterCommand.self)
        #expect(deregister.name.description == "fraud")
        #expect(try self.parse("consumer list a --json", as: ConsumerListCommand.self).format.json)
    }

    @Test func benchReadsSecondsWithAndWithoutUnit() throws {
        let command = try self.parse(
            "bench produce --seconds 2.5 --warmup 500ms --size 1KiB --batch 1", as: BenchProduceCommand.self)
        #expect(command.bench.seconds == 2500)
        #expect(command.bench.warmup == 500)
        #expect(command.bench.size == 1024)
        #expect(command.load.batch == 1)
    }

    @Test func theServerComesFromTheOptionThenTheEnvironment() throws {
        let given = try self.parse("status --server 10.0.0.5:1", as: StatusCommand.self).connection
        let usual = try self.parse("status", as: StatusCommand.self).connection
        #expect(try given.address(environment: "other:2").description == "10.0.0.5:1")
        #expect(try usual.address(environment: "other:2").description == "other:2")
        #expect(try usual.address(environment: "").description == "127.0.0.1:7411")
        #expect(try usual.address(environment: nil).description == "127.0.0.1:7411")
        #expect(throws: Failure.self) { try usual.address(environment: "nonsense") }
    }

    /// Each ends with status 2 and a sentence that holds this.
    static let wrong: [(words: String, sentence: String)] = [
        ("frobnicate", "frobnicate"),
        ("stream create", "<name>"),
        ("stream create a/b", "1 to 128 of a-z"),
        ("stream create a --shards 0", "1 to 10000"),
        ("stream create a --shards 10001", "1 to 10000"),
        ("stream create a --shards four", "not a whole number"),
        ("stream create a --retention 30m", "1h to 8760h"),
        ("stream create a --retention 9000h", "1h to 8760h"),
        ("stream create a --max-size 1", "at least 1MiB"),
        ("stream create a --max-record 11MiB", "1MiB to 10MiB"),
        ("stream create a --limits fast", "bytes-in, records-in, bytes-out, reads-out"),
        ("stream update a", "nothing to change"),
        ("stream trim a", "--before"),
        ("stream trim a --before soon", "RFC 3339"),
        ("shard split a shard-1", "shardId-000000000003"),
        ("shard split a 1 --at x", "whole number"),
        ("shard rescale a --to 0", "1 to 10000"),
        ("put a --key k --key-field 1", "--key and --key-field exclude each other"),
        ("put a --from-json --key-random", "exclude each other"),
        ("put a --key-field 0", "1 to 1000000"),
        ("put a --delimiter ,", "--delimiter needs --key-field"),
        ("put a --key \(String(repeating: "k", count: 257))", "1 to 256 characters"),
        ("put a --timeout 0s", "1ms to 24h"),
        ("get a --from \(ReadPositionTests.sequence)", "needs --shard"),
        ("get a --shard 2 --from \(ReadPositionTests.sequence)", "is of shardId-000000000003"),
        ("get a --json --raw", "exclude each other"),
        ("get a --limit 0", "is not allowed: 1 to"),
        ("get a --from oldest", "trim-horizon (or earliest), latest (or now)"),
        ("get a --from 10", "10s, 10m or 10h"),
        ("get a --to 0", "has no unit"),
        ("get a --from 1700000000123456", "microseconds"),
        ("get a --from 1700000001 --to 1700000000", "lies before --from"),
        ("get a --from latest --to 1700000000", "has passed"),
        ("tail a --from 10", "10s, 10m or 10h"),
        ("consume a --app b --from 10", "10s, 10m or 10h"),
        ("stream trim a --before 10", "10s, 10m or 10h"),
        ("lease reset a --app b --from 10", "10s, 10m or 10h"),
        ("tail a --from \(ReadPositionTests.sequence)", "needs one shard"),
        ("lease list a --app b/c", "1 to 128 of a-z"),
        ("lease reset a --from latest", "--app"),
        ("lease reset a --app b", "--from"),
        ("lease reset a --app b --from soon", "trim-horizon (or earliest)"),
        ("lease reset a --app b --from \(ReadPositionTests.sequence)", "needs --shard"),
        ("lease reset a --app b --from \(ReadPositionTests.sequence) --shard 2", "is of shardId-000000000003"),
        ("lease reset a --app b --from latest --reason \(String(repeating: "r", count: 257))", "1 to 256"),
        ("lease delete a", "--app"),
        ("consumer register a", "<name>"),
        ("consumer register a \(String(repeating: "c", count: 129))", "1 to 128 of a-z"),
        ("consumer deregister a b/c", "1 to 128 of a-z"),
        ("serve --write-mode fast", "auto, direct, buffered"),
        ("serve --listen 7411", "HOST:PORT"),
        ("serve --log-level loud", "trace, debug"),
        ("bench produce --batch 501", "1 to 500"),
        ("bench produce --stream a --shards 2", "made without --stream"),
        ("bench latency --size 8", "at least 16"),
        ("bench consume --expect 5", "named by --stream"),
        ("status --server nowhere", "HOST:PORT"),
    ]

    @Test(arguments: Self.wrong)
    func wrongArgumentsAreUsageErrorsThatSayWhatIsAllowed(words: String, sentence: String) throws {
        let error = #expect(throws: (any Error).self) {
            try WeirCommand.parseAsRoot(words.split(separator: " ").map(String.init))
        }
        let message = WeirCommand.fullMessage(for: try #require(error))
        #expect(message.contains(sentence), "\(message)")
        #expect(!WeirCommand.exitCode(for: try #require(error)).isSuccess)
    }

    /// Every command that does something.
    static let commands = [
        ["serve"], ["stream", "create"], ["stream", "list"], ["stream", "describe"], ["stream", "update"],
        ["stream", "trim"], ["stream", "delete"], ["shard", "list"], ["shard", "split"], ["shard", "merge"],
        ["shard", "rescale"], ["put"], ["get"], ["tail"], ["consume"], ["deliver", "run"], ["deliver", "replay"],
        ["deliver", "create"], ["deliver", "list"], ["deliver", "describe"], ["deliver", "update"],
        ["deliver", "delete"],
        ["lease", "list"], ["lease", "reset"], ["lease", "delete"],
        ["consumer", "register"], ["consumer", "list"], ["consumer", "deregister"], ["bench", "produce"],
        ["bench", "consume"], ["bench", "checkpoint"],
        ["bench", "latency"], ["verify"], ["restored"], ["status"], ["version"],
    ]

    @Test(arguments: Self.commands)
    func everyCommandHasExamplesInItsHelp(path: [String]) throws {
        var type: any ParsableCommand.Type = WeirCommand.self
        for name in path {
            type = try #require(type.configuration.subcommands.first { $0.configuration.commandName == name })
        }
        let help = type.helpMessage()
        #expect(help.contains("Examples:"), "\(help)")
        #expect(help.contains("weir \(path.joined(separator: " "))"), "\(help)")
    }

    @Test func thereAreNoOtherCommands() {
        func paths(_ type: any ParsableCommand.Type, _ prefix: [String]) -> [[String]] {
            let subcommands = type.configuration.subcommands
            if subcommands.isEmpty { return [prefix] }
            return subcommands.flatMap { paths($0, prefix + [$0.configuration.commandName ?? ""]) }
        }
        #expect(Set(paths(WeirCommand.self, [])) == Set(Self.commands))
    }

    @Test(arguments: [
        (WeirError.Code.throughputExceeded, WeirCommands.ExitStatus.tryAgain), (.unavailable, .tryAgain),
        (.timedOut, .tryAgain),
        (.outcomeUnknown, .tryAgain), (.storageFull, .tryAgain), (.streamNotFound, .failed),
        (.invalidArgument, .failed), (.streamExists, .failed), (.damaged, .failed), (.internalFailure, .failed),
    ])
    func errorsHaveTheirExitStatus(code: WeirError.Code, status: WeirCommands.ExitStatus) {
        #expect(Program.end(running: WeirError(code, "told by a test")) == status)
    }

    @Test func whatIsInUseUntilSomebodyActsIsNoMatterOfTryingAgain() {
        let held = WeirError(.resourceInUse, "workers hold it", verdict: .init(maybeStored: false, retry: .never))
        #expect(Program.end(running: held) == .failed)
        #expect(Program.end(running: WeirError(.resourceInUse, "another change")) == .tryAgain)
        let crowded = WeirError(
            .limitExceeded, "no place", verdict: .init(maybeStored: false, retry: .after(millis: 1000)))
        #expect(Program.end(running: crowded) == .tryAgain)
        #expect(Program.end(running: WeirError(.limitExceeded, "too many shards")) == .failed)
    }
}

@Suite struct ConsumeCommandTests {
    private func parse(_ words: String) throws -> ConsumeCommand {
        try #require(
            try WeirCommand.parseAsRoot(words.split(separator: " ").map(String.init)) as? ConsumeCommand)
    }

    @Test func consumeHasTheDefaultsOfTheLibrary() throws {
        let configuration = try self.parse("consume s --app a").workerConfiguration(serverMillis: 0)
        #expect(configuration.sessionTimeout == .seconds(5))
        #expect(configuration.initialPosition == .trimHorizon)
        #expect(configuration.retry == ProcessorRetry())
        #expect(
            configuration.worker != (try self.parse("consume s --app a").workerConfiguration(serverMillis: 0).worker))
    }

    @Test func consumePollsWhenItIsTold() throws {
        func retrieval(_ words: String) throws -> Retrieval {
            let configuration = try self.parse("consume s --app a \(words)").workerConfiguration(serverMillis: 0)
            try configuration.validate()
            return configuration.retrieval
        }
        #expect(try retrieval("") == .pushed)
        #expect(try retrieval("--polling") == .polled(Polling()))
        #expect(
            try retrieval("--polling --idle 250ms --max-records 500")
                == .polled(Polling(idle: .milliseconds(250), recordsPerRead: 500)))
    }

    @Test func consumeTakesWhatItIsGiven() throws {
        let command = try self.parse(
            "consume s --app a --worker w --from latest --session-timeout 10s --dead-letter d --retries 0 "
                + "--consumer c --exec prog -- --flag x")
        #expect(command.exec == "prog" && command.arguments == ["--flag", "x"])
        let configuration = try command.workerConfiguration(serverMillis: 0)
        #expect(configuration.worker.description == "w" && configuration.consumer?.description == "c")
        #expect(configuration.initialPosition == .latest && configuration.sessionTimeout == .seconds(10))
        #expect(configuration.retry.attempts == 1)
        #expect(configuration.retry.exhausted == .deadLetter(try StreamName("d")))
    }

    @Test(arguments: ["consume s --app a", "deliver run s --to f --app a"])
    func everyCommandThatWorksForAnApplicationTakesTheSameOptions(_ command: String) throws {
        func worker(_ words: String) throws -> WorkerOptions {
            let parsed = try WeirCommand.parseAsRoot("\(command) \(words)".split(separator: " ").map(String.init))
            return try #require((parsed as? ConsumeCommand)?.worker ?? (parsed as? DeliverRunCommand)?.worker)
        }
        let application = try ApplicationName("a")
        let plain = try worker("").configuration(application, serverMillis: 0)
        #expect(plain.initialPosition == .trimHorizon && plain.sessionTimeout == Limits.sessionTimeoutDefault)
        let told = try worker("--worker w --session-timeout 10s --from latest")
            .configuration(application, serverMillis: 0)
        #expect(told.worker.description == "w" && told.sessionTimeout == .seconds(10))
        #expect(told.initialPosition == .latest)
        for (from, start) in [
            ("1700000000", StreamStart.atTimestamp(1_700_000_000_000)), ("10s", .atTimestamp(15_000)),
            ("trim-horizon", .trimHorizon),
        ] {
            let configuration = try worker("--from \(from)").configuration(application, serverMillis: 25_000)
            #expect(configuration.initialPosition == start)
        }
        #expect(throws: (any Error).self) { try worker("--from \(String(repeating: "4", count: 56))") }
    }

    @Test(arguments: [
        "consume s --app a --idle 1s", "consume s --app a --max-records 5", "consume s --app a --polling --idle 9ms",
        "consume s --app a --polling --idle 61s", "consume s --app a --polling --max-records 0",
        "consume s --app a --polling --max-records 10001", "consume s --app a --polling --consumer c",
        "consume s", "consume --app a", "consume s --app a --json --exec p", "consume s --app a -- x",
        "consume s --app a/b", "consume s --app a --session-timeout 10ms", "consume s --app a --retries -1",
        "consume s --app a --from \(String(repeating: "4", count: 56))", "consume s --app a --dead-letter d/d",
    ])
    func consumeRefuses(_ words: String) {
        #expect(throws: (any Error).self) { try self.parse(words) }
    }
}
