// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirModel

struct DeliverReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Put the records of error files into a stream again.",
        discussion: """
            Error files are those under --error-prefix of weir deliver run, one JSON object a line. Each record is put \
            with its data as it was, its partition key, and its explicit hash key if it had one; it is a new record \
            behind those that are there. A file that is compressed is read through the program that it opens with. \
            Running it twice puts the records twice. It ends as weir put does.

            Examples:
              zstd -dc errors/*/2026/11/28/*/*.zst | weir deliver replay events
              weir deliver replay events failed.jsonl --json
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @Argument(help: "The file; stdin if there is none, or '-'.")
    var file: String?
    @OptionGroup var format: JSONOption
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        var put = try PutCommand.parse([self.stream.description] + (self.file.map { [$0] } ?? []) + ["--from-json"])
        put.format = self.format
        put.connection = self.connection
        try await put.run()
    }
}
