// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirLog
import WeirModel

/// A batch of a commit: where it will stand when the commit is sealed.
struct CommitEntry {
    let shard: ShardState
    let firstIndex: UInt64
    let count: Int
    let arrivalMillis: Int64
    /// From the start of the commit; for server-written batches known after sealing.
    var offset: Int
    let length: Int
}

/// A commit from its opening to its acknowledgement. Open: filled under the log's lock. Closed: sealed and written by
/// one writer thread. Acknowledged: read only.
final class CommitInProgress: @unchecked Sendable {
    // Unchecked: the stage decides who touches it, one at a time, as said above.
    let lsn: LSN
    var buffer: CommitBuffer
    let catalogVersion: UInt64
    /// Bytes used: header, events, client-framed batches.
    private(set) var used = CommitHeader.bytes
    private(set) var eventsLength = 0
    private(set) var eventCount = 0
    private(set) var entries: ContiguousArray<CommitEntry> = []
    private(set) var timeMillis: Int64 = 0
    private var staging: Staging?
    /// Up to here there is room whatever the limit: a request that was begun in this commit ends in it.
    private var promised = 0

    // Known when it is written:
    var segment: Segment?
    var offset = 0
    var header: CommitHeader?

    init(lsn: LSN, catalogVersion: UInt64, buffer: CommitBuffer) {
        self.lsn = lsn
        self.catalogVersion = catalogVersion
        self.buffer = buffer
    }

    var hasBatches: Bool { !self.entries.isEmpty || self.staging != nil }
    var isEmpty: Bool { !self.hasBatches && self.eventCount == 0 }
    /// Bytes when sealed, padding left out.
    var length: Int { self.used + (self.staging?.framedBytes ?? 0) }
    var entryCount: Int { self.entries.count + (self.staging?.runs.count ?? 0) }

    /// Whether `bytes` more keep it within `limit`; an empty commit takes anything that its buffer holds.
    func hasRoom(for bytes: Int, limit: Int) -> Bool {
        let total = self.length + bytes
        return total <= self.buffer.raw.count && (total <= max(limit, self.promised) || self.isEmpty)
    }

    /// The next `bytes` belong together; the caller has made sure that the buffer holds them.
    func promise(_ bytes: Int) { self.promised = self.length + bytes }

    func append(event kind: UInt16, payload: [UInt8], timeMillis: Int64) {
        precondition(!self.hasBatches, "events stand before the batches that were admitted after them")
        let free = UnsafeMutableRawBufferPointer(rebasing: self.buffer.raw[self.used...])
        let length = EventSection.append(kind: kind, payload: payload, to: free)
        self.used += length
        self.eventsLength += length
        self.eventCount += 1
        self.timeMillis = max(self.timeMillis, timeMillis)
    }

    /// Copies a client-framed body behind its placement: the one copy of its records.
    func append(body: UnsafeRawBufferPointer, placement: Placement, shard: ShardState) {
        let start = self.used
        let target = UnsafeMutableRawBufferPointer(rebasing: self.buffer.raw[start..<start + placement.totalLength])
        placement.write(to: target)
        (target.baseAddress! + Placement.bytes).copyMemory(from: body.baseAddress!, byteCount: body.count)
        self.used += placement.totalLength
        self.timeMillis = max(self.timeMillis, placement.arrivalMillis)
        self.entries.append(
            CommitEntry(
                shard: shard, firstIndex: placement.firstIndex, count: placement.count,
                arrivalMillis: placement.arrivalMillis, offset: start, length: placement.totalLength))
    }

    /// Bytes that `stage` would add to the sealed commit.
    func stagingNeed(_ bytes: Int) -> Int { bytes + Staging.runHeaderBytes }

