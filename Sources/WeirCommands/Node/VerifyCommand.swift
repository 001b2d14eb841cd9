// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirJSON
import WeirStorage

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check a data folder.",
        discussion: """
            Reads every byte that counts and changes nothing. The server must be stopped. Prints a line for each \
            stretch that is not what was written, with file and byte range, and for whatever a start would call \
            damaged or missing. What a crash leaves half written at the end of the log is named as torn and is no \
            damage. Exit status: 0 all is whole, 1 something is damaged or the folder cannot be read.

            Examples:
              weir verify ./weir-data
              weir verify ./weir-data && cp -a ./weir-data /backup/
            """)

    @Argument(help: ArgumentHelp("The folder of a stopped server.", valueName: "data-dir"))
    var folder: String

    func run() async throws {
        let report: VerifyReport
        do {
            report = try Verifier.run(folder: self.folder)
        } catch {
            throw Failure(.failed, error.message)
        }
        let output = StandardOutput()
        for finding in report.findings { output.bytes.append(text: "damaged: \(finding)\n") }
        for place in report.torn {
            output.bytes.append(text: "torn, a start cuts it off or writes it again: \(place)\n")
        }
        for name in report.foreign { output.bytes.append(text: "not Weir's, not looked at: \(name)\n") }
        output.bytes.append(
            text: "\(report.segments) segments, \(report.commits) commits, \(report.batches) batches, "
                + "\(report.records) records, \(report.snapshots) snapshots, \(report.bytes) bytes checked: "
                + (report.findings.isEmpty ? "all whole\n" : "\(report.findings.count) damaged\n"))
        try output.flush()
        if !report.findings.isEmpty { throw Failure(.failed, "the data folder \(self.folder) is damaged") }
    }
}
