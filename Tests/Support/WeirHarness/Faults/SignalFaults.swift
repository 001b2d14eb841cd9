// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What a server is started with and told by its surroundings: descriptors, signals, addresses.
enum SignalFaults {
    static let cases: [FaultCase] = [
        FaultCase("SIGHUP stops a server in order, SIGUSR1 and SIGUSR2 do nothing to it", Self.hangup),
        FaultCase("a server that was started under nohup outlives SIGHUP", Self.nohup),
        FaultCase("a server whose descriptors 0 to 2 are closed keeps them from everything else", Self.closed),
        FaultCase("a server goes on when stdout and stderr are full", Self.full),
        FaultCase("commands whose descriptors are closed say so", Self.closedCommands),
        FaultCase("localhost listens on both families, and other spellings of loopback are loopback", Self.localhost),
        FaultCase("get that is interrupted does not look complete", Self.interruptedGet),
    ]

    private static func hangup(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        for signal in [SIGUSR1, SIGUSR2] { server.process.send(signal) }
        try await server.provesThatItWorks()
        server.process.send(SIGHUP)
        let ending = try await server.process.ended()
        try require(ending == .exit(0), "SIGHUP ended it with \(ending)")
        try require(server.process.errors.text.contains("stopped"), "it says \(server.process.errors.text)")
        return ""
    }

    /// A server that a shell starts with `redirections`, and waits for until it answers.
    private static func shellServer(_ scene: Scene, before: String = "", _ redirections: String) async throws
        -> (ChildProcess, Weir)
    {
        // A port that was free a moment ago.
        let first = try await scene.serve()
        try await first.stop()
        let process = try await ChildProcess.start(
            "/bin/bash",
            ["-c", "\(before) exec \"$WEIR\" serve --data-dir \"$DATA\" --listen \"$LISTEN\" \(redirections)"],
            environment: ["WEIR": scene.weir.path, "DATA": scene.data, "LISTEN": first.address])
        scene.keep(process)
        let weir = Weir(path: scene.weir.path, server: first.address)
        try await Waiting.until("a server that answers") {
            if let ending = process.ending { throw HarnessError("the server ended with \(ending)") }
            return try await weir.run("status").ending == .exit(0)
        }
        return (process, weir)
    }

    private static func works(_ weir: Weir, _ process: ChildProcess) async throws {
        try await weir.succeed("stream", "create", "s", "--shards", "2")
        try await weir.run(["put", "s", "--key", "k"], input: .bytes(Array("one\ntwo\n".utf8))).expect(0)
        let read = try await weir.succeed("get", "s", "--raw").lines
        try require(read == ["one", "two"], "read \(read)")
        process.send(SIGTERM)
        let ending = try await process.ended()
        try require(ending == .exit(0), "it ended with \(ending)")
    }

    private static func nohup(_ scene: Scene) async throws -> String {
        let (process, weir) = try await Self.shellServer(scene, before: "trap '' HUP;", "")
        process.send(SIGHUP)
        try await weir.succeed("status")
        try await Self.works(weir, process)
        return ""
    }

    private static func closed(_ scene: Scene) async throws -> String {
        let (process, weir) = try await Self.shellServer(scene, "<&- >&- 2>&-")
        #if os(Linux)
        for descriptor in 0...2 {
            let path = "/proc/\(process.pid)/fd/\(descriptor)"
            var buffer = [CChar](repeating: 0, count: 256)
            let count = readlink(path, &buffer, buffer.count)
            let target = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            try require(target == "/dev/null", "descriptor \(descriptor) of the server is '\(target)'")
        }
        #endif
        try await Self.works(weir, process)
        return ""
    }

    private static func full(_ scene: Scene) async throws -> String {
        let (process, weir) = try await Self.shellServer(scene, ">/dev/full 2>/dev/full")
        try await Self.works(weir, process)
        return ""
    }

    private static func closedCommands(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s")
        func shell(_ script: String) async throws -> ChildProcess {
            let process = try await ChildProcess.start(
                "/bin/bash", ["-c", script],
                environment: ["WEIR": scene.weir.path, "WEIR_SERVER": server.address])
            try await process.ended()
            return process
        }
        let put = try await shell("\"$WEIR\" put s --key k <&-")
        try require(put.ending == .exit(1) && put.errors.text.contains("stdin"), "\(put.errors.text)")
        try await server.weir.run(["put", "s", "--key", "k"], input: .bytes(Array("one\n".utf8))).expect(0)
        let get = try await shell("\"$WEIR\" get s >&-")
        try require(get.ending == .exit(1) && get.errors.text.contains("results"), "\(get.errors.text)")
        let silent = try await shell("\"$WEIR\" get s --raw 2>&-")
        try require(silent.ending == .exit(0) && silent.output.text == "one\n", "\(silent.output.text)")
        return ""
    }

    private static func localhost(_ scene: Scene) async throws -> String {
        var said = ""
        for host in ["localhost", "LOCALHOST", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]"] {
            let process = try await scene.start(["serve", "--data-dir", scene.data, "--listen", "\(host):0"])
            try await Waiting.until("\(host) that is ready, or is not there") {
                process.output.lineCount > 0 || process.ending != nil
            }
            if process.ending != nil {
                // A machine without IPv6.
                try require(host.hasPrefix("[") && process.errors.text.contains("cannot listen"), process.errors.text)
                continue
            }
            said = try require(process.output.lines.first, "no line")
            let words = said.split(separator: " ").map { $0.hasSuffix(",") ? $0.dropLast() : $0 }
            for address in words where address.contains(":") && Int(address.split(separator: ":").last ?? "") != nil {
                try await Weir(path: scene.weir.path, server: String(address)).succeed("status")
            }
            process.send(SIGTERM)
            try await process.ended()
        }
        return said
    }

    private static func interruptedGet(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "1", "--limits", "open")
        try await server.weir.run(["put", "s", "--key", "k"], input: .bytes(Lines.of(20_000, bytes: 1000))).expect(0)
        // 2 MB a second: ten seconds for all.
        try await server.weir.succeed("stream", "update", "s", "--limits", "kinesis")
        let get = try await scene.start(["get", "s", "--raw"], server: server)
        try await Waiting.until("the first records") { get.output.lineCount > 0 }
        get.send(SIGTERM)
        let ending = try await get.ended()
        try require(ending == .exit(128 + SIGTERM), "it ended with \(ending): \(get.errors.text)")
        let said = get.errors.text
        try require(said.contains("interrupted: read "), "it said '\(said)'")
        try require(get.output.lineCount < 20_000, "it read everything")
        return said
    }
}