    /// Collects records that the server will frame. Records of a shard join its run as long as their indexes follow.
    func stage(
        records: UnsafeRawBufferPointer, count: Int, shard: ShardState, firstIndex: UInt64, arrivalMillis: Int64,
        pool: BufferPool
    ) {
        self.timeMillis = max(self.timeMillis, arrivalMillis)
        self.staging(pool).add(
            records, count: count, to: shard, firstIndex: firstIndex, arrivalMillis: arrivalMillis,
            lsn: self.lsn.rawValue)
    }

    /// Collects the records of a put that the server routed.
    func stage(
        _ records: UnsafePointer<RoutedRecord>, count: Int, to open: OpenShards, outcome: RoutedOutcome,
        arrivalMillis: Int64, pool: BufferPool
    ) {
        self.timeMillis = max(self.timeMillis, arrivalMillis)
        self.staging(pool).add(
            records, count: count, to: open, outcome: outcome, arrivalMillis: arrivalMillis, lsn: self.lsn.rawValue)
    }

    private func staging(_ pool: BufferPool) -> Staging {
        if let staging = self.staging { return staging }
        let staging = Staging(CommitBuffer(pool.take(bytes: self.buffer.raw.count), pool: pool))
        self.staging = staging
        return staging
    }

    /// The open arrival of a shard's run, so that all records of a batch share one.
    func stagedArrival(of shard: ShardState) -> Int64? {
        guard shard.stagedLSN == self.lsn, let staging = self.staging else { return nil }
        let end = staging.end(ofRun: shard.stagedRun)
        return end.index == shard.nextIndex ? end.arrivalMillis : nil
    }

    /// Frames what was staged, then writes header, padding and checksum. On a writer thread, without the lock.
    func seal(header: CommitHeader) -> CommitPoint {
        if let staging = self.staging {
            for position in 0..<staging.runs.count { self.frame(staging.runs.start[position], staging) }
            self.entries.sort { $0.firstIndex < $1.firstIndex }
            self.staging = nil
        }
        var header = header
        header.batchCount = self.entries.count
        header.checksum = header.seal(self.buffer.raw)
        self.header = header
        return header.point
    }

    private func frame(_ run: Staging.Run, _ staging: Staging) {
        let start = self.used
        let shard = run.shard.takeUnretainedValue()
        let (count, bytes) = (Int(run.count), Int(run.bytes))
        let placement = Placement(
            stream: shard.ref.stream, shard: shard.ref.shard, firstIndex: run.firstIndex, count: count,
            arrivalMillis: run.arrivalMillis, bodyLength: BatchBody.headerBytes + bytes)
        let target = UnsafeMutableRawBufferPointer(rebasing: self.buffer.raw[start..<start + placement.totalLength])
        placement.write(to: target)
        let body = UnsafeMutableRawBufferPointer(rebasing: target[Placement.bytes...])
        var position = body.baseAddress! + BatchBody.headerBytes
        let (source, chunks) = (staging.memory.raw.baseAddress!, staging.chunks.start)
        var chunk = run.head
        while chunk >= 0 {
            let part = chunks[Int(chunk)]
            position.copyMemory(from: source + Int(part.offset), byteCount: Int(part.length))
            position += Int(part.length)
            chunk = part.next
        }
        BatchBody.seal(body, count: count, recordsLength: bytes)
        self.used += placement.totalLength
        self.entries.append(
            CommitEntry(
                shard: shard, firstIndex: run.firstIndex, count: count, arrivalMillis: run.arrivalMillis,
                offset: start, length: placement.totalLength))
    }

    /// Small commits move to memory of their own size, so that the tail does not hold 2 MiB for each.
    func shrink(pool: BufferPool) {
        let length = LogFormat.padded(self.used)
        guard length <= self.buffer.raw.count / 2 else { return }
        let small = AlignedMemory(uninitialized: length)
        small.raw.copyMemory(from: UnsafeRawBufferPointer(rebasing: self.buffer.raw[0..<length]))
        self.buffer = CommitBuffer(small, pool: nil)
    }
}
