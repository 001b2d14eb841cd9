// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `weir` itself: its subcommands in the order in which one meets them.
struct WeirCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weir",
        abstract: "A self-hosted engine for streams of records, in one program.",
        discussion: """
            Start a server, make a stream, put records in, read them back:
              weir serve --data-dir ./weir-data
              weir stream create access --shards 4
              weir put access /var/log/apache2/access.log --key-field 1
              weir get access --from trim-horizon

            Results go to stdout, messages and progress to stderr. Exit status: 0 success, 1 failed, 2 wrong usage, \
            75 try again later (throttled, the log is full, or the server cannot be reached), 128 and the number of a \
            signal that ended it before it was done.
            """,
        version: Version.text,
        subcommands: [
            ServeCommand.self, StreamCommand.self, ShardCommand.self, PutCommand.self, GetCommand.self,
            TailCommand.self, ConsumeCommand.self, DeliverCommand.self, LeaseCommand.self, ConsumerCommand.self,
            BenchCommand.self, VerifyCommand.self, RestoredCommand.self, StatusCommand.self, VersionCommand.self,
        ])
}
