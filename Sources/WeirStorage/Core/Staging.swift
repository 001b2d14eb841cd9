// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What the server frames itself: records of many requests, collected in the order they came and joined per shard when
/// the commit is sealed.
final class Staging {
    /// The records of one shard, with consecutive indexes: one batch of the commit.
    struct Run: BitwiseCopyable {
        /// Kept alive by `owners`.
        let shard: Unmanaged<ShardState>
        let firstIndex: UInt64
        let arrivalMillis: Int64
        var count: Int32
        var bytes: Int32
        /// Its first and last chunk.
        let head: Int32
        var tail: Int32
    }

    /// Records that came together; the chunks of a run form a list that ends in -1.
    struct Chunk: BitwiseCopyable {
        let offset: Int32
        let length: Int32
        var next: Int32
    }

    private(set) var bytes: CommitBytes
    private(set) var runs = RawList<Run>(capacity: 64)
    private(set) var chunks = RawList<Chunk>(capacity: 256)
    /// Bytes that the runs will take in the commit, headers included.
    private(set) var framedBytes = 0
    /// What keeps the shards alive, should their stream be deleted meanwhile.
    private var owners: [AnyObject] = []

    /// Bytes in front of the records of a run.
    static let runHeaderBytes = Placement.bytes + BatchBody.headerBytes

    init(_ pool: BufferPool) { self.bytes = CommitBytes(pool: pool) }

    deinit {
        self.runs.free()
        self.chunks.free()
    }

    /// The index after a run, and its arrival.
    func end(ofRun run: Int) -> (index: UInt64, arrivalMillis: Int64) {
        let run = self.runs.start[run]
        return (run.firstIndex + UInt64(run.count), run.arrivalMillis)
    }

    /// Copies records of one shard that lie back to back.
    func add(
        _ records: UnsafeRawBufferPointer, count: Int, to shard: ShardState, firstIndex: UInt64, arrivalMillis: Int64,
        lsn: UInt64
    ) {
        let offset = self.bytes.append(copying: records.baseAddress!, count: records.count)
        let chunk = Int32(self.chunks.append(Chunk(offset: Int32(offset), length: Int32(records.count), next: -1)))
        self.framedBytes += records.count
        if shard.stagedLSN.rawValue == lsn, self.end(ofRun: shard.stagedRun).index == firstIndex {
            let run = self.runs.start + shard.stagedRun
            self.chunks.start[Int(run.pointee.tail)].next = chunk
            run.pointee.tail = chunk
            run.pointee.count += Int32(count)
            run.pointee.bytes += Int32(records.count)
            return
        }
        self.owners.append(shard)
        shard.stagedLSN = .init(lsn)
        shard.stagedRun = self.runs.append(
            Run(
                shard: .passUnretained(shard), firstIndex: firstIndex, arrivalMillis: arrivalMillis,
                count: Int32(count), bytes: Int32(records.count), head: chunk, tail: chunk))
        self.framedBytes += Self.runHeaderBytes
    }

    /// Copies records of many shards, each to its shard's run: the loop that decides what a record costs when requests
    /// are spread over many shards.
    func add(
        _ records: UnsafePointer<RoutedRecord>, count: Int, to open: OpenShards, outcome: RoutedOutcome,
        arrivalMillis: Int64, lsn: UInt64
    ) {
        if self.owners.last !== open { self.owners.append(open) }
        outcome.begin(shards: open.count, records: count)
        var runs = self.runs
        var chunks = self.chunks
        var entries = outcome.list
        var bytes = self.bytes
        runs.reserve(min(count, open.count))
        chunks.reserve(count)
        entries.reserve(min(count, open.count))
        let (slots, recordEntries, states) = (outcome.slots, outcome.recordEntries, open.states)
        var framed = 0
        for place in 0..<count {
            let record = records[place]
            let length = Int(record.length)
            let offset = bytes.append(copying: record.bytes, count: length)
            let chunk = Int32(
                truncatingIfNeeded: chunks.append(
                    Chunk(
                        offset: Int32(truncatingIfNeeded: offset), length: Int32(truncatingIfNeeded: length), next: -1))
            )
            framed += length
            let position = Int(record.shard)
            precondition(position >= 0 && position < open.count, "a record is of one of the open shards")
            states[position]._withUnsafeGuaranteedRef { shard in
                let index = shard.nextIndex
                shard.nextIndex = index + 1
                var arrival = arrivalMillis
                let run = runs.start + shard.stagedRun
                if shard.stagedLSN.rawValue == lsn,
                    run.pointee.firstIndex + UInt64(truncatingIfNeeded: run.pointee.count) == index
                {
                    chunks.start[Int(run.pointee.tail)].next = chunk
                    run.pointee.tail = chunk
                    run.pointee.count += 1
                    run.pointee.bytes += Int32(truncatingIfNeeded: length)
                    arrival = run.pointee.arrivalMillis
                } else {
                    shard.stagedLSN = .init(lsn)
                    shard.stagedRun = runs.append(
                        Run(
                            shard: states[position], firstIndex: index, arrivalMillis: arrivalMillis, count: 1,
                            bytes: Int32(truncatingIfNeeded: length), head: chunk, tail: chunk))
                    framed += Self.runHeaderBytes
                }
                var slot = slots[position]
                if slot < 0 {
                    slot = Int32(
                        truncatingIfNeeded: entries.append(
                            RoutedOutcome.Entry(
                                position: record.shard, count: 0, firstIndex: index, arrivalMillis: arrival,
                                shard: shard.ref.shard.rawValue, creationSecond: shard.creationSecond)))
                    slots[position] = slot
                }
                entries.start[Int(slot)].count += 1
                recordEntries[place] = UInt16(truncatingIfNeeded: slot)
            }
        }
        (self.runs, self.chunks, self.bytes) = (runs, chunks, bytes)
        self.framedBytes += framed
        outcome.finish(entries)
    }
}
