// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirClient
import WeirModel

struct PutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Put the lines of a file, or of stdin, into a stream as records.",
        discussion: """
            A record is a line without its newline; empty lines count, and so does a last line without a newline. A \
            carriage return in front of the newline belongs to the record, unless --crlf is given. Each record needs a \
            partition key, which decides its shard: records of one key keep their order.

            --json prints one line for each line of input, in its order, once it is acknowledged: \
            {"shardId","sequenceNumber"} or {"errorCode","errorMessage"}. A line that cannot be a record is refused by \
            its number, the others are put all the same, and the exit status is then 1.

            Throttling is waited for. When the server refuses records for another reason, such as a full log, or \
            connections end before it has answered, that is told on stderr, and put gives up when no record was \
            acknowledged for 30 s: exit status 75. A record of a connection that ended may be stored more than once.

            Ctrl-C, SIGTERM or SIGHUP ends the input; what was read by then is finished for at most 10 s. The exit \
            status is 0 when all of it was stored, else 75, and stderr says how many records were stored, how many \
            may have been, and how many were not. A second signal gives up at once; the exit status is then 128 and \
            the signal's number.

            Examples:
              weir put access access.log --key-field 1
              tail -F app.log | weir put app
              weir put orders orders.csv --key-field 3 --delimiter ',' --json
              weir get old --from trim-horizon --json | weir put new --from-json
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @Argument(help: "The file; stdin if there is none, or '-'.")
    var file: String?
    @Option(help: ArgumentHelp("One partition key for all records.", valueName: "text"))
    var key: String?
    @Option(
        help: ArgumentHelp("The field of the line that is its partition key, from 1.", valueName: "n"),
        transform: { try Arguments.number($0, 1...1_000_000) })
    var keyField: Int?
    @Option(
        help: ArgumentHelp(
            "What stands between fields, literally; \\t is a tab (default: a space).", valueName: "text"),
        transform: { try KeySource.delimiter($0) })
    var delimiter: [UInt8]?
    @Flag(help: "Another random partition key for each record (the default).")
    var keyRandom = false
    @Flag(help: "Lines end with CR LF: a carriage return at the end of a line is left out, too.")
    var crlf = false
    @Flag(help: "Read what weir get --json prints.")
    var fromJson = false
    @OptionGroup var format: JSONOption
    @Option(
        help: ArgumentHelp(
            "Give up when the server has been silent for so long (default: 10s), or when it has acknowledged no record "
                + "although it answers (default: 30s).", valueName: "duration"),
        transform: Arguments.timeout)
    var timeout: Duration?
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if self.crlf && self.fromJson { throw ValidationError("--crlf and --from-json exclude each other") }
        let sources = [
            ("--key", self.key != nil), ("--key-field", self.keyField != nil), ("--key-random", self.keyRandom),
            ("--from-json", self.fromJson),
        ].filter(\.1).map(\.0)
        guard sources.count <= 1 else {
            throw ValidationError("\(sources.joined(separator: " and ")) exclude each other")
        }
        if self.delimiter != nil && self.keyField == nil { throw ValidationError("--delimiter needs --key-field") }
        if let key, !Limits.partitionKeyCharacters.contains(key.unicodeScalars.count) {
            throw ValidationError("a partition key has 1 to 256 characters, this one \(key.unicodeScalars.count)")
        }
    }

    var form: PutFeeder.Form {
        if self.fromJson { return .json }
        return .lines(self.keySource, crlf: self.crlf)
    }

    private var keySource: KeySource {
        if let key { return .fixed(Array(key.utf8)) }
        if let keyField { return .field(keyField, delimiter: self.delimiter ?? [UInt8(ascii: " ")]) }
        return .random
    }

    func run() async throws {
        let input = try InputReader(path: self.file)
        // Figures would stand in the line that somebody types, or among results.
        let progress = Progress(
            "put", isShown: Messages.isTerminal && !input.isTerminal && !(self.format.json && StandardOutput.isTerminal)
        )
        let patience = self.timeout ?? .seconds(10)
        let text = DurationText.describe(Int64(clamping: patience.nanos / 1_000_000))
        var configuration = try self.connection.clientConfiguration(trying: "for \(text) while lines wait for it")
        configuration.callTimeout = patience
        let client = try WeirClient(configuration)
        let outcome: PutOutcome
        do {
            let producer = try await client.producer(self.stream, self.producerConfiguration)
            let session = PutSession(
                input: input, producer: producer, form: self.form, isJSON: self.format.json, progress: progress)
            outcome = try await Interrupts.whileRunning(session.handlers) {
                try await progress.whileRunning { try await session.run() }
            }
        } catch {
            await client.close()
            throw error
        }
        await client.close()
        if let failure = outcome.failure { throw failure }
        if !self.format.json || Messages.isTerminal {
            Messages.write(progress.summary("put " + CountText.describe(outcome.acknowledged, "record")))
        }
    }

    private var producerConfiguration: ProducerConfiguration {
        var configuration = ProducerConfiguration()
        configuration.timeout = self.timeout ?? .seconds(10)
        configuration.progressTimeout = self.timeout ?? .seconds(30)
        configuration.onNotice = { notice in
            switch notice {
            case .heldBack(let error):
                Messages.write("no record is acknowledged, and all are tried again: \(error.message)")
            case .goesOn: Messages.write("records are stored again")
            }
        }
        return configuration
    }
}
