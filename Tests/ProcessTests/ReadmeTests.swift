// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import WeirHarness

/// The program of the README is the one that is compiled here, and does what it says.
@Suite struct ReadmeTests {
    private static var root: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    @Test func theProgramOfTheReadmeIsTheOneThatIsCompiled() throws {
        let readme = try String(contentsOf: Self.root.appendingPathComponent("README.md"), encoding: .utf8)
        let source = try String(
            contentsOf: Self.root.appendingPathComponent("Examples/readme-consumer/ReadmeConsumer.swift"),
            encoding: .utf8)
        let program = source.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)[1]
        #expect(readme.contains("```swift\n\(program)```"))
    }

    @Test func theProgramOfTheReadmeConsumes() async throws {
        try await ServerProcess.with("readme", in: nil) { server in
            try await server.weir.succeed("stream", "create", "visits", "--shards", "2")
            let lines = ["alice opened the door", "bob looked in", "alice closed it"]
            let put = try await server.weir.run(
                ["put", "visits", "--key-field", "1"],
                input: .bytes(Array(lines.map { $0 + "\n" }.joined().utf8)))
            try put.expect(0)
            let path = try Weir.beside("readme-consumer")
            // Its output is a pipe: what was checkpointed must have been written when it is ended.
            let program = try await ChildProcess.start(path, ["\(server.port)"], environment: [:])
            try await Waiting.until("three processed records") {
                let list = try await server.weir.run("lease", "list", "visits", "--app", "printer", "--json")
                guard list.ending == .exit(0) else { return false }
                let rows = try list.json()
                return rows.count == 2 && rows.allSatisfy { $0["recordsBehind"] == .number("0") }
            }
            program.send(SIGTERM)
            let ended = try await program.ended()
            #expect(ended == .exit(0))
            for line in lines { #expect(program.output.text.contains(line), "\(line)") }
        }
    }
}
