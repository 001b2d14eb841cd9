// SPDX-License-Identifier: Apache-2.0
import CWeir
import Foundation
import WeirModel

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Servers that must not start: each says why in a sentence, ends with 1 and has changed nothing.
enum StartFaults {
    static let cases: [FaultCase] = [
        FaultCase("a second server on the same folder is refused", Self.secondServer),
        FaultCase("a folder of another format version is refused untouched", Self.otherFormat),
        FaultCase("a damaged format file is written again from the segments", Self.damagedFormat),
        FaultCase("a folder that lost its format file is refused untouched", Self.lostFormat),
        FaultCase("a folder with foreign files is refused untouched", Self.foreignFiles),
        FaultCase("a folder that cannot be written is refused", Self.readOnly),
        FaultCase("a file in place of the folder is refused", Self.fileInstead),
        FaultCase("a taken port is refused, and the data stays usable", Self.portTaken),
        FaultCase("listening beyond this machine needs --insecure", Self.beyondLoopback),
        FaultCase("a configuration with mistakes is refused by its line", Self.badConfiguration),
    ]

    /// A folder with data in it, made by a server that has ended.
    private static func makeData(_ scene: Scene) async throws {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "kept")
        try await server.weir.run(["put", "kept", "--key", "k"], input: .bytes(Array("a\nb\n".utf8))).expect(0)
        try await server.stop()
    }

    /// The data of `makeData` is all there.
    private static func checkData(_ scene: Scene) async throws {
        let server = try await scene.serve()
        let read = try await server.weir.succeed("get", "kept", "--raw").lines
        try require(read == ["a", "b"], "the data is not what it was: \(read)")
        try await server.stop()
    }

    private static func expectUntouched(
        _ scene: Scene, saying word: String, _ change: () throws -> Void
    ) async throws -> String {
        try change()
        let before = try Files.picture(of: scene.data)
        let said = try await scene.refusedServer()
        try require(said.lowercased().contains(word), "expected '\(word)' in '\(said)'")
        let after = try Files.picture(of: scene.data)
        for name in Set(before.keys).union(after.keys) where before[name] != after[name] {
            throw HarnessError("the refused server changed \(name)")
        }
        return said
    }

    private static func secondServer(_ scene: Scene) async throws -> String {
        let first = try await scene.serve()
        let said = try await scene.refusedServer()
        try require(said.contains(scene.data), "the folder is not named: \(said)")
        try await first.provesThatItWorks()
        // The lock goes with its holder, whatever ends it.
        try await first.process.kill9()
        let next = try await scene.serve()
        try await next.provesThatItWorks()
        return said
    }

    private static func otherFormat(_ scene: Scene) async throws -> String {
        try await Self.makeData(scene)
        let path = scene.data + "/weir.format"
        let own = try Files.text(of: path)
        let line = try require(own.split(separator: "\n").first { $0.hasPrefix("format ") }, "no format line in \(own)")
        let said = try await Self.expectUntouched(scene, saying: "format 99") {
            // With a right checksum: a bit that turned is no other version.
            let body =
                own.replacingFirst(String(line), with: "format 99").split(separator: "\n").prefix(3)
                .joined(separator: "\n") + "\n"
            let checksum = Array(body.utf8).withUnsafeBufferPointer { weir_crc32c(0, $0.baseAddress, $0.count) }
            try Files.write(body + "checksum \(checksum)\n", to: path)
        }
        try Files.write(own, to: path)
        try await Self.checkData(scene)
        return said
    }

    private static func damagedFormat(_ scene: Scene) async throws -> String {
        try await Self.makeData(scene)
        let path = scene.data + "/weir.format"
        let own = try Files.bytes(of: path)
        var damaged = [0, own.count / 2, own.count - 2].map { position in
            var bytes = own
            bytes[position] ^= 0x01
            return bytes
        }
        damaged += [[], Array(own.prefix(own.count / 2))]
        for bytes in damaged {
            try Files.write(bytes, to: path)
            try await Self.checkData(scene)
            try require(try Files.bytes(of: path) == own, "the format file is not what it was")
        }
        return "\(damaged.count) damaged format files, each written again"
    }

    private static func lostFormat(_ scene: Scene) async throws -> String {
        try await Self.makeData(scene)
        let path = scene.data + "/weir.format"
        let own = try Files.bytes(of: path)
        let said = try await Self.expectUntouched(scene, saying: "weir.format") {
            try require(unlink(path) == 0, "cannot remove \(path)")
        }
        try Files.write(own, to: path)
        try await Self.checkData(scene)
        return said
    }

    private static func foreignFiles(_ scene: Scene) async throws -> String {
        try Files.makeFolder(scene.data)
        return try await Self.expectUntouched(scene, saying: "thesis.txt") {
            try Files.write("years of work", to: scene.data + "/thesis.txt")
        }
    }

    private static func readOnly(_ scene: Scene) async throws -> String {
        try await Self.makeData(scene)
        let names = try Files.names(in: scene.data)
        for name in names { try Files.setMode(0o444, of: scene.data + "/" + name) }
        try Files.setMode(0o555, of: scene.data)
        let before = try Files.picture(of: scene.data)
        let process = try await Self.serveWithoutPrivileges(scene)
        let ending = try await process.ended(within: .seconds(20))
        let said = process.errors.text
        try require(ending == .exit(1), "expected exit 1 of weir serve, it was \(ending); it said '\(said)'")
        try require(said.hasPrefix("weir: ") && said.contains(scene.data), "the folder is not named: \(said)")
        try require(try Files.picture(of: scene.data) == before, "the refused server changed the folder")
        // To look at it nothing need be written.
        try await scene.weir.succeed("verify", scene.data)
        try Files.setMode(0o755, of: scene.data)
        for name in names { try Files.setMode(0o644, of: scene.data + "/" + name) }
        try await Self.checkData(scene)
        return said
    }

    /// For root every folder can be written, unless that privilege is given up, which containers may have done already.
    private static func serveWithoutPrivileges(_ scene: Scene) async throws -> ChildProcess {
        guard getuid() == 0 else { return try await scene.startServer() }
        let script = """
            without="setpriv --bounding-set -dac_override,-dac_read_search"
            if $without true 2>/dev/null; then exec $without "$@"; else exec "$@"; fi
            """
        return try await ChildProcess.start(
            "/bin/sh", ["-c", script, "sh", scene.weir.path] + ServerProcess.arguments(scene.data, port: 0))
    }

    private static func fileInstead(_ scene: Scene) async throws -> String {
        try Files.write("a letter", to: scene.data)
        let said = try await scene.refusedServer()
        try require(said.contains(scene.data), "the path is not named: \(said)")
        let below = try await scene.refusedServer(data: scene.data + "/below")
        try require(below.contains(scene.data), "the path is not named: \(below)")
        try require(try Files.text(of: scene.data) == "a letter", "the file was changed")
        return said
    }

    private static func portTaken(_ scene: Scene) async throws -> String {
        let first = try await scene.serve()
        let said = try await scene.refusedServer(data: scene.folder + "/other", port: first.port)
        try require(
            said.contains("127.0.0.1:\(first.port): Address already in use\n"),
            "why it cannot listen is not clear: \(said)")
        // The folder that the refused one had opened is free again and whole.
        let other = try await scene.serve(data: scene.folder + "/other")
        try await other.provesThatItWorks()
        try await other.stop()
        try await first.provesThatItWorks()
        return said
    }

    private static func beyondLoopback(_ scene: Scene) async throws -> String {
        var said = ""
        for address in ["0.0.0.0:0", "[::]:0"] {
            let process = try await scene.start(["serve", "--data-dir", scene.data, "--listen", address])
            let ending = try await process.ended()
            said = process.errors.text
            try require(ending == .exit(1), "\(address): expected exit 1, it was \(ending); it said '\(said)'")
            try require(said.contains("--insecure"), "\(address): it does not say what would help: \(said)")
        }
        try require(!Files.exists(scene.data), "the folder was made for a server that may not start")
        let allowed = try await scene.start(
            ["serve", "--data-dir", scene.data, "--listen", "0.0.0.0:0", "--insecure"])
        _ = try await ServerProcess.ready(allowed, scene.weir, folder: scene.data)
        return said
    }

    private static func badConfiguration(_ scene: Scene) async throws -> String {
        let wrong = try await scene.refusedServer(["connections.max": "many"])
        try require(wrong.contains("connections.max"), "the setting is not named: \(wrong)")
        let unknown = try await scene.refusedServer(["data-dirr": "x"])
        try require(unknown.contains("data-dirr"), "the setting is not named: \(unknown)")
        try require(!Files.exists(scene.data), "the folder was made for a server that may not start")
        return unknown
    }
}

extension String {
    func replacingFirst(_ text: String, with other: String) -> String {
        guard let range = self.range(of: text) else { return self }
        return self.replacingCharacters(in: range, with: other)
    }
}
