// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// How a read goes on.
enum ReadStep {
    case done(ReadResult)
    /// Pieces of a pinned segment; `unpin` when they are read.
    case disk(DiskRead)
    /// The index of a segment must be loaded first; it is pinned.
    case index(Segment)
}

extension LogCore {
    /// The fast path of a read: `nil` when it needs the disk.
    package func readFromMemory(_ request: ReadRequest) throws(WeirError) -> ReadResult? {
        switch try self.read(request, pinning: false) {
        case .done(let result): return result
        case .disk, .index: return nil
        }
    }

    /// Plans a read from index, memory or disk. With `pinning`, segments in the answer are pinned for the reader.
    func read(_ request: ReadRequest, pinning: Bool) throws(WeirError) -> ReadStep {
        let (shard, stream) = try self.readable(request.shard)
        try self.check(request.fromIndex, isWithin: shard, "index \(request.fromIndex)")
        let hidden = self.visiblyHidden(of: stream, nowMillis: request.nowMillis)
        let start: UInt64
        switch self.start(of: shard, hidden, above: request.fromIndex) {
        case .at(let index): start = index
        case .needsIndex(let segment): return self.needs(segment, pinning)
        }
        let asked = max(request.fromIndex, shard.firstIndex)
        let missed = start > asked ? start - asked : 0
        guard start < shard.durableEnd else {
            return .done(
                self.emptyResult(of: shard, at: min(start, max(shard.durableEnd, request.fromIndex)), missed: missed))
        }
        guard let run = shard.runs.first(where: { $0.endIndex > start }) else {
            // They were damaged: the reader is told how many, and goes on behind them.
            let lost = shard.durableEnd - start
            return .done(self.emptyResult(of: shard, at: shard.durableEnd, missed: missed + lost))
        }
        guard let index = self.index(of: shard, in: run.segment) else { return self.needs(run.segment, pinning) }
        guard index.endIndex > start else {
            // The last ones of the stretch were damaged: what follows them is in the next.
            return .done(self.emptyResult(of: shard, at: run.endIndex, missed: missed + (run.endIndex - start)))
        }
        return self.step(request, shard, run: run, index: index, start: start, missed: missed, pinning: pinning)
    }

    private func step(
        _ request: ReadRequest, _ shard: ShardState, run: ShardState.Run, index: ShardIndex, start: UInt64,
        missed: UInt64, pinning: Bool
    ) -> ReadStep {
        var position = index.position(ofIndex: start)
        let order = run.segment.header.order
        let inMemory = self.reading.tail.find(order: order, offset: Int(index.entries[position].offset)) != nil
        // A gap in front: records between were damaged or dropped; the reader is told how many.
        let first = max(start, index.entries[position].firstIndex)
        var next = first
        var bytes = 0
        var entries: [IndexEntry] = []
        var chunks: [ReadChunk] = []
        while position < index.entries.count, Int(next - first) < request.maxRecords {
            let entry = index.entries[position]
            guard entries.isEmpty || (bytes + Int(entry.length) <= request.maxBytes && entry.firstIndex == next) else {
                break
            }
            if inMemory {
                guard let found = self.reading.tail.find(order: order, offset: Int(entry.offset)) else { break }
                let raw = UnsafeRawBufferPointer(
                    rebasing: found.buffer.raw[found.offset..<found.offset + Int(entry.length)])
                chunks.append(ReadChunk(owner: found.buffer, bytes: raw))
            }
            entries.append(entry)
            bytes += Int(entry.length)
            next = entry.endIndex
            position += 1
        }
        next = min(next, first + UInt64(request.maxRecords))
        let read = DiskRead(
            segment: run.segment, shard: shard.ref, entries: entries, first: first, next: next,
            missed: missed + (first - start), durableEnd: shard.durableEnd, lastArrivalMillis: shard.lastArrivalMillis,
            endOfShard: self.endOfShard(shard, reached: shard.durableEnd), creationSecond: shard.creationSecond)
        if inMemory { return .done(read.answer(whole: entries.indices, chunks)) }
        if pinning { run.segment.pins += 1 }
        return .disk(read)
    }

    private func needs(_ segment: Segment, _ pinning: Bool) -> ReadStep {
        if pinning { segment.pins += 1 }
        return .index(segment)
    }

    func unpin(_ segment: Segment) { segment.pins -= 1 }

    /// What a reader may know of a shard: nothing that a crash could undo.
    private func readable(_ ref: ShardRef) throws(WeirError) -> (ShardState, StreamState) {
        guard let stream = self.durableCatalog.stream(ref.stream) else {
            throw self.durableCatalog.missing(ref.stream)
        }
        guard stream.shard(ref.shard) != nil,
            let shard = self.shards[ref]
                ?? self.streams.changes(of: ref.stream).lazy.compactMap({ $0.leaving[ref] }).first
        else {
            throw WeirError(.shardNotFound, "stream \(stream.name) has no shard \(ref.shard)")
        }
        return (shard, stream)
    }

    private func emptyResult(of shard: ShardState, at index: UInt64, missed: UInt64) -> ReadResult {
        ReadResult(
            firstIndex: index, nextIndex: index, missed: missed, recordCount: 0, chunks: [], millisBehindLatest: 0,
            durableEnd: shard.durableEnd, endOfShard: self.endOfShard(shard, reached: index),
            shardCreationSecond: shard.creationSecond)
    }

