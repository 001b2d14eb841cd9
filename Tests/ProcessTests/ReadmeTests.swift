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

    /// The commands of the section "Files", as they stand there.
    @Test func theFilesOfTheReadmeAreDelivered() async throws {
        let readme = try String(contentsOf: Self.root.appendingPathComponent("README.md"), encoding: .utf8)
        let section = try #require(
            readme.components(separatedBy: "\n## Files\n").last?.components(separatedBy: "\n## ")[0])
        #expect(section.split(separator: "\n", omittingEmptySubsequences: false).count <= 16)
        let block = try #require(section.components(separatedBy: "```\n").dropFirst().first)
        let commands = block.split(separator: "\n").filter { $0.hasPrefix("$ ") }.map { String($0.dropFirst(2)) }
        try #require(commands.count == 3 && commands[0] == "mkdir files")
        let lines = ["alice opened the door", "bob looked in", "alice closed it"]
        try await TemporaryFolder.with("readme-files") { folder in
            try Files.makeFolder(folder + "/files")
            try await ServerProcess.with("readme", in: nil) { server in
                try await server.weir.succeed("stream", "create", "visits", "--shards", "2")
                try await server.weir.run(
                    ["put", "visits", "--key-field", "1"],
                    input: .bytes(Array(lines.map { $0 + "\n" }.joined().utf8))
                ).expect(0)
                func start(_ command: String) async throws -> ChildProcess {
                    let words = command.split(separator: " ").map(String.init)
                    try require(words[0] == "weir", "no command of weir: \(command)")
                    return try await server.weir.start(
                        words.dropFirst().filter { $0 != "&" }, folder: folder)
                }
                let delivery = try await start(commands[1])
                try await Waiting.until("all lines in files") {
                    try DeliveredFolder.read(folder + "/files").lines.count == lines.count
                }
                let other = try await start(commands[2])
                #expect(try await other.ended() == .exit(1))
                #expect(block.contains(other.errors.text))
                delivery.send(SIGTERM)
                #expect(try await delivery.ended() == .exit(0))
            }
            let delivered = try DeliveredFolder.read(folder + "/files")
            #expect(delivered.lines.sorted() == lines.sorted() && delivered.faults(stream: "visits") == [])
        }
    }
}
