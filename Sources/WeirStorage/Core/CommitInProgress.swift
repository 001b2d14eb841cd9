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
    let catalogVersion: UInt64
    /// Header, events, client-framed batches; when it is sealed, all of them.
    private var bytes: CommitBytes
    private(set) var eventsLength = 0
    private(set) var eventCount = 0
    private(set) var entries: ContiguousArray<CommitEntry> = []
    private(set) var timeMillis: Int64 = 0
    private var staging: Staging?
    private var room: CommitRoom

    // Known when it is written:
    var segment: Segment?
    var offset = 0
    var header: CommitHeader?

    init(lsn: LSN, catalogVersion: UInt64, bounds: CommitBounds, pool: BufferPool) {
        self.lsn = lsn
        self.catalogVersion = catalogVersion
        self.bytes = CommitBytes(pool: pool, head: CommitHeader.bytes)
        self.room = CommitRoom(bounds)
    }

    /// What is read of it once it is sealed.
    var buffer: CommitBuffer { self.bytes.buffer }

    var hasBatches: Bool { !self.entries.isEmpty || self.staging != nil }
    var isEmpty: Bool { !self.hasBatches && self.eventCount == 0 }
    /// Bytes when sealed, padding left out.
    var length: Int { self.bytes.used + (self.staging?.framedBytes ?? 0) }
    var entryCount: Int { self.entries.count + (self.staging?.runs.count ?? 0) }

    /// Whether `bytes` more belong into it, and not into the next one.
    func takes(_ bytes: Int) -> Bool { self.room.takes(bytes, after: self.length, isEmpty: self.isEmpty) }

    /// About so many batches will come, as the commit before had them.
    func expect(batches: Int) { self.entries.reserveCapacity(batches) }

    /// The next `bytes` belong together, and into this one.
    func promise(_ bytes: Int) { self.room.promise(bytes, after: self.length) }

    func append(event kind: UInt16, payload: [UInt8], timeMillis: Int64) {
        precondition(!self.hasBatches, "events stand before the batches that were admitted after them")
        let length = EventSection.paddedLength(ofPayload: payload.count)
        let written = EventSection.append(kind: kind, payload: payload, to: self.bytes.append(length))
        precondition(written == length, "an event is as long as it says")
        self.eventsLength += length
        self.eventCount += 1
        self.timeMillis = max(self.timeMillis, timeMillis)
    }

    /// Copies a client-framed body behind its placement: the one copy of its records.
    func append(body: UnsafeRawBufferPointer, placement: Placement, shard: ShardState) {
        precondition(body.count == placement.bodyLength, "a placement says how long its body is")
        let start = self.bytes.used
        let target = self.bytes.append(placement.totalLength)
        placement.write(to: target)
        (target.baseAddress! + Placement.bytes).copyMemory(from: body.baseAddress!, byteCount: body.count)
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
        let staging = Staging(pool)
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
            self.bytes.reserve(staging.framedBytes)
            for position in 0..<staging.runs.count { self.frame(staging.runs.start[position], staging) }
            self.entries.sort { $0.firstIndex < $1.firstIndex }
            self.staging = nil
        }
        var header = header
        precondition(header.batchCount == self.entries.count, "a header counts the batches that were framed")
        header.checksum = self.bytes.seal(header)
        self.header = header
        assert(SealedCommit.fault(in: self.buffer.raw, header) == nil, "\(self.lsn) is not what it says")
        return header.point
    }

    private func frame(_ run: Staging.Run, _ staging: Staging) {
        let start = self.bytes.used
        let shard = run.shard.takeUnretainedValue()
        let (count, bytes) = (Int(run.count), Int(run.bytes))
        let placement = Placement(
            stream: shard.ref.stream, shard: shard.ref.shard, firstIndex: run.firstIndex, count: count,
            arrivalMillis: run.arrivalMillis, bodyLength: BatchBody.headerBytes + bytes)
        let target = self.bytes.append(placement.totalLength)
        placement.write(to: target)
        let body = UnsafeMutableRawBufferPointer(rebasing: target[Placement.bytes...])
        var position = body.baseAddress! + BatchBody.headerBytes
        let (source, chunks) = (staging.bytes.buffer.raw.baseAddress!, staging.chunks.start)
        var chunk = run.head
        while chunk >= 0 {
            let part = chunks[Int(chunk)]
            position.copyMemory(from: source + Int(part.offset), byteCount: Int(part.length))
            position += Int(part.length)
            chunk = part.next
        }
        BatchBody.seal(body, count: count, recordsLength: bytes)
        self.entries.append(
            CommitEntry(
                shard: shard, firstIndex: run.firstIndex, count: count, arrivalMillis: run.arrivalMillis,
                offset: start, length: placement.totalLength))
    }

    /// Small commits move to memory of their own size, so that the tail does not hold 2 MiB for each.
    func shrink() { self.bytes.shrink() }
}
