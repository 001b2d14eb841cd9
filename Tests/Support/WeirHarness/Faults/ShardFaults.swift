// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Splits and merges that are not allowed change nothing.
enum ShardFaults {
    static let cases: [FaultCase] = [
        FaultCase("splits at a hash key outside of the shard are refused", Self.badSplit),
        FaultCase("closed and unknown shards are neither split nor merged", Self.closedShards),
        FaultCase("only neighbours are merged", Self.neighbours),
    ]

    private static func shards(_ server: ServerProcess) async throws -> [JSON] {
        try await server.weir.succeed("shard", "list", "s", "--json").json()
    }

    /// Each command ends with 1, says these words, and leaves the shards as they were.
    private static func expectRefused(
        _ server: ServerProcess, _ table: [(arguments: [String], said: String)]
    ) async throws -> String {
        let before = try await Self.shards(server)
        var told = ""
        for (arguments, said) in table {
            let result = try await server.weir.run(["shard"] + arguments).expect(1)
            try result.expect(saying: said)
            told = result.errors
        }
        try require(try await Self.shards(server) == before, "a refused change changed the shards")
        try await server.provesThatItWorks()
        return told
    }

    private static func badSplit(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "2")
        let shards = try await Self.shards(server)
        let lower = try HashKey(parsing: try shards[1].text("startingHashKey")).value
        let upper = try HashKey(parsing: try shards[1].text("endingHashKey")).value
        // The contract wants the first key of the upper child above the shard's first plus 1, and below its last.
        let said = try await Self.expectRefused(
            server,
            [
                (["split", "s", "1", "--at", "\(lower)"], "\(lower + 2)"),
                (["split", "s", "1", "--at", "\(lower + 1)"], "\(upper - 1)"),
                (["split", "s", "1", "--at", "\(upper)"], "\(upper - 1)"),
                (["split", "s", "1", "--at", "0"], "\(lower + 2)"),
                (["split", "s", "0", "--at", "\(lower)"], "allowed is 2 to \(lower - 2)"),
            ])
        try await server.weir.succeed("shard", "split", "s", "1", "--at", "\(upper - 1)")
        // Two keys are too few for another split.
        try await server.weir.run("shard", "split", "s", "3").expect(1)
        return said
    }

    private static func closedShards(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "2")
        try await server.weir.succeed("shard", "split", "s", "0")
        return try await Self.expectRefused(
            server,
            [
                (["split", "s", "0"], "shardId-000000000000"),
                (["merge", "s", "0", "1"], "shardId-000000000000"),
                (["merge", "s", "3", "0"], "shardId-000000000000"),
                (["split", "s", "99"], "shardId-000000000099"),
                (["merge", "s", "1", "99"], "shardId-000000000099"),
            ])
    }

    private static func neighbours(_ scene: Scene) async throws -> String {
        let server = try await scene.serve()
        try await server.weir.succeed("stream", "create", "s", "--shards", "4")
        let said = try await Self.expectRefused(
            server,
            [
                (["merge", "s", "0", "2"], "shardId-000000000002"), (["merge", "s", "3", "0"], "shardId-000000000003"),
                (["merge", "s", "1", "1"], "shardId-000000000001"),
            ])
        // In either order they are neighbours.
        try await server.weir.succeed("shard", "merge", "s", "3", "2")
        let open = try await Self.shards(server).filter { $0["state"] == .string("OPEN") }
        try require(open.count == 3, "\(open.count) open shards after a merge of two of 4")
        return said
    }
}
