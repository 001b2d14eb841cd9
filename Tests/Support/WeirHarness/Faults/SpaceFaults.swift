// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// A log that is full: puts are refused, reads go on, and space that comes back is used without a restart.
enum SpaceFaults {
    static let cases: [FaultCase] = [
        FaultCase("a full log refuses puts by name, serves reads, and goes on when there is room", Self.fullLog)
    ]

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
