// SPDX-License-Identifier: Apache-2.0
import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A folder that takes nothing for a while: the delivery says what it waits for, and goes on without a restart.
enum DeliveryFaults {
    static let cases: [FaultCase] = [
        FaultCase("a delivery whose disk is full waits, says so, and goes on when there is room", Self.fullDisk),
        FaultCase("a delivery whose folder is away waits, says so, and goes on when it is back", Self.awayFolder),
        FaultCase("after a reset records are delivered once more, into files beside the first ones", Self.reset),
        FaultCase("a sync of a file that fails costs its records nothing", Self.failedSync),
        FaultCase("records go into the folders that their fields and times say, also late ones", Self.folders),
        FaultCase("Ctrl-C on a delivery that waits ends it in time, and the next one delivers all", Self.stopped),
    ]

    private struct Scenery {
        let faults: FaultPage
        let server: ServerProcess
        let target: String
        let lines: [String]
        let delivery: ChildProcess

        func put(_ range: Range<Int>) async throws {
            let text = self.lines[range].map { $0 + "\n" }.joined()
            try await self.server.weir.run(
                ["put", "s", "--key-random"], input: .bytes(Array(text.utf8))
            ).expect(0)
        }

        func says(_ text: String) async throws {
            try await Waiting.until("'\(text)' on stderr") {
                if let ending = self.delivery.ending { throw HarnessError("the delivery ended with \(ending)") }
                return self.delivery.errors.text.contains(text)
            }
        }

        func isWhole(_ count: Int) throws -> Bool {
            let lines = try DeliveredFolder.read(self.target).lines
            return lines.sorted() == self.lines.prefix(count).sorted()
        }

        func delivers(_ count: Int) async throws {
            try await Waiting.until("\(count) lines in files", every: .milliseconds(50)) {
                if let ending = self.delivery.ending { throw HarnessError("the delivery ended with \(ending)") }
                return try self.isWhole(count)
            }
        }

        func ends() async throws {
            self.delivery.send(SIGINT)
            let ending = try await self.delivery.ended()
            try require(ending == .exit(0), "it ended with \(ending): \(self.delivery.errors.text)")
            let folder = try DeliveredFolder.read(self.target)
            try require(folder.lines.sorted() == self.lines.sorted(), "not each line is in one file")
            try require(folder.faults(stream: "s") == [], "\(folder.faults(stream: "s"))")
        }
    }

    private static func arguments(_ target: String) -> [String] {
        ["deliver", "run", "s", "--to", target, "--age", "200ms", "--json", "--session-timeout", "2s"]
    }

