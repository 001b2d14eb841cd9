// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel

@testable import WeirStorage

@Suite struct VerifierTests {
    /// A folder with everything in it: full and unfinished segments, footers, snapshots, staged and grouped batches,
    /// events.
    private static func makeFolder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let name = try StreamName("orders")
        for round in 0..<3 {
            var configuration = StorageConfiguration(folder: folder.path)
            configuration.segmentBytesMin = 64 << 10
            configuration.segmentBytesMax = 64 << 10
            configuration.freeBytesFloor = 0
            let box = ProgressBox()
            let storage = try Storage.open(configuration, clock: SystemClock(), handler: box.note)
            if round == 0 {
                box.wait(
                    try storage.withLog { log throws(WeirError) in
                        try log.submit(
                            .createStream(name: name, shards: 2, settings: StreamSettings(limits: .open)),
                            nowMillis: SystemClock().wallMillis)
                    }.lsn)
            }
            let stream = try #require(storage.withLog { $0.catalog.stream(named: name)?.id })
            for number in 0..<12 {
                box.wait(
                    try storage.withLog { log throws(WeirError) in
                        try RoundTripTests.append(
                            "record \(round)/\(number)",
                            to: ShardRef(stream: stream, shard: ShardNumber(UInt32(number % 2))),
                            in: log, staged: number % 3 == 0)
                    })
            }
            storage.shutdown()
        }
        return folder
    }

    @Test func aFolderThatWasShutDownIsWhole() throws {
        let folder = try Self.makeFolder()
        let report = try Verifier.run(folder: folder.path)
        #expect(report.findings.isEmpty)
        #expect(report.records == 36)
        #expect(report.segments >= 3)
        #expect(report.snapshots >= 1)
    }

    @Test func everyFlippedBitOfTheLiveBytesIsFoundInItsFile() throws {
        let folder = try Self.makeFolder()
        var flips = 0
        var numbers = SystemRandomNumberGenerator()
        let seed = UInt64.random(in: 0...UInt64.max, using: &numbers)
        print("seed \(seed)")
        var state = seed
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() where name != "weir.lock"
        {
            let handle = try #require(FileHandle(forUpdatingAtPath: folder.path + "/" + name))
            let bytes = try #require(try handle.readToEnd())
            for (position, allBits) in try Self.live(name, Array(bytes)) {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                for bit in allBits ? Array(0..<8) : [Int(state >> 61)] {
                    try Self.write(bytes[position] ^ 1 << UInt8(bit), at: position, handle)
                    flips += 1
                    let report = try Verifier.run(folder: folder.path)
                    // Of the last commit nothing tells that it was acknowledged.
                    #expect(
                        report.findings.contains { $0.file == name } || report.torn.contains { $0.file == name },
                        "bit \(bit) of byte \(position) of \(name), seed \(seed)")
                }
                try Self.write(bytes[position], at: position, handle)
            }
        }
        print("flips \(flips), all found")
        #expect(flips > 1000)
        #expect(try Verifier.run(folder: folder.path).findings.isEmpty)
    }

    private static func write(_ byte: UInt8, at position: Int, _ handle: FileHandle) throws {
        try handle.seek(toOffset: UInt64(position))
        try handle.write(contentsOf: [byte])
    }

    /// Bytes that must be what was written, and which of them to try with all eight bits: the heads of everything, and
    /// a
    /// sample of bodies and padding.
    private static func live(_ name: String, _ bytes: [UInt8]) throws -> [(position: Int, allBits: Bool)] {
        guard name.hasSuffix(".log") else {
            return bytes.indices.filter { $0 % 7 == 0 || $0 < 24 }.map { ($0, $0 < 24) }
        }
        return try bytes.withUnsafeBytes { raw in
            var ranges: [(Range<Int>, Int)] = [(0..<SegmentHeader.bytes, name.hasSuffix("1.log") ? 72 : 0)]
            let header = try SegmentHeader(reading: raw)
            var offset = SegmentHeader.bytes
            while offset + LogFormat.block <= raw.count,
                let commit = try? CommitHeader(reading: raw.slice(offset, raw.count - offset)),
                commit.useCount == header.useCount
            {
                ranges.append((offset..<offset + commit.paddedLength, 0))
                offset += commit.paddedLength
            }
            // Made ready and never used: free space, headers and all.
            if ranges.count == 1 { return [] }
            // The last commit is the hardest: nothing behind it proves that it was there.
            if let last = ranges.last, last.0.lowerBound > 0, !name.hasSuffix("1.log") {
                ranges[ranges.count - 1].1 = 64
            }
            let end = raw.slice(raw.count - LogFormat.block, LogFormat.block)
            if let trailer = SegmentFooter.Trailer(reading: end), trailer.useCount == header.useCount {
                let length = LogFormat.padded(max(1, Int(trailer.length)))
                ranges.append((Int(trailer.offset)..<Int(trailer.offset) + length, 0))
                // Behind the trailer its block may hold what a torn write has left there.
                let trailer = raw.count - LogFormat.block
                ranges.append(
                    (
                        trailer..<trailer + SegmentFooter.Trailer.bytes,
                        name.hasSuffix("1.log") ? SegmentFooter.Trailer.bytes : 0
                    ))
            }
            return ranges.flatMap { range, all in
                range.filter { $0 - range.lowerBound < all || $0 % 997 == 0 || $0 == range.upperBound - 1 }
                    .map { ($0, $0 - range.lowerBound < all) }
            }
        }
    }

    @Test func aFolderThatIsMissingOrInUseIsNotLookedAt() throws {
        let folder = try TemporaryFolder()
        #expect(throws: StorageError.self) { try Verifier.run(folder: folder.path + "/none") }
        let storage = try Storage.open(
            StorageConfiguration(folder: folder.path), clock: SystemClock(), handler: { _ in })
        let error = #expect(throws: StorageError.self) { try Verifier.run(folder: folder.path) }
        #expect(error?.message.contains("in use") == true)
        storage.shutdown()
    }

    @Test func nothingIsWrittenWhileLooking() throws {
        let folder = try TemporaryFolder()
        #expect(throws: StorageError.self) { try Verifier.run(folder: folder.path) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }
}
