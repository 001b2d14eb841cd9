// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirProtocol
import WeirStorage

/// What the puts of a batch are judged by, beside the log.
struct PutSurroundings {
    let node: NodeCore
    let routes: RouteCache
    let nowMillis: Int64
    let nowNanos: UInt64
}

extension PutBatch {
    /// Under the log's lock: appends what may be appended and notes the outcome of every put, in their order.
    func commit(_ log: LogCore, _ around: PutSurroundings, ordered: inout OrderedPuts) {
        let unavailable = log.unavailable()
        var stream: StreamState?
        for position in self.requests.indices {
            if self.requests[position].failure >= 0 {
                ordered.skipped()
                continue
            }
            if let unavailable {
                self.fail(position, unavailable, &ordered)
                continue
            }
            let id = self.requests[position].header.stream
            if stream?.id != id { stream = log.catalog.stream(id) }
            guard let stream else {
                around.routes.forget(id)
                self.requests[position].lsn = log.catalogLSN
                self.fail(position, Self.missing(id, log), &ordered)
                continue
            }
            self.commit(position, log, stream, around, &ordered)
        }
    }

    static func missing(_ id: StreamID, _ log: LogCore) -> WeirError {
        log.catalog.wasDeleted(id)
            ? WeirError(.streamDeleted, "\(id) was deleted") : WeirError(.streamNotFound, "\(id) does not exist")
    }

    private func fail(_ position: Int, _ error: WeirError, _ ordered: inout OrderedPuts) {
        self.failures.append(error)
        self.requests[position].failure = self.failures.count - 1
        if self.requests[position].header.sequence > 0 { ordered.skipped() }
    }

    private func commit(
        _ position: Int, _ log: LogCore, _ stream: StreamState, _ around: PutSurroundings,
        _ ordered: inout OrderedPuts
    ) {
        let header = self.requests[position].header
        self.requests[position].lsn = log.catalogLSN
        self.requests[position].mapVersion = stream.map.version
        if let error = self.sizeError(position, stream) { return self.fail(position, error, &ordered) }
        if self.requests[position].route?.map !== stream.map { self.routeAgain(position, stream, around.routes) }
        if header.sequence > 0 {
            do {
                try ordered.begin(sequence: header.sequence, seenThrough: header.seenThrough)
            } catch {
                self.failures.append(error)
                self.requests[position].failure = self.failures.count - 1
                return
            }
        }
        let firstEntry = self.entries.count
        if self.requests[position].isRoutedByServer {
            self.requests[position].firstRecordEntry = self.recordEntries.count
            self.recordEntries.append(contentsOf: repeatElement(0, count: self.requests[position].recordCount))
        }
        for part in self.requests[position].parts {
            self.commit(
                PartCommit(
                    request: position, part: self.parts[part],
                    ref: ShardRef(stream: stream.id, shard: self.parts[part].shard),
                    firstEntry: firstEntry),
                log, stream, around, &ordered)
        }
        self.requests[position].entries = firstEntry..<self.entries.count
    }

    private func sizeError(_ position: Int, _ stream: StreamState) -> WeirError? {
        let totals = self.requests[position].totals
        guard totals.largest > stream.settings.recordBytesMax else { return nil }
        return WeirError(
            .recordTooLarge,
            "record \(totals.largestRecord) of the put, counted from 0: its data and key have \(totals.largest) bytes, "
                + "stream '\(stream.name)' allows \(stream.settings.recordBytesMax)")
    }

    /// The shards have changed since the put was routed, or this loop did not know them.
    private func routeAgain(_ position: Int, _ stream: StreamState, _ routes: RouteCache) {
        let table: RouteTable
        if let known = routes.table(for: stream.id), known.map === stream.map {
            table = known
        } else {
            table = RouteTable(stream.map)
            routes.remember(table)
        }
        self.route(position, by: table)
    }

    /// A part on its way into the log.
    private struct PartCommit {
        let request: Int
        let part: Part
        let ref: ShardRef
        /// Of the request, in `entries`.
        let firstEntry: Int
    }

