// SPDX-License-Identifier: Apache-2.0
import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Fixed ranges, folders that are whole, and records that are put again.
enum DeliveryRangeFaults {
    static let cases: [FaultCase] = [
        FaultCase("a fixed range is written once, whoever is killed, and a second run finds each file", Self.twice),
        FaultCase("folders are marked when they are whole, and their manifests add up", Self.manifests),
        FaultCase("records of error files are put again as they were", Self.replay),
    ]

    private static func put(_ server: ServerProcess, _ lines: [String]) async throws {
        try await server.weir.run(
            ["put", "s", "--key-random"], input: .bytes(Array(lines.map { $0 + "\n" }.joined().utf8))
        ).expect(0)
    }

    private static func folder(_ scene: Scene, _ name: String) throws -> String {
        let path = "\(scene.folder)/\(name)"
        try Files.makeFolder(path)
        return path
    }

    private static func twice(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "3", "--limits", "open")
        let lines = AccessLog.made(9000, seed: 2).split(separator: "\n").map(String.init)
        try await Self.put(server, Array(lines[..<3000]))
        try await server.weir.succeed("shard", "split", "s", "0")
        try await Self.put(server, Array(lines[3000..<6000]))
        try await server.weir.succeed("shard", "merge", "s", "1", "2")
        try await Self.put(server, Array(lines[6000...]))
        let end = Int64(Date().timeIntervalSince1970) + 1
        let (one, other) = (try Self.folder(scene, "one"), try Self.folder(scene, "other"))
        func arguments(_ target: String, _ size: String) -> [String] {
            [
                "deliver", "run", "s", "--to", target, "--from", "trim-horizon", "--until", "\(end)", "--size", size,
                "--prefix", "!{timestamp:yyyy/MM/dd/HH}/",
            ]
        }
        try await Waiting.until("the end of the range") { Int64(Date().timeIntervalSince1970) > end }
        // Somebody is killed in it, and somebody else completes it.
        let killed = try await scene.start(arguments(one, "64KiB"), server: server)
        try await Waiting.until("a first file", every: .milliseconds(1)) {
            try killed.ending != nil || !DeliveredFolder.read(one).files.isEmpty
        }
        killed.send(SIGKILL)
        _ = try await killed.ended()
        let some = try DeliveredFolder.read(one).files
        let first = try await server.weir.run(arguments(one, "64KiB"), input: .nothing).expect(0)
        let whole = try DeliveredFolder.read(one)
        try require(whole.lines.sorted() == lines.sorted(), "not each line is in one file: \(first.errors)")
        try require(whole.faults(stream: "s") == [], "\(whole.faults(stream: "s"))")
        try require(some.allSatisfy { file in whole.files.contains { $0.path == file.path } }, "a file has gone")
        let second = try await server.weir.run(arguments(one, "64KiB"), input: .nothing).expect(0)
        let again = try DeliveredFolder.read(one)
        try require(again.files.map(\.path) == whole.files.map(\.path), "the second run wrote something")
        try require(
            second.errors.contains("wrote 0 records into 0 files")
                && second.errors.contains("\(whole.files.count) files with 9,000 records were there"),
            "it said: \(second.errors)")
        let otherwise = try await server.weir.run(arguments(one, "128KiB"), input: .nothing).expect(1)
        try require(otherwise.errors.contains("cut by other options"), "it said: \(otherwise.errors)")
        try await server.weir.run(arguments(other, "64KiB"), input: .nothing).expect(0)
        try require(
            try DeliveredFolder.read(other).files.map(\.path) == whole.files.map(\.path), "other names elsewhere")
        return "\(some.count) files before the kill, \(whole.files.count) in all"
    }

    private static func manifests(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "2", "--limits", "open")
        let target = try Self.folder(scene, "files")
        let lines = AccessLog.made(3000, seed: 3).split(separator: "\n").map(String.init)
        try await Self.put(server, Array(lines[..<1000]))
        let deliveries = try await [0, 1].asyncMap { _ in
            try await scene.start(
                [
                    "deliver", "run", "s", "--to", target, "--age", "200ms", "--manifest", "--json", "--prefix",
                    "!{timestamp:yyyy-MM-dd/HH-mm-ss}/", "--session-timeout", "2s",
                ], server: server)
        }
        try await Self.put(server, Array(lines[1000..<2000]))
        try await server.weir.succeed("shard", "split", "s", "0")
        try await Self.put(server, Array(lines[2000...]))
        deliveries[0].send(SIGKILL)
        func marked() throws -> [String] {
            let walk = FileManager.default.enumerator(atPath: target)
            var folders: [String] = []
            while let path = walk?.nextObject() as? String {
                if path.hasSuffix("/_SUCCESS") { folders.append(String(path.dropLast("_SUCCESS".count))) }
            }
            return folders
        }
        var records: Int64 = 0
        try await Waiting.until("a marker in each folder", within: .seconds(60), every: .milliseconds(200)) {
            if let ending = deliveries[1].ending { throw HarnessError("the delivery ended with \(ending)") }
            records = 0
            for folder in try marked() {
                let text = String(
                    decoding: try Files.bytes(of: "\(target)/\(folder)_manifest-1.json"), as: UTF8.self)
                let manifest = try JSON(parsing: text)
                records += manifest["records"]?.integer ?? 0
            }
            return records >= Int64(lines.count)
        }
        try require(records == Int64(lines.count), "the manifests have \(records) records")
        deliveries[1].send(SIGINT)
        try require(try await deliveries[1].ended() == .exit(0), "it ended badly: \(deliveries[1].errors.text)")
        let late = try await server.weir.run(
            ["deliver", "run", "s", "--to", target], input: .nothing
        ).expect(1)
        try require(late.errors.contains("say --manifest"), "it said: \(late.errors)")
        return "\(try marked().count) folders"
    }

    private static func replay(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s")
        let target = try Self.folder(scene, "files")
        let lines = (0..<20).map { "{\"n\": \($0), \"text\": \"\u{fc}\\\"\\n\"}" }
        try await Self.put(server, lines)
        let delivery = try await scene.start(
            [
                "deliver", "run", "s", "--to", target, "--age", "100ms", "--compression", "none", "--prefix",
                "!{partitionKeyFromQuery:.status}/",
            ], server: server)
        try await Waiting.until("error files", every: .milliseconds(50)) {
            try DeliveredFolder.read(target).lines.count >= lines.count
        }
        delivery.send(SIGINT)
        try require(try await delivery.ended() == .exit(0), "it ended badly: \(delivery.errors.text)")
        let errors = try DeliveredFolder.read(target).lines
        try await server.weir.succeed("stream", "create", "again")
        try await server.weir.run(
            ["deliver", "replay", "again"], input: .bytes(Array(errors.map { $0 + "\n" }.joined().utf8))
        ).expect(0)
        func records(_ stream: String) async throws -> [String] {
            try await server.weir.run(["get", stream, "--json"], input: .nothing).expect(0).json().map {
                "\($0["partitionKey"]?.string ?? "") \($0["data"]?.string ?? "")"
            }
        }
        let (before, after) = (try await records("s"), try await records("again"))
        try require(before.count == lines.count && before.sorted() == after.sorted(), "other records: \(after)")
        return "\(after.count) records"
    }
}

extension Array {
    fileprivate func asyncMap<Other>(_ body: (Element) async throws -> Other) async throws -> [Other] {
        var others: [Other] = []
        for element in self { others.append(try await body(element)) }
        return others
    }
}
