// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirClient
import WeirModel

struct PutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Put the lines of a file, or of stdin, into a stream as records.",
        discussion: """
            A record is a line without its newline; empty lines count, and so does a last line without a newline. Each \
            needs a partition key, which decides its shard: records of one key keep their order.

            --json prints one line for each line of input, in its order, once it is acknowledged: \
            {"shardId","sequenceNumber"} or {"errorCode","errorMessage"}. A line that cannot be a record is refused by \
            its number, the others are put all the same, and the exit status is then 1.

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
    @Flag(help: "Read what weir get --json prints.")
    var fromJson = false
    @OptionGroup var format: JSONOption
    @Option(
        help: ArgumentHelp(
            "Give up when the server has been silent for so long (default: 10s).", valueName: "duration"),
        transform: Arguments.timeout)
    var timeout: Duration?
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
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
        if let key { return .lines(.fixed(Array(key.utf8))) }
        if let keyField { return .lines(.field(keyField, delimiter: self.delimiter ?? [UInt8(ascii: " ")])) }
        return .lines(.random)
    }

    func run() async throws {
        let input = try InputReader(path: self.file)
        let progress = Progress("put", isShown: Messages.isTerminal && !(self.format.json && StandardOutput.isTerminal))
        let timeout = self.timeout ?? .seconds(10)
        var configuration = try self.connection.clientConfiguration()
        configuration.callTimeout = timeout
        let client = try WeirClient(configuration)
        let outcome: PutOutcome
        do {
            var settings = ProducerConfiguration()
            settings.timeout = timeout
            let producer = try await client.producer(self.stream, settings)
            let session = PutSession(
                input: input, producer: producer, form: self.form, isJSON: self.format.json, progress: progress)
            outcome = try await Interrupts.whileRunning(finish: { input.stop() }) {
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
}
