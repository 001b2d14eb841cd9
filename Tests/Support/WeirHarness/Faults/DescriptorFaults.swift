// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// A system that lets the server have few files open: clients are refused before the log lacks one, and the log needs
/// no more of them the larger it is.
enum DescriptorFaults {
    static let cases: [FaultCase] = [
        FaultCase("connections that would use up the descriptors are refused, and the log goes on", Self.crowd),
        FaultCase("a log of more segments than descriptors is written, read and started again", Self.manySegments),
        FaultCase("many starts with a put each use up no descriptors", Self.manyStarts),
        FaultCase("a limit that is too low for a server is refused with what to raise", Self.tooLow),
    ]

    /// A server that may have so many files open, the soft limit lower still.
    private static func start(_ scene: Scene, files: Int, _ arguments: [String] = []) async throws -> ChildProcess {
        let shell = Weir(path: "/bin/sh")
        let process = try await shell.start(
            ["-c", "ulimit -Sn \(files * 3 / 4) && ulimit -Hn \(files) && exec \"$0\" \"$@\"", scene.weir.path]
                + ServerProcess.arguments(scene.data, port: 0, arguments))
        scene.keep(process)
        return process
    }

    private static func serve(
        _ scene: Scene, files: Int, _ settings: String = ""
    ) async throws -> ServerProcess {
        let path = scene.folder + "/weir.yaml"
        try Files.write("event-loops: 1\nstorage:\n  segment-max: 4MiB\n" + settings, to: path)
        let process = try await Self.start(scene, files: files, ["--config", path])
        return try await ServerProcess.ready(process, scene.weir, folder: scene.data)
    }

    /// Of the sentence at the start.
    private static func connectionsAllowed(_ server: ServerProcess) throws -> Int {
        let said = server.process.errors.text
        let words = said.split(separator: " ")
        let position = words.firstIndex { $0 == "connections" }.map { $0 - 1 }
        return try require(position.flatMap { Int(words[$0]) }, "the start does not say what is allowed: '\(said)'")
    }

    private static func crowd(_ scene: Scene) async throws -> String {
        let server = try await Self.serve(scene, files: 200, "connections:\n  hello-timeout: 10m\n  linger: 500ms\n")
        let allowed = try Self.connectionsAllowed(server)
        try require((100...180).contains(allowed), "\(allowed) connections of 200 files")
        try await server.weir.succeed("stream", "create", "s", "--shards", "1", "--limits", "open")
        let client = try await server.client()
        let stream = try await client.describeStream(try StreamName("s"))
        await client.close()
        let writer = try await RawConnection.open(server)
        try await writer.hello()
        // Half of them have said hello, the others only came. Those behind what is allowed are told, in their turn.
        var crowd: [RawConnection] = []
        for number in 0..<allowed * 2 {
            let one = try await RawConnection.open(server)
            if number < allowed / 2 { try await one.hello() }
            crowd.append(one)
        }
        // Each put needs a segment or two.
        let megabyte = [UInt8](repeating: 120, count: 1_000_000)
        for number in 0..<6 {
            let outcomes = try await writer.put(
                stream.id, [(key: "k", data: megabyte)] + (0..<7).map { _ in (key: "k", data: megabyte) },
                correlation: UInt64(100 + number))
            try require(outcomes.allSatisfy { $0 == nil }, "put \(number): \(outcomes)")
        }
        let open = try Self.openFiles(server)
        try require(open < 200, "\(open) of 200 files are open")
        for one in crowd[(allowed + 16)...].prefix(20) {
            let error = try await one.closing()
            try require(error.code == .limitExceeded, "closed with \(error.code.name): \(error.message)")
            try require(error.message.contains("\(allowed) are allowed"), "not what is allowed: \(error.message)")
        }
        crowd = []
        try await Waiting.until("room for one more") {
            try await server.weir.run("status").ending == .exit(0)
        }
        let read = try await server.weir.succeed("get", "s", "--raw").lines.count
        try require(read == 48, "\(read) of 48 acknowledged records can be read")
        try await server.provesThatItWorks()
        try await server.stop()
        let said = server.process.errors.text
        try require(!said.contains("a write of the log failed"), "a crowd was taken for a failed disk: \(said)")
        return "\(allowed) connections allowed of 200 files, \(open) open with the crowd"
    }

    private static func openFiles(_ server: ServerProcess) throws -> Int {
        #if os(Linux)
        try Files.names(in: "/proc/\(server.process.pid)/fd").count
        #else
        0
        #endif
    }

    private static func manySegments(_ scene: Scene) async throws -> String {
        let files = 72
        var server = try await Self.serve(scene, files: files)
        try await server.weir.succeed("stream", "create", "s", "--shards", "1", "--limits", "open")
        let client = try await server.client()
        let stream = try await client.describeStream(try StreamName("s"))
        await client.close()
        let writer = try await RawConnection.open(server)
        try await writer.hello()
        let half = [UInt8](repeating: 121, count: 500_000)
        var stored = 0
        var segments = 0
        while segments <= files + 8 {
            let outcomes = try await writer.put(
                stream.id, (0..<7).map { _ in (key: "k", data: half) }, correlation: UInt64(100 + stored))
            try require(outcomes.allSatisfy { $0 == nil }, "after \(stored): \(outcomes)")
            stored += 7
            segments = try Files.names(in: scene.data).count { $0.hasPrefix("segment-") }
        }
        writer.close()
        for round in 0..<3 {
            // More than the harness keeps of what a program prints.
            let read = try await Weir(path: "/bin/sh", server: server.address)
                .succeed("-c", "\"$0\" get s --raw | wc -l", scene.weir.path).lines.first.flatMap { Int($0) }
            try require(
                read == stored, "\(String(describing: read)) of \(stored) acknowledged records can be read")
            if round == 2 { break }
            try await (round == 0 ? server.process.kill9() : server.stop())
            server = try await Self.serve(scene, files: files)
        }
        let open = try Self.openFiles(server)
        try await server.stop()
        return "\(segments) segments and \(stored) records with \(files) files, \(open) open after a read of all"
    }

    private static func manyStarts(_ scene: Scene) async throws -> String {
        let (files, starts) = (64, 72)
        for number in 0..<starts {
            let server = try await Self.serve(scene, files: files)
            if number == 0 { try await server.weir.succeed("stream", "create", "s") }
            try await server.weir.run(["put", "s", "--key", "k"], input: .bytes(Array("\(number)\n".utf8))).expect(0)
            if number % 8 == 0 {
                let open = try Self.openFiles(server)
                try require(open < 40, "\(open) files are open after \(number) starts")
            }
            if number % 2 == 0 { try await server.process.kill9() } else { try await server.stop() }
        }
        let server = try await Self.serve(scene, files: files)
        let read = try await server.weir.succeed("get", "s", "--raw").lines
        try require(read == (0..<starts).map(String.init), "not what was put: \(read)")
        let segments = try Files.names(in: scene.data).count { $0.hasPrefix("segment-") }
        try await server.stop()
        return "\(segments) segments after \(starts) starts"
    }

    private static func tooLow(_ scene: Scene) async throws -> String {
        let process = try await Self.start(scene, files: 40)
        let ending = try await process.ended()
        let said = process.errors.text
        try require(ending == .exit(1), "expected exit 1, it was \(ending): '\(said)'")
        for word in ["40 files", "ulimit -Hn", "LimitNOFILE"] {
            try require(said.contains(word), "expected '\(word)' in '\(said)'")
        }
        try require(!Files.exists(scene.data), "the refused server made its folder")
        return ""
    }
}