    private func commit(
        _ commit: PartCommit, _ log: LogCore, _ stream: StreamState, _ around: PutSurroundings,
        _ ordered: inout OrderedPuts
    ) {
        let header = self.requests[commit.request].header
        let isOrdered = header.sequence > 0
        guard !commit.part.isMisrouted, let shard = log.shard(commit.ref), shard.isOpen else {
            let exists = stream.shard(commit.ref.shard) != nil
            return self.refuse(commit, from: 0, exists ? .wrongShard : .shardNotFound, nil, header, &ordered)
        }
        if isOrdered {
            let mayAdmit = ordered.mayAdmit(
                OrderedPuts.Shard(commit.ref.stream, commit.ref.shard), sequence: header.sequence,
                seenThrough: header.seenThrough,
                ancestors: { Lineage.ancestors(of: commit.ref.shard, in: stream) })
            guard mayAdmit else { return self.refuse(commit, from: 0, .behind, nil, header, &ordered) }
        }
        let verdict = self.admit(commit, stream, around)
        do {
            if verdict.admitted == commit.part.count {
                self.store(commit, try self.append(commit.part, to: shard, log, around), shard)
            } else if verdict.isPrefix || verdict.admitted == 0 {
                if verdict.admitted > 0 {
                    let appended = try log.appendRecords(
                        shard, records: self.prefix(commit, verdict.admitted), count: verdict.admitted,
                        nowMillis: around.nowMillis)
                    self.store(commit, appended, shard, count: verdict.admitted)
                }
                Counters.add(commit.part.count - verdict.admitted, to: self.counters.throttledRecords)
                self.refuse(
                    commit, from: verdict.admitted, .throughputExceeded,
                    RetryAfter.verdict(nanos: verdict.waitNanos), header, &ordered)
            } else {
                try self.storeSelected(commit, verdict, shard, log, around)
            }
        } catch {
            self.refuse(commit, from: 0, error.code, error.verdict, header, &ordered)
        }
    }

    private func append(
        _ part: Part, to shard: ShardState, _ log: LogCore, _ around: PutSurroundings
    ) throws(WeirError) -> Appended {
        if part.body.isEmpty {
            return try log.appendRecords(
                shard, records: part.records, count: part.count, nowMillis: around.nowMillis)
        }
        return try log.append(shard, body: part.body, count: part.count, nowMillis: around.nowMillis)
    }

    /// The bytes of the first `count` records of a part.
    private func prefix(_ commit: PartCommit, _ count: Int) -> UnsafeRawBufferPointer {
        var length = 0
        for place in 0..<count { length += Int(self.record(commit, place).length) }
        return commit.part.records.slice(0, length)
    }

    private func record(_ commit: PartCommit, _ place: Int) -> PutRecord {
        let position = commit.part.first + place
        return self.scratch.records[commit.part.body.isEmpty ? Int(self.order[position]) : position]
    }

    // MARK: Admission

    private struct Verdict {
        /// Records that may be stored.
        var admitted: Int
        /// Whether they are the first ones of the part.
        var isPrefix = true
        /// Until the first refused one may be.
        var waitNanos: UInt64 = 0
        /// When they are not the first ones: which.
        var selection: [Bool] = []
    }

    /// Asks the shard's rates. Records that a client grouped are admitted up to the first refused one, ordered ones
    /// too; of others a smaller one may still pass (contract 2.3: each record is judged alone).
    private func admit(_ commit: PartCommit, _ stream: StreamState, _ around: PutSurroundings) -> Verdict {
        let part = commit.part
        let limits = stream.settings.limits
        if limits.bytesIn == nil, limits.recordsIn == nil { return Verdict(admitted: part.count) }
        let onlyPrefix = !part.body.isEmpty || self.requests[commit.request].header.sequence > 0
        let now = around.nowNanos
        return around.node.admission.withLock { table in
            table.with(commit.ref, stream.settings, nowNanos: now) { admission in
                if admission.admit(records: part.count, bytes: part.payload, nowNanos: now) {
                    return Verdict(admitted: part.count)
                }
                var verdict = Verdict(admitted: 0)
                for place in 0..<part.count {
                    let bytes = Int(self.record(commit, place).payload)
                    let isAdmitted = admission.admit(records: 1, bytes: bytes, nowNanos: now)
                    if isAdmitted {
                        if verdict.admitted < place { verdict.isPrefix = false }
                        verdict.admitted += 1
                    } else if verdict.waitNanos == 0 {
                        verdict.waitNanos = max(1, admission.nanosUntilRecord(bytes: bytes, nowNanos: now))
                        if onlyPrefix { break }
                    }
                    verdict.selection.append(isAdmitted)
                }
                return verdict
            }
        }
    }

    // MARK: Outcomes

