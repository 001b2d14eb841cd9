// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Where a backfill cuts the files of a shard: by its records alone, so that whoever reads them again, in whatever
/// portions, cuts at the same places. No I/O, clock or chance.
///
/// A file ends behind the record with which it has `fileBytes`, before compression. With more than `openMax` open
/// files the one ends that was used least recently. Both happen between whole records only, because a file's name says
/// its first and last one.
package struct BackfillPlan: Sendable {
    package static let openMax = 32
    /// Open files that hold what a compressor needs; with more, the least recently used one rests.
    package static let activeMax = 8

    package struct File: Hashable, Sendable {
        package let partition: String
        package let first: SequenceNumber
        package fileprivate(set) var last: SequenceNumber
        package fileprivate(set) var records: UInt64 = 0
        package fileprivate(set) var bytes: UInt64 = 0
        fileprivate var use: UInt64
        fileprivate var isActive = true
    }

    /// What is to be done about files before records are written.
    package struct Turn: Hashable, Sendable {
        package let isNew: Bool
        /// The file of this partition is to rest.
        package let rests: String?
    }

    private let fileBytes: UInt64
    private let openMax: Int
    private let activeMax: Int
    private var open: [String: File] = [:]
    private var uses: UInt64 = 0

    package init(fileBytes: UInt64, openMax: Int = Self.openMax, activeMax: Int = Self.activeMax) {
        self.fileBytes = fileBytes
        self.openMax = openMax
        self.activeMax = activeMax
    }

    package var files: [File] { Array(self.open.values) }

    /// So many bytes may come before the file of a partition ends: it ends behind the record that brings the last one.
    package func room(_ partition: String) -> UInt64 {
        let bytes = self.open[partition]?.bytes ?? 0
        return self.fileBytes > bytes ? self.fileBytes - bytes : 1
    }

    /// Consecutive records of one partition, of which only the last one may bring the last byte of `room`.
    package mutating func take(
        _ partition: String, first: SequenceNumber, last: SequenceNumber, records: UInt64, bytes: UInt64
    ) -> Turn {
        self.uses += 1
        let before = self.open[partition]
        var file = before ?? File(partition: partition, first: first, last: last, use: self.uses)
        let wakes = before.map { !$0.isActive } ?? true
        file.last = last
        file.records += records
        file.bytes += bytes
        file.use = self.uses
        file.isActive = true
        self.open[partition] = file
        var rests: String?
        if wakes, self.open.values.count(where: \.isActive) > self.activeMax {
            rests =
                self.open.values.filter { $0.isActive && $0.partition != partition }.min { $0.use < $1.use }?
                .partition
            if let rests { self.open[rests]?.isActive = false }
        }
        return Turn(isNew: before == nil, rests: rests)
    }

    /// A record is whole. Files that end behind it, the oldest first; `touched`: those that it brought something to.
    package mutating func cut(_ touched: some Sequence<String>) -> [File] {
        var ends = Set(touched).compactMap { self.open[$0] }.filter { $0.bytes >= self.fileBytes }
        for file in ends { self.open[file.partition] = nil }
        while self.open.count > self.openMax, let least = self.open.values.min(by: { $0.use < $1.use }) {
            ends.append(least)
            self.open[least.partition] = nil
        }
        return ends.sorted { $0.first.index < $1.first.index }
    }

    /// The range is over.
    package mutating func rest() -> [File] {
        defer { self.open = [:] }
        return self.open.values.sorted { $0.first.index < $1.first.index }
    }
}

/// Which records of a shard have files in a folder already, by the names of these.
package struct Coverage: Hashable, Sendable {
    private struct Range: Hashable, Sendable {
        let first: UInt64
        let last: UInt64
        let name: String
    }

    private var ranges: [Range] = []

    /// `names`: of files, without what stands before the stream's name.
    package init(_ names: [String], of stream: StreamName, _ shard: ShardNumber) {
        for name in names {
            guard let (first, last) = FileName.numbers(in: name, stream, shard) else { continue }
            self.ranges.append(Range(first: first.index, last: last.index, name: name))
        }
    }

    package enum Answer: Hashable, Sendable {
        case free
        /// One file has all of them, or more.
        case there
        /// A file has some of them.
        case partly(String)
    }

    package func answer(first: SequenceNumber, last: SequenceNumber) -> Answer {
        var found: Range?
        for range in self.ranges where range.first <= last.index && range.last >= first.index {
            if range.first <= first.index && range.last >= last.index { return .there }
            found = range
        }
        return found.map { .partly($0.name) } ?? .free
    }
}
