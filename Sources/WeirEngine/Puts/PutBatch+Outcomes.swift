// SPDX-License-Identifier: Apache-2.0
import WeirLog
import WeirModel
import WeirStorage

extension PutBatch {
    /// The first `count` records of the part, or all, are in the log.
    mutating func store(_ commit: PartCommit, _ appended: Appended, _ shard: ShardState, count: Int? = nil) {
        let stored = count ?? commit.part.count
        let entry = self.addEntry(commit, stored, appended, shard)
        self.mark(commit, 0..<stored, entry)
        let payload =
            stored == commit.part.count
            ? commit.part.payload : (0..<stored).reduce(0) { $0 + Int(self.record(commit, $1).payload) }
        self.count(stored, payload)
    }

    mutating func addEntry(_ commit: PartCommit, _ count: Int, _ appended: Appended, _ shard: ShardState) -> Int {
        self.requests[commit.request].mark = self.requests[commit.request].mark.joined(appended.mark)
        self.entries.append(
            PutEntry(
                shard: commit.ref.shard, count: UInt32(count),
                outcome: .stored(
                    PutEntry.Position(
                        firstIndex: appended.firstIndex, arrivalMillis: appended.arrivalMillis,
                        shardCreationSecond: shard.creationSecond))))
        return self.entries.count - 1
    }

    mutating func refuse(
        _ commit: PartCommit, from first: Int, _ code: WeirError.Code, _ verdict: WeirError.Verdict?,
        _ header: PutHeader, _ ordered: inout OrderedPuts
    ) {
        if header.sequence > 0 {
            ordered.refused(commit.ref, sequence: header.sequence)
        }
        self.entries.append(
            PutEntry(
                shard: commit.ref.shard, count: UInt32(commit.part.count - first), refused: code, verdict: verdict))
        self.mark(commit, first..<commit.part.count, self.entries.count - 1)
    }

    /// Notes which entry holds records of the part, for a put that the server routed.
    mutating func mark(_ commit: PartCommit, _ places: Range<Int>, _ entry: Int) {
        guard self.requests[commit.request].isRoutedByServer else { return }
        for place in places { self.mark(commit, place, entry) }
    }

    mutating func mark(_ commit: PartCommit, _ place: Int, _ entry: Int) {
        let request = self.requests[commit.request]
        let record = Int(self.order[commit.part.first + place]) - request.firstRecord
        self.recordEntries[request.firstRecordEntry + record] =
            UInt16(truncatingIfNeeded: entry - commit.firstEntry)
    }

    mutating func count(_ records: Int, _ payload: Int) {
        self.tally.records += records
        self.tally.bytes += payload
    }

    /// Some records in the middle were refused: the others are brought together and stored.
    mutating func storeSelected(
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
                refused: .throughputExceeded, verdict: RetryAfter.putVerdict(nanos: verdict.waitNanos)))
        for place in 0..<commit.part.count {
            self.mark(commit, place, verdict.selection[place] ? stored : stored + 1)
        }
        self.count(verdict.admitted, payload)
        self.tally.throttled += commit.part.count - verdict.admitted
    }
}
