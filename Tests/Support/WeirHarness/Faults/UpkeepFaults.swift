// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// Upkeep that fails: it is tried again while it is due, and holds up nothing else.
enum UpkeepFaults {
    static let cases: [FaultCase] = [
        FaultCase("snapshots that failed are tried again, and a full log gets room", Self.snapshots),
        FaultCase("a footer that cannot be written holds up only its own segment", Self.footer),
    ]

    private static func create(_ client: WeirClient, _ name: String, cap: Int64? = nil) async throws -> StreamID {
        try await client.createStream(
            try StreamName(name), shards: 1, settings: StreamSettings(maxBytes: cap, limits: .open)
        ).id
    }

    private static func snapshots(_ scene: Scene) async throws -> String {
        let faults = try await FaultPage.make(in: scene.folder)
        let server = try await scene.serve(Scene.smallSegments, faults: faults)
        let client = try await server.client()
        let kept = try await Self.create(client, "kept")
        let full = try await Self.create(client, "full")
        var filler = try await Filler(server)
        try await filler.fill(kept, records: 2, "filling")
        faults.failSnapshots(true)
        let stored = try await filler.fillUp(full)
        try await Waiting.until("a snapshot that fails") { faults.failedWrites > 0 }
        // Now the snapshots would succeed, but nothing happens any more that would ask for one.
        try await client.deleteStream(full)
        faults.failSnapshots(false)
        let next = try await Self.create(client, "next")
        try await filler.fill(next, records: 10, "records after the disk takes snapshots again")
        // What was acknowledged is there after a kill too.
        try await server.process.kill9()
        let again = try await scene.serve(Scene.smallSegments, faults: faults)
        for (stream, count) in [("kept", 2), ("next", 10)] {
            let read = try await again.lines(of: stream).count
            try require(read == count, "\(read) of \(count) records of '\(stream)' are there")
        }
        await client.close()
        try await again.stop()
        return "full after \(stored) MB, \(faults.failedWrites) writes of snapshots failed"
    }

    private static func footer(_ scene: Scene) async throws -> String {
        let faults = try await FaultPage.make(in: scene.folder)
        let server = try await scene.serve(Scene.smallSegments, faults: faults)
        let client = try await server.client()
        let kept = try await Self.create(client, "kept")
        let capped = try await Self.create(client, "capped", cap: 16 << 20)
        var filler = try await Filler(server)
        try await filler.fill(kept, records: 2, "filling")
        let segment = try require(
            try Files.names(in: scene.data).first { $0.hasPrefix("segment-") }, "no segment")
        faults.failFooters(of: segment)
        try await filler.fill(capped, records: 100, "a stream with a cap while the footer of \(segment) fails")
        try require(faults.failedWrites > 0, "no footer of \(segment) was to be written")
        let failed = faults.failedWrites
        // Nothing was lost with it, also not for a start that finds no footer.
        try await server.process.kill9()
        let again = try await scene.serve(Scene.smallSegments, faults: faults)
        let read = try await again.lines(of: "kept").count
        try require(read == 2, "\(read) of 2 records are there")
        faults.failFooters(of: nil)
        await client.close()
        try await again.stop()
        return "\(failed) writes of the footer failed"
    }
}