    /// The children, when the closing is on disk and a reader has seen everything before it.
    private func endOfShard(_ shard: ShardState, reached index: UInt64) -> [ShardDescription]? {
        guard let closed = shard.closedLSN, closed <= self.durableLSN, index >= shard.durableEnd,
            let description = self.durableCatalog.shard(shard.ref), let closing = description.closed
        else { return nil }
        return closing.children.compactMap {
            self.durableCatalog.shard(ShardRef(stream: shard.ref.stream, shard: $0))
        }
    }

    private func index(of shard: ShardState, in segment: Segment) -> ShardIndex? {
        if shard.currentSegment === segment { return shard.current }
        guard let index = segment.index else { return nil }
        self.reading.useIndex(of: segment)
        return index[shard.ref] ?? ShardIndex()
    }

    enum VisibleStart {
        case at(UInt64)
        case needsIndex(Segment)
    }

    /// What readers know to be hidden: no crash brings it back, and no change counts that is about to become durable.
    /// `stream` is durable.
    private func visiblyHidden(of stream: StreamState, nowMillis: Int64) -> Hidden {
        self.streams.changes(of: stream.id).reduce(self.hidden(of: stream, nowMillis: nowMillis)) { hidden, change in
            guard let later = change.step.state else { return hidden }
            return hidden.common(with: self.hidden(of: later, nowMillis: nowMillis))
        }
    }

    /// The first record that retention, trim and size cap leave visible.
    func visibleStart(
        of shard: ShardState, _ stream: StreamState, nowMillis: Int64
    ) throws(WeirError) -> VisibleStart {
        self.start(of: shard, self.visiblyHidden(of: stream, nowMillis: nowMillis))
    }

    /// The first record from `above` on that is not hidden; the durable end when there is none. Where records in front
    /// of it were damaged, the first of them: the read that begins there says how many are missed. Looks only into the
    /// segment that holds the answer: a read needs one index, not that of the horizon and its own, which would push
    /// each other out of a small memory for ever.
    func start(of shard: ShardState, _ hidden: Hidden, above: UInt64 = 0) -> VisibleStart {
        guard let number = shard.runs.firstIndex(where: { !hidden.hides($0) }) else {
            return .at(max(above, shard.beginning(before: shard.durableEnd)))
        }
        let run = shard.runs[number]
        if above >= run.endIndex { return .at(above) }
        guard let index = self.index(of: shard, in: run.segment) else { return .needsIndex(run.segment) }
        let position = index.position(ofArrival: hidden.arrivedBefore)
        if position > 0 { return .at(max(above, index.entries[position - 1].endIndex)) }
        return .at(max(above, shard.beginning(before: run.firstIndex)))
    }

    /// Where an iterator begins, or the index that must be loaded to know.
    func resolve(_ type: ShardIteratorType, in ref: ShardRef, nowMillis: Int64) throws(WeirError) -> VisibleStart {
        let (shard, stream) = try self.readable(ref)
        switch type {
        case .start(.trimHorizon): return try self.visibleStart(of: shard, stream, nowMillis: nowMillis)
        case .start(.latest): return .at(shard.durableEnd)
        case .start(.at(let time)):
            let millis = time.millisecondsSince1970
            guard millis <= max(nowMillis, self.retention.time.lastStampMillis) else {
                throw WeirError(.invalidArgument, "the timestamp \(millis) ms lies in the future")
            }
            var hidden = self.visiblyHidden(of: stream, nowMillis: nowMillis)
            hidden.arrivedBefore = max(millis, hidden.arrivedBefore)
            return self.start(of: shard, hidden)
        case .atSequenceNumber(let number): return .at(try self.index(of: number, after: false, in: shard))
        case .afterSequenceNumber(let number): return .at(try self.index(of: number, after: true, in: shard))
        }
    }

    /// Where reading begins at a number or after it. The number of the next record is allowed at which to begin: it is
    /// what an empty shard advertises, and nothing is skipped. What lies beyond was never given out here; taken, it
    /// would silently skip what comes.
    private func index(
        of number: SequenceNumber, after: Bool, in shard: ShardState
    ) throws(WeirError) -> UInt64 {
        guard number.shard == shard.ref.shard else {
            throw WeirError(
                .invalidArgument,
                "sequence number \(number) encodes \(number.shard), the iterator is asked for \(shard.ref.shard)")
        }
        guard number.shardCreationSecond == shard.creationSecond else {
            throw WeirError(
                .invalidArgument,
                "sequence number \(number) belongs to another shard of this name, of an earlier stream")
        }
        // The end that is advertised of a closed shard.
        guard number.index < SequenceNumber.endIndex else { return shard.durableEnd }
        let index = after ? number.index + 1 : number.index
        try self.check(index, isWithin: shard, "sequence number \(number), of index \(number.index),")
        return index
    }

    /// Refuses to begin beyond the end: only a position of another history can be there.
    package func check(_ index: UInt64, isWithin shard: ShardState, _ what: String) throws(WeirError) {
        guard index > shard.durableEnd else { return }
        throw WeirError(
            .invalidArgument,
            "\(what) lies beyond the end of \(shard.ref.shard), whose next record gets index \(shard.durableEnd): "
                + "it was given out by another stream, or before this node was restored from a backup. Begin at the "
                + "trim horizon, at latest or at a time")
    }
}
