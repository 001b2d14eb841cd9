// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage

/// What the puts of a batch are judged by, beside the log.
struct PutSurroundings {
    let engine: Engine
    let routes: RouteCache
    let nowMillis: Int64
    let nowNanos: UInt64
}

extension PutBatch {
    /// Under the log's lock: appends what may be appended and notes the outcome of every put, in their order.
    mutating func commit(_ log: LogCore, _ around: PutSurroundings, ordered: inout OrderedPuts) {
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
                self.requests[position].mark = log.catalogMark
                self.fail(position, log.missing(id), &ordered)
                continue
            }
            self.commit(position, log, stream, around, &ordered)
        }
        Counters.add(self.tally.records, to: self.counters.recordsIn)
        Counters.add(self.tally.bytes, to: self.counters.bytesIn)
        Counters.add(self.tally.throttled, to: self.counters.throttledRecords)
        if self.tally.full > 0 {
            Counters.add(self.tally.full, to: self.counters.fullLogRecords)
            around.engine.fullLog.withLock {
                $0.refused(
                    records: self.tally.full, self.tally.fullSize, reason: self.tally.fullReason,
                    nowMillis: around.nowMillis, nowNanos: around.nowNanos)
            }
        }
        self.tally = Tally()
    }

    private mutating func fail(_ position: Int, _ error: WeirError, _ ordered: inout OrderedPuts) {
        self.failures.append(error)
        self.requests[position].failure = self.failures.count - 1
        if self.requests[position].header.sequence > 0 { ordered.skipped() }
    }

    private mutating func commit(
        _ position: Int, _ log: LogCore, _ stream: StreamState, _ around: PutSurroundings,
        _ ordered: inout OrderedPuts
    ) {
        let header = self.requests[position].header
        self.requests[position].mark = log.catalogMark
        self.requests[position].mapVersion = stream.map.version
        if let error = self.sizeError(position, stream) { return self.fail(position, error, &ordered) }
        let table: RouteTable
        if let route = self.requests[position].route, route.map === stream.map {
            table = route
        } else {
            table = self.routeAgain(position, stream, around.routes)
        }
        if header.sequence > 0 {
            do {
                try ordered.begin(sequence: header.sequence, seenThrough: header.seenThrough)
            } catch {
                // Its sequence or what it has seen is not to be believed: what comes behind it waits for its sender.
                return self.fail(position, error, &ordered)
            }
        }
        if self.commitAtOnce(position, log, stream, around, ordered) { return }
        let firstEntry = self.entries.count
        if self.requests[position].isRoutedByServer {
            self.divide(position, table)
            self.requests[position].firstRecordEntry = self.recordEntries.count
            self.recordEntries.append(contentsOf: repeatElement(0, count: self.requests[position].recordCount))
        }
        let parts = self.requests[position].parts
        var recordBytes = 0
        for part in parts { recordBytes += self.parts[part].records.count }
        let size = FullLog.Size(parts: parts.count, bytes: recordBytes)
        if let error = log.refusalOfFullLog(forParts: size.parts, recordBytes: size.bytes) {
            self.tally.full += self.requests[position].recordCount
            self.tally.fullReason = error.message
            if size.bytes >= self.tally.fullSize.bytes { self.tally.fullSize = size }
            return self.fail(position, error, &ordered)
        }
        log.makeRoom(forParts: parts.count, recordBytes: recordBytes)
        for part in parts {
            self.commit(
                PartCommit(
                    request: position, part: self.parts[part],
                    ref: ShardRef(stream: stream.id, shard: self.parts[part].shard),
                    firstEntry: firstEntry),
                header, table, log, stream, around, &ordered)
        }
        self.requests[position].entries = firstEntry..<self.entries.count
    }

    /// The usual case of a put that the server routes: no rate and no refusal is in its way, so all of it is stored,
    /// and every record goes straight to its shard's run. False when each shard must be judged by itself.
    private mutating func commitAtOnce(
        _ position: Int, _ log: LogCore, _ stream: StreamState, _ around: PutSurroundings, _ ordered: OrderedPuts
    ) -> Bool {
        let request = self.requests[position]
        let limits = stream.settings.limits
        guard request.isRoutedByServer, limits.bytesIn == nil, limits.recordsIn == nil,
            request.header.sequence == 0 || ordered.mayAdmitAll(seenThrough: request.header.seenThrough)
        else { return false }
        let outcome = self.outcome
        let bytes = self.parts[request.parts.lowerBound].records.count
        guard
            let commit = try? log.appendRouted(
                self.scratch.records + request.firstRecord, count: request.recordCount, bytes: bytes,
                to: log.openShards(of: stream), outcome: outcome, nowMillis: around.nowMillis)
        else { return false }
        let firstEntry = self.entries.count
        for entry in outcome.entries {
            self.entries.append(
                PutEntry(
                    shard: ShardNumber(entry.shard), count: UInt32(truncatingIfNeeded: entry.count),
                    outcome: .stored(
                        PutEntry.Position(
                            firstIndex: entry.firstIndex, arrivalMillis: entry.arrivalMillis,
                            shardCreationSecond: entry.creationSecond))))
        }
        self.requests[position].firstRecordEntry = self.recordEntries.count
        self.recordEntries.append(
            contentsOf: UnsafeBufferPointer(start: outcome.recordEntries, count: request.recordCount))
        self.requests[position].entries = firstEntry..<self.entries.count
        self.requests[position].mark = request.mark.joined(log.mark(commit))
        self.tally.records += request.recordCount
        self.tally.bytes += request.totals.payload
        return true
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
    private mutating func routeAgain(
        _ position: Int, _ stream: StreamState, _ routes: RouteCache
    ) -> RouteTable {
        let table: RouteTable
        if let known = routes.table(for: stream.id), known.map === stream.map {
            table = known
        } else {
            table = RouteTable(stream.map)
            routes.remember(table)
        }
        self.route(position, by: table)
        return table
    }

    /// A part on its way into the log.
    struct PartCommit {
        let request: Int
        let part: Part
        let ref: ShardRef
        /// Of the request, in `entries`.
        let firstEntry: Int
    }

    private mutating func commit(
        _ commit: PartCommit, _ header: PutHeader, _ table: RouteTable, _ log: LogCore,
        _ stream: StreamState, _ around: PutSurroundings, _ ordered: inout OrderedPuts
    ) {
        guard commit.part.position >= 0, let shard = table.state(at: commit.part.position, in: log), shard.isOpen
        else {
            let exists = stream.shard(commit.ref.shard) != nil
            return self.refuse(commit, from: 0, exists ? .wrongShard : .shardNotFound, nil, header, &ordered)
        }
        if header.sequence > 0 {
            let mayAdmit = ordered.mayAdmit(
                commit.ref, sequence: header.sequence,
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
                self.tally.throttled += commit.part.count - verdict.admitted
                self.refuse(
                    commit, from: verdict.admitted, .throughputExceeded,
                    RetryAfter.putVerdict(nanos: verdict.waitNanos), header, &ordered)
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

    func record(_ commit: PartCommit, _ place: Int) -> PutRecord {
        let position = commit.part.first + place
        return self.scratch.records[commit.part.body.isEmpty ? Int(self.order[position]) : position]
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
