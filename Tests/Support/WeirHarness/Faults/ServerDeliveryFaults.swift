// SPDX-License-Identifier: Apache-2.0
import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Deliveries that the server runs by itself: they outlive its end, and say how they go.
enum ServerDeliveryFaults {
    static let cases: [FaultCase] = [
        FaultCase("deliveries of a server go on after it was killed, each line once", Self.killed),
        FaultCase("a delivery of a server whose folder takes nothing says so in its status", Self.awayFolder),
        FaultCase("a server writes files nowhere unless it is told where", Self.refused),
    ]

    private static let usual = ["--age", "100ms"]

    private struct Scenery {
        let server: ServerProcess
        let root: String
        let lines: [String]

        func put(_ range: Range<Int>, into stream: String = "s") async throws {
            let text = self.lines[range].map { $0 + "\n" }.joined()
            try await self.server.weir.run(
                ["put", stream, "--key-random"], input: .bytes(Array(text.utf8))
            ).expect(0)
        }

        func delivers(_ count: Int, to folder: String) async throws {
            try await Waiting.until("\(count) lines in files of \(folder)", every: .milliseconds(50)) {
                let lines = try DeliveredFolder.read("\(self.root)/\(folder)").lines
                return lines.sorted() == self.lines.prefix(count).sorted()
            }
        }

        /// Of the delivery with that name.
        func status(_ name: String) async throws -> JSON? {
            let listed = try await self.server.weir.succeed("deliver", "list", "--json").json()
            return listed.first { $0["delivery"]?.string == name }?["status"]
        }
    }

    private static func scenery(_ scene: Scene, root: String) async throws -> Scenery {
        let server = try await scene.serve(arguments: ["--deliver-to", root])
        let lines = AccessLog.made(900, seed: 1).split(separator: "\n").map(String.init)
        return Scenery(server: server, root: root, lines: lines)
    }

    private static func killed(_ scene: Scene) async throws -> String {
        let root = scene.folder + "/files"
        try Files.makeFolder(root)
        var scenery = try await Self.scenery(scene, root: root)
        let weir = scenery.server.weir
        try await weir.succeed("stream", "create", "s", "--shards", "3")
        try await weir.run(["deliver", "create", "s", "--to", "a/zstd"] + Self.usual).expect(0)
        try await weir.run(
            ["deliver", "create", "s", "--to", "gzip", "--app", "other", "--compression", "gzip"] + Self.usual
        ).expect(0)
        let twice = try await weir.run(["deliver", "create", "s", "--to", "b"])
        try require(twice.ending != .exit(0) && twice.errors.contains("has a delivery 'deliver' already"), "\(twice)")
        try await scenery.put(0..<300)
        try await scenery.delivers(300, to: "a/zstd")
        try await scenery.delivers(300, to: "gzip")
        // Lines that are not in files yet when it dies: its deliveries are killed with it.
        try await scenery.put(300..<600)
        scenery.server.process.send(SIGKILL)
        _ = try await scenery.server.process.ended()
        scenery = try await Self.scenery(scene, root: root)
        try await scenery.server.weir.succeed("shard", "split", "s", "0")
        try await scenery.put(600..<900)
        try await scenery.delivers(900, to: "a/zstd")
        try await scenery.delivers(900, to: "gzip")
        try await Waiting.until("a status with a last file") {
            try await scenery.status("other")?["lastFile"]?.string?.hasSuffix(".gz") == true
        }
        // What is changed holds for what comes, what is deleted has ended; both folders stay whole.
        try await scenery.server.weir.succeed("deliver", "update", "s", "--compression", "lz4")
        try await scenery.server.weir.succeed("deliver", "delete", "s", "--app", "other")
        let described = try await scenery.server.weir.succeed("deliver", "describe", "s")
        try require(described.output.contains("lz4") && described.output.contains("a/zstd"), "\(described)")
        try await scenery.server.stop()
        for folder in ["a/zstd", "gzip"] {
            let read = try DeliveredFolder.read("\(root)/\(folder)")
            try require(read.lines.sorted() == scenery.lines.sorted(), "not each line is in one file of \(folder)")
            try require(read.faults(stream: "s") == [], "\(read.faults(stream: "s"))")
        }
        return "900 lines in two folders"
    }

    private static func awayFolder(_ scene: Scene) async throws -> String {
        let root = scene.folder + "/files"
        try Files.makeFolder(root)
        let scenery = try await Self.scenery(scene, root: root)
        let weir = scenery.server.weir
        try await weir.succeed("stream", "create", "s", "--shards", "2")
        try await weir.run(["deliver", "create", "s", "--to", "a"] + Self.usual).expect(0)
        try await scenery.put(0..<300)
        try await scenery.delivers(300, to: "a")
        guard rename(root + "/a", root + "/b") == 0 else { throw HarnessError("cannot move the folder") }
        try await scenery.put(300..<600)
        try await Waiting.until("a status that says why it waits") {
            guard let status = try await scenery.status("deliver") else { return false }
            return status["state"]?.string == "waiting" && "\(status)".contains("not mounted?")
        }
        let listed = try await weir.succeed("deliver", "list")
        try require(listed.output.contains("not mounted?"), "the list does not say why: \(listed.output)")
        guard rename(root + "/b", root + "/a") == 0 else { throw HarnessError("cannot move the folder back") }
        try await scenery.put(600..<900)
        try await scenery.delivers(900, to: "a")
        return listed.output
    }

    private static func refused(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "1")
        let begun = ContinuousClock.now
        let refused = try await server.weir.run(["deliver", "create", "s", "--to", "a"])
        try require(refused.ending != .exit(0) && refused.errors.contains("weir serve --deliver-to"), "\(refused)")
        try require(ContinuousClock.now - begun < .seconds(5), "it was asked again and again")
        for to in ["../a", "/etc/a", ".weir"] {
            let outside = try await server.weir.run(["deliver", "create", "s", "--to", to])
            try require(outside.errors.contains("delivers into no folder"), "\(outside)")
        }
        try await server.stop()
        let missing = try await scene.refusedServer(arguments: ["--deliver-to", scene.folder + "/none"])
        try require(missing.contains("deliveries cannot write files below"), missing)
        return refused.errors
    }
}
