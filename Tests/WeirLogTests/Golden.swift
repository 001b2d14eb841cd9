// SPDX-License-Identifier: Apache-2.0
import Foundation
import WeirModel

@testable import WeirLog

/// The stored forms as they are described in docs/data-folder.md, a field a line. A change here breaks what users have
/// stored: it is a new format version.
enum Golden: String, CaseIterable {
    case segmentHeader = "segment-header"
    case commit
    case emptyCommit = "empty-commit"
    case footer
    case trailer
    case snapshot
    /// As older versions wrote them, and as they are still read.
    case snapshotWithoutEnds = "snapshot-without-ends"
    case segmentHeaderOfFormat1 = "segment-header-1"
    case commitOfFormat1 = "commit-1"

    func bytes() throws -> [UInt8] { try self.fields().flatMap(\.bytes) }

    /// `Golden/NAME.hex`, a field a line: two digits a byte, `00*N` for N zeros, behind `#` its label.
    func fields() throws -> [(label: String, bytes: [UInt8])] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let file = folder.appendingPathComponent("Golden/\(self.rawValue).hex")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").compactMap { line in
            let halves = line.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
            let field = halves[0].filter { !$0.isWhitespace }
            guard !field.isEmpty else { return nil }
            let label = halves.dropFirst().first.map { $0.trimmingCharacters(in: .whitespaces) } ?? ""
            let parts = field.split(separator: "*")
            if parts.count == 2, let count = Int(parts[1]) { return (label, [UInt8](repeating: 0, count: count)) }
            let digits = field.compactMap(\.hexDigitValue)
            guard digits.count == field.count, digits.count % 2 == 0 else { throw NotHex(line: String(line)) }
            return (
                label, stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
            )
        }
    }

    struct NotHex: Error { let line: String }
}

/// What the golden bytes stand for.
enum Sample {
    static let logID: UInt64 = 0x0102_0304_0506_0708
    static let time: Int64 = 1_700_000_000_000
    static let cut = CommitPoint(lsn: LSN(640), checksum: 0xaabb_ccdd)

    static let segmentHeader = SegmentHeader(
        logID: logID, file: 9, useCount: 3, order: 12, size: 4 << 20, term: 5, cut: cut)

    static let logEvents: [LogEvent] = [
        .segmentDropped(file: 9, useCount: 2), .snapshotTaken(lsn: LSN(600), checksum: 0x5566_7788),
    ]

    static func commitHeader(lsn: UInt64, acknowledged: UInt64, events: Int, batches: Int) -> CommitHeader {
        CommitHeader(
            logID: logID, term: 5, lsn: LSN(lsn), previous: CommitPoint(lsn: LSN(lsn - 1), checksum: 0x1122_3344),
            acknowledged: LSN(acknowledged), length: CommitHeader.bytes + events + batches, eventsLength: events,
            catalogVersion: 7, eventCount: events > 0 ? 2 : 0, batchCount: batches > 0 ? 1 : 0, batchesLength: batches,
            useCount: 3, timeMillis: events + batches > 0 ? time : 0)
    }

    /// A sealed commit of one block with the events above and a batch of two records.
    static func commit() -> (header: CommitHeader, bytes: [UInt8]) {
        var bytes = [UInt8](repeating: 0xee, count: LogFormat.block)
        let header = bytes.withUnsafeMutableBytes { raw in
            var end = CommitHeader.bytes
            for event in logEvents {
                let free = UnsafeMutableRawBufferPointer(rebasing: raw[end...])
                end += EventSection.append(kind: event.kind, payload: event.encode(), to: free)
            }
            let events = end - CommitHeader.bytes
            let body = Self.body()
            let target = UnsafeMutableRawBufferPointer(rebasing: raw[end...])
            Placement(
                stream: StreamID(0x0102), shard: ShardNumber(4), firstIndex: 40, count: 2, arrivalMillis: time,
                bodyLength: body.count
            ).write(to: target)
            UnsafeMutableRawBufferPointer(rebasing: target[Placement.bytes...]).copyBytes(from: body)
            var header = commitHeader(
                lsn: 641, acknowledged: 639, events: events, batches: Placement.bytes + body.count)
            header.checksum = header.seal(raw)
            return header
        }
        return (header, bytes)
    }

    private static func body() -> [UInt8] {
        var builder = BatchBodyBuilder()
        Array("k1".utf8).withUnsafeBytes { key in
            Array("one".utf8).withUnsafeBytes { builder.append(key: key, data: $0) }
        }
        Array("k2".utf8).withUnsafeBytes { key in
            builder.append(key: key, explicitHashKey: HashKey(15), data: UnsafeRawBufferPointer(start: nil, count: 0))
        }
        return builder.finish()
    }

    static func footer() -> SegmentFooter {
        var index = ShardIndex()
        index.append(IndexEntry(firstIndex: 40, arrivalMillis: time, offset: 8368, length: 109, count: 2))
        index.append(IndexEntry(firstIndex: 42, arrivalMillis: time + 1, offset: 12416, length: 70, count: 1))
        return SegmentFooter(
            firstPrevious: cut, last: CommitPoint(lsn: LSN(642), checksum: 0x1020_3040), endOffset: 16384,
            timeMillis: time, acknowledged: LSN(641),
            shards: [
                .init(stream: StreamID(0x0102), shard: ShardNumber(4), index: index),
                .init(stream: StreamID(0x0103), shard: ShardNumber(0), index: ShardIndex()),
            ])
    }

    static let snapshot = SnapshotFile(
        logID: logID, point: cut, timeMillis: time, nextFile: 11,
        positions: [
            .init(stream: StreamID(0x0102), shard: ShardNumber(4), nextIndex: 43),
            .init(stream: StreamID(0x0103), shard: ShardNumber(0), nextIndex: 0),
        ],
        dropped: [.init(file: 8, useCount: 2)],
        live: [
            .init(.init(file: 9, useCount: 3), end: LSN(639)), .init(.init(file: 10, useCount: 1), end: .none),
        ], catalog: [1, 2, 3, 4, 5], leases: [6, 7])
}
