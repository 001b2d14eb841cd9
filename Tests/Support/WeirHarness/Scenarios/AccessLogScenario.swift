// SPDX-License-Identifier: Apache-2.0
import Foundation
import WeirModel

/// A web server's log goes in by its client addresses, and comes out again: with `weir put` and `weir get` alone.
package struct AccessLogScenario: Sendable {
    package var seed = SeededRandom.anySeed()
    package var lines = 10_000
    /// A real log to use; `nil`: one is made up in the same shape.
    package var file: String?
    package var parentFolder: String?

    package init() {}

    package func run() async throws -> Report {
        try await ServerProcess.with("access-log", in: self.parentFolder) { server in
            var report = Report("access-log", seed: self.seed)
            let path = self.file ?? server.folder + "-access.log"
            if self.file == nil { try Files.write(AccessLog.made(self.lines, seed: self.seed), to: path) }
            try await self.run(server, path, &report)
            return report
        }
    }

    private func run(_ server: ServerProcess, _ path: String, _ report: inout Report) async throws {
        let lines = Lines.split(try Files.bytes(of: path))
        let clients = lines.map { String($0.prefix { $0 != " " }) }
        report.add("lines", lines.count)
        report.add("clients", Set(clients).count)
        try await server.weir.succeed("stream", "create", "access", "--shards", "4", "--limits", "open")
        let put = try await server.weir.succeed("put", "access", path, "--key-field", "1", "--json").json()
        let shards = try self.judgePut(put, lines.count, clients, &report)

        let read = try await server.weir.succeed("get", "access", "--from", "trim-horizon", "--raw").lines
        if read.sorted() != lines.sorted() {
            report.violations.add("\(read.count) lines were read, and they are not the \(lines.count) that were put")
        }
        let readByClient = Dictionary(grouping: read) { $0.prefix { $0 != " " } }
        for (client, own) in Dictionary(grouping: lines, by: { $0.prefix { $0 != " " } })
        where readByClient[client] != own {
            report.violations.add("the lines of client \(client) are not in their order")
        }
        try await self.judgeJSON(server, put, &report)
        try await self.judgeShards(server, path, shards, &report)
    }

    /// One acknowledgement a line, in the order of the lines. Returns the records of each shard.
    private func judgePut(
        _ put: [JSON], _ count: Int, _ clients: [String], _ report: inout Report
    ) throws -> [String: Int] {
        if put.count != count { report.violations.add("\(put.count) results for \(count) lines") }
        var shards: [String: Int] = [:]
        var last: [String: SequenceNumber] = [:]
        var numbers: Set<String> = []
        for (client, result) in zip(clients, put) {
            let shard = try result.text("shardId")
            let text = try result.text("sequenceNumber")
            let number = try SequenceNumber(parsing: text)
            shards[shard, default: 0] += 1
            if result.names != ["sequenceNumber", "shardId"] { report.violations.add("put printed \(result)") }
            if number.shard.description != shard { report.violations.add("number \(text) is not of \(shard)") }
            if !numbers.insert(text).inserted { report.violations.add("number \(text) was given twice") }
            // In the order of the input the numbers of a client rise.
            if let before = last[client], before >= number {
                report.violations.add("the numbers of client \(client) do not rise")
            }
            last[client] = number
        }
        report.add("sequence numbers", numbers.count)
        return shards
    }

    /// `weir get --json` gives every record the number that its put was told.
    private func judgeJSON(_ server: ServerProcess, _ put: [JSON], _ report: inout Report) async throws {
        let read = try await server.weir.succeed("get", "access", "--json").lines
        let numbers = try read.map { line in
            try RecordLine(Array(line.utf8).span).sequenceNumber.description
        }
        if Set(numbers) != Set(try put.map { try $0.text("sequenceNumber") }) || numbers.count != put.count {
            report.violations.add("get --json tells other numbers than put --json did")
        }
    }

    /// Another program's MD5 says how many records each shard must have.
    private func judgeShards(
        _ server: ServerProcess, _ path: String, _ shards: [String: Int], _ report: inout Report
    ) async throws {
        guard let python = Self.program("python3") else {
            report.add("check by another program", "left out: python3 is not installed")
            return
        }
        let listed = try await server.weir.succeed("shard", "list", "access", "--json").outputBytes
        let check = try await ChildProcess.start(python, ["-c", Self.script, path], input: .bytes(listed))
        let ending = try await check.ended()
        try require(ending == .exit(0), "python3 ended with \(ending): \(check.errors.text)")
        let expected = try JSON(parsing: check.output.text)
        for name in Set(expected.names).union(shards.keys) where expected[name]?.integer != Int64(shards[name] ?? 0) {
            report.violations.add(
                "\(name) has \(shards[name] ?? 0) records, another program's MD5 says \(expected[name] ?? .null)")
        }
        report.add(
            "per shard as python's MD5 says",
            shards.sorted { $0.key < $1.key }.map { "\($0.value)" }.joined(separator: "+"))
    }

    private static let script = """
        import hashlib, json, sys
        shards = [json.loads(line) for line in sys.stdin]
        counts = {shard["shardId"]: 0 for shard in shards}
        for line in open(sys.argv[1], "rb"):
            key = line.rstrip(b"\\n").split(b" ")[0]
            value = int.from_bytes(hashlib.md5(key).digest(), "big")
            for shard in shards:
                if int(shard["startingHashKey"]) <= value <= int(shard["endingHashKey"]):
                    counts[shard["shardId"]] += 1
        print(json.dumps(counts))
        """

    package static func program(_ name: String) -> String? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
        return folders.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}