    private static func scenery(_ scene: Scene) async throws -> Scenery {
        let faults = try await FaultPage.make(in: scene.folder)
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "2")
        let target = scene.folder + "/files"
        try Files.makeFolder(target)
        let delivery = try await scene.start(
            Self.arguments(target), server: server, environment: faults.environment)
        let lines = AccessLog.made(900, seed: 1).split(separator: "\n").map(String.init)
        let scenery = Scenery(faults: faults, server: server, target: target, lines: lines, delivery: delivery)
        try await scenery.put(0..<300)
        try await scenery.delivers(300)
        try faults.checkLoaded()
        return scenery
    }

    private static func fullDisk(_ scene: Scene) async throws -> String {
        let scenery = try await Self.scenery(scene)
        scenery.faults.refuseFiles(true)
        try await scenery.put(300..<600)
        try await scenery.says("delivery waits: cannot write")
        try require(scenery.delivery.errors.text.contains("No space left on device"), "not why it waits")
        try await Waiting.until("a status that says so") {
            scenery.delivery.output.lines.contains { $0.contains("\"state\":\"waiting\"") && $0.contains("No space") }
        }
        try require(try scenery.isWhole(300), "something is in files that could not be written")
        scenery.faults.refuseFiles(false)
        try await scenery.says("delivery goes on")
        try await scenery.put(600..<900)
        try await scenery.delivers(900)
        try await scenery.ends()
        return scenery.delivery.errors.lines.first { $0.contains("waits") } ?? ""
    }

    private static func awayFolder(_ scene: Scene) async throws -> String {
        let scenery = try await Self.scenery(scene)
        guard rename(scenery.target, scenery.target + "-away") == 0 else {
            throw HarnessError("cannot move the folder: \(Descriptors.lastError)")
        }
        try await scenery.put(300..<600)
        try await scenery.says("is the folder moved, or not mounted?")
        guard rename(scenery.target + "-away", scenery.target) == 0 else {
            throw HarnessError("cannot move the folder back: \(Descriptors.lastError)")
        }
        try await scenery.says("delivery goes on")
        try await scenery.put(600..<900)
        try await scenery.delivers(900)
        try await scenery.ends()
        return scenery.delivery.errors.lines.first { $0.contains("waits") } ?? ""
    }

    private static func reset(_ scene: Scene) async throws -> String {
        let scenery = try await Self.scenery(scene)
        scenery.delivery.send(SIGINT)
        try require(try await scenery.delivery.ended() == .exit(0), "it ended badly")
        let first = try DeliveredFolder.read(scenery.target)
        try await scenery.server.weir.succeed("lease", "reset", "s", "--app", "deliver", "--from", "trim-horizon")
        let again = try await scene.start(
            Self.arguments(scenery.target) + ["--format", "json"], server: scenery.server)
        try await Waiting.until("300 records more", every: .milliseconds(50)) {
            try DeliveredFolder.read(scenery.target).lines.count >= 600
        }
        again.send(SIGINT)
        try require(try await again.ended() == .exit(0), "it ended badly")
        let folder = try DeliveredFolder.read(scenery.target)
        let added = folder.files.filter { file in !first.files.contains { $0.path == file.path } }
        let objects = try added.flatMap(\.lines).map { try JSON(parsing: $0) }
        try require(folder.lines.count == 600 && objects.count == 300, "\(folder.lines.count), \(objects.count)")
        return "\(first.files.count) files, and \(added.count) more"
    }

    private static func failedSync(_ scene: Scene) async throws -> String {
        let scenery = try await Self.scenery(scene)
        scenery.faults.failFileSyncs(2)
        try await scenery.put(300..<600)
        try await scenery.says("all shards are read again from their checkpoints: cannot sync")
        try await Waiting.until("two failed syncs") { scenery.faults.fileSyncsLeft == 0 }
        try await scenery.put(600..<900)
        try await scenery.delivers(900)
        try await scenery.ends()
        return scenery.delivery.errors.lines.first { $0.contains("again") } ?? ""
    }

    /// One of twenty comes up to three days late, one of fifty has no status, one has no time.
    private static func folders(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "2")
        let target = scene.folder + "/files"
        try Files.makeFolder(target)
        let now = Int64(Date().timeIntervalSince1970)
        let today = Self.day(now)
        var random = SeededRandom(1)
        var (lines, expected, late): ([String], [String: [String]], Int) = ([], [:], 0)
        for number in 0..<4000 {
            let isLate = number % 20 == 7
            // Not around midnight, and not around an hour: the server's clock decides there.
            let second = isLate ? now - Int64.random(in: 7200...259_200, using: &random) : now - 5
            let status = [200, 304, 404, 500][Int.random(in: 0..<4, using: &random)]
            let line: String
            var folder = "status=\(status)/\(Self.day(second))"
            if number % 50 == 3 {
                line = "{\"n\": \(number), \"time\": \(second)}"
                folder = "errors"
            } else if number == 99 {
                line = "{\"n\": \(number), \"status\": \(status)}"
                folder = "status=\(status)/\(today)"
            } else {
                line = "{\"n\": \(number), \"time\": \(second), \"status\": \(status)}"
            }
            if isLate { late += 1 }
            lines.append(line)
            expected[folder, default: []].append(line)
        }
        try await server.weir.run(
            ["put", "s", "--key-random"], input: .bytes(Array(lines.map { $0 + "\n" }.joined().utf8))
        ).expect(0)
        let delivery = try await scene.start(
            [
                "deliver", "run", "s", "--to", target, "--age", "1s", "--json", "--event-time", ".time",
                "--event-time-format", "seconds", "--prefix",
                "status=!{partitionKeyFromQuery:.status}/!{timestamp:yyyy-MM-dd}/",
            ], server: server)
        try await Waiting.until("all lines in files", every: .milliseconds(50)) {
            if let ending = delivery.ending { throw HarnessError("the delivery ended with \(ending)") }
            return try DeliveredFolder.read(target).lines.count >= lines.count
        }
        delivery.send(SIGINT)
        try require(try await delivery.ended() == .exit(0), "it ended badly: \(delivery.errors.text)")
        let folder = try DeliveredFolder.read(target)
        var found: [String: [String]] = [:]
        for file in folder.files {
            let parts = file.path.split(separator: "/").dropLast()
            let key = parts.first == "errors" ? "errors" : parts.joined(separator: "/")
            found[key, default: []] += key == "errors" ? try file.lines.map(Self.rawLine) : file.lines
        }
        for (name, lines) in expected where found[name]?.sorted() != lines.sorted() {
            throw HarnessError("\(name) has \(found[name]?.count ?? 0) lines, not \(lines.count)")
        }
        try require(found.count == expected.count, "folders that nobody asked for: \(found.keys.sorted())")
        let status = try JSON(parsing: delivery.output.lines.last ?? "")
        let withoutField = expected["errors"]?.count ?? 0
        for (name, count) in [
            ("lateRecords", late), ("recordsWithoutTime", 1), ("recordsWithoutField", withoutField),
            ("records", lines.count),
        ] {
            try require(status[name]?.integer == Int64(count), "\(name) is not \(count): \(status)")
        }
        // Each of two shards has a file for each folder at most: nothing late ended another's file.
        try require(folder.files.count <= 2 * found.count, "\(folder.files.count) files for \(found.count) folders")
        return "\(late) late lines, \(folder.files.count) files in \(found.count) folders"
    }

    /// What an error file says of a record, in the form of Firehose.
    private static func rawLine(_ line: String) throws -> String {
        let object = try JSON(parsing: line)
        let isWhole =
            object["errorCode"]?.string == "DynamicPartitioning.MetadataExtractionFailed"
            && object["errorMessage"]?.string?.contains(".status") == true && object["attemptsMade"]?.integer == 1
        guard isWhole, let raw = object["rawData"]?.string.flatMap({ Data(base64Encoded: $0) }) else {
            throw HarnessError("an error file has \(line)")
        }
        return String(decoding: raw, as: UTF8.self)
    }

    private static func day(_ second: Int64) -> String {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(identifier: "UTC")
        format.dateFormat = "yyyy-MM-dd"
        return format.string(from: Date(timeIntervalSince1970: TimeInterval(second)))
    }

    private static func stopped(_ scene: Scene) async throws -> String {
        let scenery = try await Self.scenery(scene)
        scenery.faults.refuseFiles(true)
        try await scenery.put(300..<900)
        try await scenery.says("delivery waits: cannot write")
        let watch = Stopwatch()
        scenery.delivery.send(SIGINT)
        let ending = try await scenery.delivery.ended()
        try require(watch.seconds < 20, "it took \(watch.seconds) s")
        let said = scenery.delivery.errors.text
        try require(
            ending == .exit(75) && said.contains("could not be finished") && said.contains("No space left"),
            "it ended with \(ending): \(said)")
        try require(try scenery.isWhole(300), "something is in files that could not be written")
        let next = try await scene.start(Self.arguments(scenery.target), server: scenery.server)
        let last = Scenery(
            faults: scenery.faults, server: scenery.server, target: scenery.target, lines: scenery.lines, delivery: next
        )
        try await last.delivers(900)
        try await last.ends()
        return "\(ending); \(said.split(separator: "\n").last ?? "")"
    }
}
