// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What the server frames itself: records of many requests, collected in the order they came and joined per shard when
/// the commit is sealed.
final class Staging {
    /// The records of one shard, with consecutive indexes: one batch of the commit.
    struct Run {
        let shard: ShardState
        let firstIndex: UInt64
        let arrivalMillis: Int64
        var count: Int
        var bytes: Int
        /// Its first and last chunk.
        var head: Int
        var tail: Int
    }

    /// Records that came together; the chunks of a run form a list.
    struct Chunk {
        let offset: Int
        let length: Int
        var next: Int
    }

    let memory: CommitBuffer
    private var used = 0
    private(set) var runs: ContiguousArray<Run> = []
    private(set) var chunks: ContiguousArray<Chunk> = []
    /// Bytes that the runs will take in the commit, headers included.
    var framedBytes = 0

    init(_ memory: CommitBuffer) { self.memory = memory }

    /// Copies records behind those that are there; returns their chunk, the end of a list.
    func copy(_ records: UnsafeRawBufferPointer) -> Int {
        let offset = self.used
        (self.memory.raw.baseAddress! + offset).copyMemory(from: records.baseAddress!, byteCount: records.count)
        self.used = offset + records.count
        self.chunks.append(Chunk(offset: offset, length: records.count, next: -1))
        return self.chunks.count - 1
    }

    func endIndex(ofRun run: Int) -> UInt64 { self.runs[run].firstIndex + UInt64(self.runs[run].count) }

    func extend(run: Int, chunk: Int, count: Int, bytes: Int) {
        self.chunks[self.runs[run].tail].next = chunk
        self.runs[run].tail = chunk
        self.runs[run].count += count
        self.runs[run].bytes += bytes
    }

    func begin(_ run: Run) -> Int {
        self.runs.append(run)
        return self.runs.count - 1
    }
}
