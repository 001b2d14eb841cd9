// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Bytes that changed on the disk: found, named, and never given out as if they were right.
enum DamageFaults {
    static let cases: [FaultCase] = [
        FaultCase("a flipped bit of a record is found by verify and by the server, which serves the rest", Self.record),
        FaultCase("a flipped bit of the newest snapshot costs nothing", Self.snapshot),
        FaultCase("a damaged change of streams is refused by file and range, and nothing is touched", Self.change),
        FaultCase("a segment that is gone or cut is told, and the server goes on", Self.lostSegment),
        FaultCase("verify refuses what is no data folder, and one that is in use", Self.noFolder),
    ]

    /// Fills `s` with one commit for each of some records, and ends the server well.
    private static func makeData(_ scene: Scene) async throws -> [String] {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "1")
        var lines: [String] = []
        for number in 0..<6 {
            let line = "needle-\(number)-" + String(repeating: "x", count: 100)
            try await server.weir.run(["put", "s", "--key", "k"], input: .bytes(Array((line + "\n").utf8))).expect(0)
            lines.append(line)
        }
        try await server.stop()
        try await scene.weir.succeed("verify", scene.data)
        return lines
    }

    /// Flips one bit where `text` stands in a file whose name begins so. Returns the file's name.
    static func flip(_ scene: Scene, _ prefix: String, at text: String) throws -> String {
        for name in try Files.names(in: scene.data) where name.hasPrefix(prefix) {
            let path = scene.data + "/" + name
            var bytes = try Files.bytes(of: path)
            guard let position = Bytes.position(of: Array(text.utf8), in: bytes) else { continue }
            bytes[position + 3] ^= 0x10
            try Files.write(bytes, to: path)
            return name
        }
        throw HarnessError("'\(text)' stands in no file \(prefix)*")
    }

    /// What the server said of its start, when it has named the file: its ready line may be read first.
    private static func told(_ server: ServerProcess, _ file: String) async throws -> String {
        try await Waiting.value("the server to name \(file)", within: .seconds(20)) {
            let said = server.process.errors.text
            return said.contains(file) ? said : nil
        }
    }

    private static func record(_ scene: Scene) async throws -> String {
        let lines = try await Self.makeData(scene)
        let file = try Self.flip(scene, "segment-", at: "needle-2-")
        let found = try await scene.weir.run("verify", scene.data).expect(1)
        try require(found.output.contains("damaged: \(file)"), "the file is not named: \(found)")
        let server = try await scene.serve()
        // What is damaged is not given out, neither is it passed over in silence.
        let all = try await server.weir.run("get", "s", "--raw")
        try require(!all.output.contains("needle-2-"), "a record is there that cannot be: \(all)")
        try require(Set(all.lines).isSubset(of: Set(lines)), "it gives out what nobody put: \(all)")
        let isTold = all.ending != .exit(0) || all.errors.contains("damaged")
        try require(isTold, "that a record is missing is not told: \(all)")
        _ = try await Self.told(server, file)
        // The server goes on, and what comes now is stored behind it all.
        try await server.provesThatItWorks()
        let put = try await server.weir.run(["put", "s", "--key", "k", "--json"], input: .bytes(Array("new\n".utf8)))
        let number = try put.expect(0).json()[0].text("sequenceNumber")
        let index = try SequenceNumber(parsing: number).index
        try require(index == 6, "the new record is number \(index) of the shard; 6 were there")
        let rest = try await server.weir.succeed("get", "s", "--shard", "0", "--from", number, "--raw")
        try require(rest.lines == ["new"], "the new record cannot be read: \(rest)")
        return (all.errors + found.output).split(separator: "\n").joined(separator: "\n")
    }

    private static func snapshot(_ scene: Scene) async throws -> String {
        let lines = try await Self.makeData(scene)
        let snapshots = try Files.names(in: scene.data).filter { $0.hasPrefix("snapshot-") }
        let newest = try require(snapshots.last, "no snapshot after a good end")
        let path = scene.data + "/" + newest
        var bytes = try Files.bytes(of: path)
        bytes[bytes.count / 2] ^= 0x01
        try Files.write(bytes, to: path)
        try await scene.weir.run("verify", scene.data).expect(1)
        let server = try await scene.serve()
        let read = try await server.weir.succeed("get", "s", "--raw").lines
        try require(read == lines, "\(read.count) of \(lines.count) records are there")
        _ = try await Self.told(server, newest)
        try await server.stop()
        return ""
    }

    /// What came after a change of streams was decided by it, so that nothing can be served without it.
    private static func change(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "needle-stream", "--shards", "1")
        try await server.weir.run(["put", "needle-stream", "--key", "k"], input: .bytes(Array("one\ntwo\n".utf8)))
            .expect(0)
        // A server that ended well would leave a snapshot that holds the change too.
        try await server.process.kill9()
        let whole = try Files.picture(of: scene.data)
        let name = try Self.flip(scene, "segment-", at: "needle-stream")
        let before = try Files.picture(of: scene.data)
        let said = try await scene.refusedServer()
        try require(said.contains(name), "the file is not named: \(said)")
        try require(try Files.picture(of: scene.data) == before, "the refused server changed the folder")
        try await scene.weir.run("verify", scene.data).expect(1).expect(saying: scene.data)
        // The bit that was flipped, put right.
        try Files.write(try require(whole[name], "no bytes"), to: scene.data + "/" + name)
        let next = try await scene.serve()
        let read = try await next.weir.succeed("get", "needle-stream", "--raw").lines
        try require(read == ["one", "two"], "with the bit put right it reads \(read)")
        return said
    }

    private static func lostSegment(_ scene: Scene) async throws -> String {
        let lines = try await Self.makeData(scene)
        var told = try await Self.lose(scene, lines)
        // Once more with a second term behind it, which proves what was there.
        let next = try await scene.serve()
        try await next.stop()
        told += try await Self.lose(scene, lines)
        return told
    }

    /// Takes the segment with the records away, then cuts it, and puts it back.
    private static func lose(_ scene: Scene, _ lines: [String]) async throws -> String {
        let whole = try Files.picture(of: scene.data)
        let needle = Array("needle-0-".utf8)
        let (name, bytes) = try require(
            whole.first { Bytes.position(of: needle, in: $0.value) != nil }, "the records are in no file")
        var told = ""
        for rest in [nil, 8192, 16_384, 20_000] {
            try Files.remove(scene.data + "/" + name)
            if let rest { try Files.write(Array(bytes.prefix(rest)), to: scene.data + "/" + name) }
            let server = try await scene.serve()
            let said = try await Self.told(server, name)
            let read = try await server.weir.run("get", "s", "--raw")
            try require(Set(read.lines).isSubset(of: Set(lines)), "it gives out what nobody put: \(read)")
            try require(read.lines.count < lines.count, "all is there, without the bytes: \(read)")
            // When they came nobody knows any more, so the horizon lies behind them; who goes on from one is told.
            let shard = try require(
                try await server.weir.succeed("shard", "list", "s", "--json").json().first, "no shard")
            let first = try shard.text("startingSequenceNumber")
            let next = try await server.weir.succeed("get", "s", "--shard", "0", "--from", first, "--raw")
            try require(next.errors.contains("missed "), "that records are missing is not told: \(next)")
            // Numbers that were told are not given again.
            let put = try await server.weir.run(
                ["put", "s", "--key", "k", "--json"], input: .bytes(Array("new\n".utf8)))
            let number = try SequenceNumber(parsing: try put.expect(0).json()[0].text("sequenceNumber"))
            try require(number.index >= UInt64(lines.count), "the new record got the index \(number.index)")
            try await server.provesThatItWorks()
            try await server.stop()
            told += said
            for name in try Files.names(in: scene.data) { try Files.remove(scene.data + "/" + name) }
            for (name, bytes) in whole { try Files.write(bytes, to: scene.data + "/" + name) }
        }
        return told
    }

    private static func noFolder(_ scene: Scene) async throws -> String {
        let missing = try await scene.weir.run("verify", scene.folder + "/nothing").expect(1)
        try missing.expect(saying: "nothing")
        try Files.makeFolder(scene.folder + "/empty")
        try await scene.weir.run("verify", scene.folder + "/empty").expect(1)
        try require(try Files.names(in: scene.folder + "/empty").isEmpty, "verify wrote into the folder")
        let server = try await scene.serve()
        let used = try await scene.weir.run("verify", scene.data).expect(1)
        try used.expect(saying: scene.data)
        try await server.provesThatItWorks()
        return used.errors
    }
}

enum Bytes {
    /// Where `needle` stands for the first time.
    static func position(of needle: [UInt8], in bytes: [UInt8]) -> Int? {
        guard let first = needle.first, needle.count <= bytes.count else { return nil }
        return bytes.withUnsafeBufferPointer { raw in
            var position = 0
            while position + needle.count <= raw.count {
                if raw[position] == first {
                    var length = 1
                    while length < needle.count && raw[position + length] == needle[length] { length += 1 }
                    if length == needle.count { return position }
                }
                position += 1
            }
            return nil
        }
    }
}
