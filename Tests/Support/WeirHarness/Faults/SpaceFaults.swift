// SPDX-License-Identifier: Apache-2.0
import Foundation
import WeirClient
import WeirModel
import WeirProtocol

/// A log that is full: puts are refused, reads go on, and space that comes back is used without a restart.
enum SpaceFaults {
    static let cases: [FaultCase] = [
        FaultCase("a full log refuses puts by name, serves reads, and goes on when there is room", Self.fullLog),
        FaultCase("a disk that refuses blocks which it had promised is waited for", Self.brokenPromise),
        FaultCase("a stop while the disk refuses commits ends with a sentence, and nothing is lost", Self.stopWithout),
    ]

    /// A server with one record in the stream `s`, whose disk refuses commits from now on.
    private static func refusing(
        _ scene: Scene
    ) async throws -> (faults: FaultPage, server: ServerProcess, connection: RawConnection, stream: StreamID) {
        let faults = try await FaultPage.make(in: scene.folder)
        let server = try await scene.serve(["drain": "1s"], faults: faults)
        try await server.weir.succeed("stream", "create", "s", "--shards", "1")
        let connection = try await RawConnection.open(server)
        try await connection.hello()
        let stream = try await connection.call(DescribeStream(stream: .name("s"))).stream.id
        try require(try await Self.refusal(connection, stream, [1], 10) == nil, "a put on a good disk was refused")
        faults.refuseCommits(true)
        return (faults, server, connection, stream)
    }

    /// As file systems do that copy what they write, and quotas.
    private static func brokenPromise(_ scene: Scene) async throws -> String {
        let (faults, server, connection, stream) = try await Self.refusing(scene)
        // It was taken, so it waits; what comes later is refused by name, and reads go on.
        async let waiting = Self.refusal(connection, stream, [2], 11)
        try await Waiting.until("a commit that is refused") { faults.failedWrites > 2 }
        let other = try await RawConnection.open(server)
        try await other.hello()
        let refusal = try await Self.refusal(other, stream, [3], 12)
        try require(refusal == .storageFull, "the put behind it was answered by \(String(describing: refusal))")
        try require(try await server.lines(of: "s").count == 1, "the record before is not there")
        let told = server.process.errors.lines.contains { $0.contains("the disk takes no commit") }
        try require(told, "the operator was not told")
        faults.refuseCommits(false)
        try require(try await waiting == nil, "the put that waited was not stored")
        try await Waiting.until("puts that are taken again") { try await Self.refusal(other, stream, [4], 13) == nil }
        try require(try await server.lines(of: "s").count == 3, "the records are not 1, 2 and 4")
        connection.close()
        other.close()
        try await server.stop()
        return "\(faults.failedWrites) writes refused"
    }

    private static func stopWithout(_ scene: Scene) async throws -> String {
        let (faults, server, connection, stream) = try await Self.refusing(scene)
        let waiting = Task { try? await Self.refusal(connection, stream, [2], 11) }
        try await Waiting.until("a commit that is refused") { faults.failedWrites > 0 }
        server.process.send(SIGTERM)
        let ending = try await server.process.ended()
        try require(ending != .exit(0), "a server that could not write what it had taken ended with \(ending)")
        let errors = server.process.errors.text
        try require(errors.contains("there is no space for what was not yet written"), "it said: \(errors)")
        _ = await waiting.value
        connection.close()
        faults.refuseCommits(false)
        let again = try await scene.serve(faults: faults)
        let count = try await again.lines(of: "s").count
        try require(count == 1, "\(count) records are there, of 1 acknowledged")
        try await again.stop()
        return "ended with \(ending)"
    }

    private static func fullLog(_ scene: Scene) async throws -> String {
        let server = try await scene.serve(arguments: ["--log-max-bytes", "64MiB"])
        try await server.weir.succeed("stream", "create", "s", "--shards", "1", "--limits", "open")
        let client = try await server.client()
        let stream = try await client.describeStream(try StreamName("s"))
        let connection = try await RawConnection.open(server)
        try await connection.hello()
        let megabyte = [UInt8](repeating: 120, count: 1_000_000)
        var stored = 0
        var refusal: WeirError.Code?
        for number in 0..<200 where refusal == nil {
            refusal = try await Self.refusal(connection, stream.id, megabyte, UInt64(100 + number))
            if refusal == nil { stored += 1 }
        }
        try require(refusal == .storageFull, "after \(stored) MB: \(String(describing: refusal))")
        try require(stored >= 20, "only \(stored) MB fitted into a log of 64 MiB")
        let read = try await server.weir.succeed("get", "s", "--raw").lines.count
        try require(read == stored, "\(read) of \(stored) acknowledged records can be read")
        // Catalog events have room of their own.
        try await server.weir.succeed("shard", "split", "s", "0")
        try await server.weir.succeed("stream", "delete", "s")
        try await server.weir.succeed("stream", "create", "t", "--shards", "1", "--limits", "open")
        let next = try await client.describeStream(try StreamName("t"))
        await client.close()
        try await Waiting.until("room after the stream was deleted", within: .seconds(60), every: .milliseconds(50)) {
            try await Self.refusal(connection, next.id, megabyte, 7) == nil
        }
        return "\(stored) MB stored, then \(refusal?.name ?? "")"
    }

    /// Why a record is not stored; `nil` when it is.
    private static func refusal(
        _ connection: RawConnection, _ stream: StreamID, _ data: [UInt8], _ correlation: UInt64
    ) async throws -> WeirError.Code? {
        do {
            return try await connection.put(stream, [(key: "k", data: data)], correlation: correlation)[0]
        } catch let error as WeirError {
            return error.code
        }
    }
}
