// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirIO
import WeirJSON
import WeirStorage

struct RestoredCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restored", abstract: "Say that a data folder was restored from a backup.",
        discussion: """
            A node that goes on from a backup would give sequence numbers to new records that the lost ones
            had, and whoever kept such a number would skip records without a word. Run this once on the
            restored folder, before the server starts: every open shard makes way for another one with the
            same keys, so what follows is numbered anew, and a position from the lost part is refused.
            Consumers go on by themselves, from the shards that have ended to those that follow.

            Examples:
              cp -a /backup/weir-data ./weir-data && weir restored ./weir-data && weir serve
            """)

    @Argument(help: ArgumentHelp("The folder of a stopped server.", valueName: "data-dir"))
    var folder: String

    func run() async throws {
        let report: RestoredFolder.Report
        do {
            report = try RestoredFolder.renumber(StorageConfiguration(folder: self.folder), clock: SystemClock())
        } catch {
            throw Failure(.failed, error.message)
        }
        let output = StandardOutput()
        for shard in report.kept {
            output.bytes.append(
                text: "\(shard) has too few keys to make way: merge it with its neighbour before anybody puts\n")
        }
        let shards = CountText.describe(report.renumbered, "shard")
        let streams = CountText.describe(report.streams, "stream")
        let verb = report.renumbered == 1 ? "is" : "are"
        output.bytes.append(text: "\(shards) of \(streams) in \(self.folder) \(verb) numbered anew\n")
        try output.flush()
    }
}