    /// The first `count` records of the part, or all, are in the log.
    private func store(_ commit: PartCommit, _ appended: Appended, _ shard: ShardState, count: Int? = nil) {
        let stored = count ?? commit.part.count
        let entry = self.addEntry(commit, stored, appended, shard)
        self.mark(commit, 0..<stored, entry)
        let payload =
            stored == commit.part.count
            ? commit.part.payload : (0..<stored).reduce(0) { $0 + Int(self.record(commit, $1).payload) }
        self.count(stored, payload)
    }

    private func addEntry(_ commit: PartCommit, _ count: Int, _ appended: Appended, _ shard: ShardState) -> Int {
        self.requests[commit.request].lsn = max(self.requests[commit.request].lsn, appended.lsn)
        self.entries.append(
            PutEntry(
                shard: commit.ref.shard, count: UInt32(count),
                outcome: .stored(
                    PutEntry.Position(
                        firstIndex: appended.firstIndex, arrivalMillis: appended.arrivalMillis,
                        shardCreationSecond: shard.creationSecond))))
        return self.entries.count - 1
    }

    private func refuse(
        _ commit: PartCommit, from first: Int, _ code: WeirError.Code, _ verdict: WeirError.Verdict?,
        _ header: PutRecords.Header, _ ordered: inout OrderedPuts
    ) {
        if header.sequence > 0 {
            ordered.refused(OrderedPuts.Shard(commit.ref.stream, commit.ref.shard), sequence: header.sequence)
        }
        self.entries.append(
            PutEntry(
                shard: commit.ref.shard, count: UInt32(commit.part.count - first), refused: code, verdict: verdict))
        self.mark(commit, first..<commit.part.count, self.entries.count - 1)
    }

    /// Notes which entry holds records of the part, for a put that the server routed.
    private func mark(_ commit: PartCommit, _ places: Range<Int>, _ entry: Int) {
        guard self.requests[commit.request].isRoutedByServer else { return }
        for place in places { self.mark(commit, place, entry) }
    }

    private func mark(_ commit: PartCommit, _ place: Int, _ entry: Int) {
        let request = self.requests[commit.request]
        let record = Int(self.order[commit.part.first + place]) - request.firstRecord
        self.recordEntries[request.firstRecordEntry + record] =
            UInt16(truncatingIfNeeded: entry - commit.firstEntry)
    }

    private func count(_ records: Int, _ payload: Int) {
        Counters.add(records, to: self.counters.recordsIn)
        Counters.add(payload, to: self.counters.bytesIn)
    }

    /// Some records in the middle were refused: the others are brought together and stored.
    private func storeSelected(
        _ commit: PartCommit, _ verdict: Verdict, _ shard: ShardState, _ log: LogCore, _ around: PutSurroundings
    ) throws(WeirError) {
        let memory = self.gatherPool.take(commit.part.records.count)
        self.gathered.append(memory)
        var filled = 0
        var payload = 0
        for place in 0..<commit.part.count where verdict.selection[place] {
            let record = self.record(commit, place)
            UnsafeMutableRawBufferPointer(rebasing: memory[filled...]).copyMemory(
                from: UnsafeRawBufferPointer(start: record.bytes, count: Int(record.length)))
            filled += Int(record.length)
            payload += Int(record.payload)
        }
        let appended = try log.appendRecords(
            shard, records: UnsafeRawBufferPointer(rebasing: memory[..<filled]), count: verdict.admitted,
            nowMillis: around.nowMillis)
        let stored = self.addEntry(commit, verdict.admitted, appended, shard)
        self.entries.append(
            PutEntry(
                shard: commit.ref.shard, count: UInt32(commit.part.count - verdict.admitted),
                refused: .throughputExceeded, verdict: RetryAfter.verdict(nanos: verdict.waitNanos)))
        for place in 0..<commit.part.count {
            self.mark(commit, place, verdict.selection[place] ? stored : stored + 1)
        }
        self.count(verdict.admitted, payload)
        Counters.add(commit.part.count - verdict.admitted, to: self.counters.throttledRecords)
    }
}

/// Where the keys of a shard were before.
enum Lineage {
    /// The listed shards that handed their keys down to `shard`.
    static func ancestors(of shard: ShardNumber, in stream: StreamState) -> [ShardNumber] {
        var found: [ShardNumber] = []
        var seen: Set<ShardNumber> = []
        var next = stream.shard(shard)?.parents ?? []
        while let parent = next.popLast() {
            guard seen.insert(parent).inserted else { continue }
            found.append(parent)
            next.append(contentsOf: stream.shard(parent)?.parents ?? [])
        }
        return found
    }
}
