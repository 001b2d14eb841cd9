// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// Blocks of the disk that cannot be read: they cost what lies in them, for as long as they cannot be read, and no
/// start.
enum BlockFaults {
    static let cases: [FaultCase] = [
        FaultCase("a block of a record that cannot be read costs that record, and no start", Self.record),
        FaultCase("a footer, a header's copy or a void block that cannot be read costs nothing", Self.noRecord),
    ]

    private static let block = 4096
    private static let records = 14

    /// Fills some segments, ends the server well, and returns the names of the segments with what they hold.
    private static func makeData(
        _ scene: Scene, _ faults: FaultPage
    ) async throws -> (stream: StreamID, segments: [(name: String, bytes: [UInt8])]) {
        let server = try await scene.serve(Scene.smallSegments, faults: faults)
        let client = try await server.client()
        let stream = try await client.createStream(
            try StreamName("s"), shards: 1, settings: StreamSettings(limits: .open)
        ).id
        await client.close()
        var filler = try await Filler(server)
        try await filler.fill(stream, records: Self.records, "filling")
        filler.close()
        try await server.stop()
        let segments = try Files.names(in: scene.data).filter { $0.hasPrefix("segment-") }
            .map { (name: $0, bytes: try Files.bytes(of: scene.data + "/" + $0)) }
            .filter { Bytes.position(of: Array("xxxxxxxx".utf8), in: $0.bytes) != nil }
        try require(segments.count >= 3, "only \(segments.count) segments hold records")
        return (stream, segments)
    }

    private static func numbers(_ text: [String]) -> [Int] {
        text.compactMap { Int($0.prefix { $0 != " " }) }
    }

    private static func record(_ scene: Scene) async throws -> String {
        let faults = try await FaultPage.make(in: scene.folder)
        let (stream, segments) = try await Self.makeData(scene, faults)
        var told = ""
        // One that a start knows by its footer, and the last one, which it reads.
        for (round, segment) in [segments[1], segments[segments.count - 1]].enumerated() {
            told += try await Self.record(scene, faults, stream, segment, count: Self.records + round) + "\n"
        }
        return told
    }

    private static func record(
        _ scene: Scene, _ faults: FaultPage, _ stream: StreamID, _ segment: (name: String, bytes: [UInt8]), count: Int
    ) async throws -> String {
        let (name, bytes) = segment
        let letters = try require(Bytes.position(of: Array("xxxxxxxx".utf8), in: bytes), "no record in \(name)")
        // In the middle of the segment's first record.
        let bad = (letters + 500_000) / Self.block * Self.block
        faults.failReads(of: name, bad..<bad + Self.block)
        let server = try await scene.serve(Scene.smallSegments, faults: faults)
        let all = try await server.weir.run("get", "s", "--from", "trim-horizon", "--raw")
        let read = Self.numbers(all.lines)
        try require(read == read.sorted() && Set(read).count == read.count, "records come in the order \(read)")
        try require(read.count < count, "a record was read that cannot be: \(read)")
        try require(!all.errors.isEmpty, "that a record is missing is not told: \(all.ending)")
        let said = try await server.saying([name])
        var filler = try await Filler(server, after: UInt64(count))
        try await filler.fill(stream, records: 1, "a record beside a bad block")
        filler.close()
        try await server.provesThatItWorks()
        try require(faults.failedReads > 0, "nothing was read of \(name) at \(bad)")
        try await server.stop()
        // The block can be read again: nothing was made of it that it is not.
        faults.failReads(of: name, nil)
        try await Self.expectAll(scene, faults, count + 1)
        return said
    }

    private static func expectAll(_ scene: Scene, _ faults: FaultPage, _ count: Int) async throws {
        let server = try await scene.serve(Scene.smallSegments, faults: faults)
        let read = Self.numbers(try await server.lines(of: "s"))
        try require(read.count == count, "\(read.count) of \(count) records can be read: \(read)")
        try await server.provesThatItWorks()
        try await server.stop()
    }

    private static func noRecord(_ scene: Scene) async throws -> String {
        let faults = try await FaultPage.make(in: scene.folder)
        let (_, segments) = try await Self.makeData(scene, faults)
        let last = try require(segments.last, "no segment")
        let used = (last.bytes.lastIndex { $0 != 0 } ?? 0) / Self.block * Self.block
        let size = segments[0].bytes.count
        let places: [(what: String, file: String, at: Int)] = [
            ("the footer's end", segments[0].name, size - Self.block),
            ("the first copy of a header", segments[1].name, 0),
            ("the void behind the last commit", last.name, used + Self.block),
        ]
        for (what, file, at) in places {
            faults.failReads(of: file, at..<at + Self.block)
            do {
                try await Self.expectAll(scene, faults, Self.records)
            } catch {
                throw HarnessError("with \(what) unreadable (\(file) at \(at)): \(error)")
            }
        }
        return "\(faults.failedReads) reads failed"
    }
}
