// SPDX-License-Identifier: Apache-2.0
import CWeir
import Testing
import WeirModel

@testable import WeirLog

/// Every stored form, byte for byte, both ways.
@Suite struct FormatTests {
    @Test func aSegmentHeaderHasTheBytesOfTheDocument() throws {
        let golden = try Golden.segmentHeader.bytes()
        var block = [UInt8](repeating: 0xee, count: LogFormat.block)
        block.withUnsafeMutableBytes { Sample.segmentHeader.write(to: $0) }
        #expect(block == golden)
        #expect(try golden.withUnsafeBytes { try SegmentHeader(reading: $0) } == Sample.segmentHeader)
    }

    @Test func aCommitHasTheBytesOfTheDocument() throws {
        let golden = try Golden.commit.bytes()
        let (header, bytes) = Sample.commit()
        #expect(bytes == golden)
        try golden.withUnsafeBytes { raw in
            let read = try CommitHeader(reading: raw)
            #expect(read == header)
            #expect(read.checksumMatches(raw))
            #expect(read.paddedLength == LogFormat.block)
            let section = EventSection.read(raw.slice(CommitHeader.bytes, read.eventsLength), count: read.eventCount)
            #expect(section.isWhole)
            #expect(
                try section.events.map { try LogEvent(kind: $0.kind, payload: $0.payload) } == Sample.logEvents)
            let placement = try Placement(reading: raw.slice(read.batchesOffset, Placement.bytes))
            #expect(placement.endIndex == 42)
            #expect(placement.totalLength == read.batchesLength)
        }
    }

    @Test func anEmptyCommitHasTheBytesOfTheDocument() throws {
        let golden = try Golden.emptyCommit.bytes()
        var header = Sample.commitHeader(lsn: 642, acknowledged: 641, events: 0, batches: 0)
        var bytes = [UInt8](repeating: 0xee, count: LogFormat.block)
        header.checksum = bytes.withUnsafeMutableBytes { header.seal($0) }
        #expect(bytes == golden)
        #expect(try golden.withUnsafeBytes { try CommitHeader(reading: $0) } == header)
    }

    /// The golden bytes have none, as those that older versions wrote.
    @Test(arguments: [1, 1_700_000_000_000, .max] as [Int64])
    func theTrustedTimeIsKeptInCommitsAndSegmentHeaders(millis: Int64) throws {
        var header = Sample.commitHeader(lsn: 642, acknowledged: 641, events: 0, batches: 0)
        header.trustedMillis = millis
        var bytes = [UInt8](repeating: 0xee, count: LogFormat.block)
        header.checksum = bytes.withUnsafeMutableBytes { header.seal($0) }
        #expect(try bytes.withUnsafeBytes { try CommitHeader(reading: $0) } == header)
        let sample = Sample.segmentHeader
        let segment = SegmentHeader(
            logID: sample.logID, file: sample.file, useCount: sample.useCount, order: sample.order, size: sample.size,
            term: sample.term, cut: sample.cut, trustedMillis: millis)
        bytes.withUnsafeMutableBytes { segment.write(to: $0) }
        #expect(try bytes.withUnsafeBytes { try SegmentHeader(reading: $0) } == segment)
    }

    @Test func aFooterAndItsTrailerHaveTheBytesOfTheDocument() throws {
        let golden = try Golden.footer.bytes()
        #expect(Sample.footer().encode() == golden)
        #expect(try golden.withUnsafeBytes { try SegmentFooter(reading: $0) } == Sample.footer())
        let trailer = SegmentFooter.Trailer(
            useCount: 3, offset: 16384, length: UInt64(golden.count),
            checksum: golden.withUnsafeBytes { weir_crc32c(0, $0.baseAddress, $0.count) })
        var block = [UInt8](repeating: 0xee, count: LogFormat.block)
        block.withUnsafeMutableBytes { trailer.write(to: $0) }
        let goldenTrailer = try Golden.trailer.bytes()
        #expect(block == goldenTrailer)
        #expect(goldenTrailer.withUnsafeBytes { SegmentFooter.Trailer(reading: $0) } == trailer)
    }

    @Test func aSnapshotHasTheBytesOfTheDocument() throws {
        let golden = try Golden.snapshot.bytes()
        #expect(Sample.snapshot.encode() == golden)
        #expect(try golden.withUnsafeBytes { try SnapshotFile(reading: $0) } == Sample.snapshot)
        #expect(SnapshotFile.checksum(of: golden) == golden[12...15].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }

    @Test func headersAndCommitsOfFormat1AreRead() throws {
        let header = try Golden.segmentHeaderOfFormat1.bytes().withUnsafeBytes { try SegmentHeader(reading: $0) }
        #expect(header == Sample.segmentHeader)
        try Golden.commitOfFormat1.bytes().withUnsafeBytes { raw in
            var commit = try CommitHeader(reading: raw)
            #expect(commit.checksumMatches(raw))
            commit.checksum = Sample.commit().header.checksum
            #expect(commit == Sample.commit().header)
        }
    }

    @Test(arguments: [0, 3, 255] as [UInt32]) func formsOfOtherVersionsAreRefused(version: UInt32) throws {
        var header = try Golden.segmentHeader.bytes()
        header.withUnsafeMutableBytes { raw in
            raw.store(version, at: 8)
            raw.store(weir_crc32c(0, raw.baseAddress, 4092), at: 4092)
        }
        let error = #expect(throws: FormatError.self) { try header.withUnsafeBytes { try SegmentHeader(reading: $0) } }
        #expect(error?.description.contains("version \(version)") == true)
        var commit = try Golden.commit.bytes()
        commit.withUnsafeMutableBytes { $0.store(version, at: 4) }
        #expect(throws: FormatError.self) { try commit.withUnsafeBytes { try CommitHeader(reading: $0) } }
        var snapshot = try Golden.snapshot.bytes()
        snapshot.withUnsafeMutableBytes { $0.store(version, at: 8) }
        #expect(throws: FormatError.self) { try snapshot.withUnsafeBytes { try SnapshotFile(reading: $0) } }
    }

    /// Folders of older versions hold such.
    @Test func aSnapshotWithoutTheEndsOfItsSegmentsIsRead() throws {
        let old = try Golden.snapshotWithoutEnds.bytes().withUnsafeBytes { try SnapshotFile(reading: $0) }
        #expect(old.live.map(\.use) == Sample.snapshot.live.map(\.use))
        #expect(old.live.allSatisfy { $0.end == .none })
        #expect(old.leases == Sample.snapshot.leases && old.positions == Sample.snapshot.positions)
    }

    @Test func anIndexEntryTakesTheBytesThatTheFooterReserves() {
        func length(_ entries: Int) -> Int {
            var index = ShardIndex()
            for number in 0..<entries {
                index.append(
                    IndexEntry(firstIndex: UInt64(number), arrivalMillis: 0, offset: 0, length: 1, count: 1))
            }
            return SegmentFooter(
                firstPrevious: .origin, last: .origin, endOffset: 0, timeMillis: 0, acknowledged: .none,
                shards: [.init(stream: StreamID(1), shard: ShardNumber(0), index: index)]
            ).encode().count
        }
        #expect(length(1) - length(0) == IndexEntry.bytes)
        for entries in [0, 1, 143, 144, 145, 1000] {
            let reserved = SegmentFooter.diskBytes(shards: 1, entries: entries)
            #expect(LogFormat.padded(length(entries)) + LogFormat.block <= reserved)
        }
    }

    @Test(arguments: [(0, 0), (1, 4096), (4095, 4096), (4096, 4096), (4097, 8192)])
    func lengthsArePaddedToBlocks(_ length: Int, _ padded: Int) {
        #expect(LogFormat.padded(length) == padded)
    }

    @Test func eventsArePaddedToEightBytes() {
        for length in 0..<20 {
            let padded = EventSection.paddedLength(ofPayload: length)
            #expect(padded % 8 == 0)
            #expect(padded - EventSection.headBytes - length >= 0)
            #expect(padded - EventSection.headBytes - length < 8)
        }
    }
}
