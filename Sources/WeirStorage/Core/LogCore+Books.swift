// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

extension LogCore {
    /// Every rule that holds between two calls, for the simulator and tests; throws the first one broken.
    package func checkBooks() throws(FormatError) {
        func require(_ holds: Bool, _ rule: @autoclosure () -> String) throws(FormatError) {
            if !holds { throw FormatError("the log's books: \(rule())") }
        }
        let orders = self.segments.map(\.header.order)
        try require(zip(orders, orders.dropFirst()).allSatisfy { $0 < $1 }, "segments stand in the order of replay")
        if let active = self.active {
            try require(self.segments.last === active, "the active segment is the newest")
            try require(
                self.files.ready.allSatisfy { $0.order > active.header.order },
                "a segment that is ready comes after the active one")
            try require(active.header.term == self.term, "the active segment belongs to this term")
        }
        let files =
            self.segments.map(\.header.file) + self.files.dropping.map(\.segment.header.file) + self.files.files
        let bytes = (self.segments + self.files.dropping.map(\.segment)).reduce(self.files.bytesNotInUse) {
            $0 + Int64($1.size)
        }
        try require(bytes == self.files.bytes, "the log takes \(bytes) bytes, and counts \(self.files.bytes)")
        try require(Set(files).count == files.count, "a file has one use at a time: \(files.sorted())")
        let snapshots = self.snapshots.kept.map(\.lsn)
        try require(Set(snapshots).count == snapshots.count, "a snapshot is listed once")
        for (ref, shard) in self.shards.states.sorted(by: {
            ($0.key.stream, $0.key.shard) < ($1.key.stream, $1.key.shard)
        }) {
            let listed = shard.slot.map { self.shards.positions.position(at: $0) }
            try require(
                listed == .init(stream: ref.stream, shard: ref.shard, nextIndex: shard.durableEnd),
                "\(ref) stands in the table of positions with its durable end")
            try require(shard.durableEnd <= shard.nextIndex, "\(ref) is not ahead of itself")
            for (one, next) in zip(shard.runs, shard.runs.dropFirst()) {
                try require(
                    one.endIndex <= next.firstIndex && one.segment.header.order < next.segment.header.order
                        && one.lastArrivalMillis <= next.lastArrivalMillis,
                    "the stretches of \(ref) follow each other: \(one.firstIndex)..<\(one.endIndex), then "
                        + "\(next.firstIndex)..<\(next.endIndex)")
            }
            try require(
                shard.runs.allSatisfy { run in
                    self.segments.contains { $0 === run.segment }
                        || self.files.dropping.contains { $0.segment === run.segment }
                },
                "\(ref) has records only in segments of the log")
            try require((shard.runs.last?.endIndex ?? 0) <= shard.durableEnd, "\(ref) shows only what is durable")
        }
    }

    /// The commit that is open, and its bytes so far.
    package var openLSN: LSN { self.commits.open.lsn }
    package var openBytes: Int { self.commits.open.length }

    /// A segment that takes no more commits, for judges.
    package struct FullSegment {
        package let file: String
        package let last: LSN
        package let shares: [StreamID: (bytes: Int64, lastArrivalMillis: Int64)]
        /// Nothing but its records keeps it: it has its footer, the snapshots cover it, and nobody reads it.
        package let isCovered: Bool
    }

    package var fullSegments: [FullSegment] {
        let covered = self.snapshots.covered(durable: self.durableLSN)
        let hasFooters = self.segments.allSatisfy { $0.footerWritten || !$0.isFull }
        return self.segments.filter { self.isFinished($0) }.map { segment in
            FullSegment(
                file: Segment.fileName(segment.header.file), last: segment.last.lsn,
                shares: segment.streams.mapValues { ($0.bytes, $0.lastArrivalMillis) },
                isCovered: hasFooters && segment.last.lsn <= covered && segment.pins == 0)
        }
    }

    /// Files whose dropping has been announced and is not yet durable, or whose readers are not yet gone.
    package var droppingFiles: [String] { self.files.dropping.map { Segment.fileName($0.segment.header.file) } }
}
