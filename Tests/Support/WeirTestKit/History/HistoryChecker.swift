// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel

/// A rule that a history broke.
package struct Violation: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// Judges what a log tells its clients, against what they put into it. Pure: it is told what happened, in order.
///
/// The rules:
/// 1. What was acknowledged is there, at the shard and index that the acknowledgement named, with the same bytes and
///    arrival, once for each acknowledgement, until it is hidden by retention, trim or deletion.
/// 2. What was read once counts as acknowledged: no crash takes it back, and nothing is read before it is durable.
/// 3. An index is never given twice to what anybody was told of; the records of a shard have no gap.
/// 4. The records of a partition key stand in the order in which they were put, also across splits and merges.
/// 5. A record whose outcome is unknown is there once or not at all.
package struct HistoryChecker: Sendable {
    /// What became of a put, as far as anybody was told.
    private enum Fate: Sendable {
        /// Admitted, not yet durable.
        case pending
        /// The write failed or the process ended: it may be there or not.
        case unknown
        /// Acknowledged, or read by somebody: it stays.
        case settled
        /// The put was told that it is not stored.
        case refused
    }

    private struct Entry: Sendable {
        let record: SimRecord
        let shard: ShardRef
        let index: UInt64
        let arrivalMillis: Int64
        /// The true time of its arrival, or its stamp where that is lower.
        let bornMillis: Int64
        let lsn: UInt64
        var fate = Fate.pending
    }

    private struct Slot: Sendable {
        /// Records that were admitted at this index and may be there.
        var candidates: [Int] = []
        var settled: Int?
    }

    private struct Shard: Sendable {
        let creationSecond: UInt64
        let firstIndex: UInt64
        var slots: [Slot] = []
        /// The index after the last record that anybody was told of.
        var toldEnd: UInt64

        func position(_ index: UInt64) -> Int? {
            index >= self.firstIndex && index < self.firstIndex + UInt64(self.slots.count)
                ? Int(index - self.firstIndex) : nil
        }

        mutating func raise(toldEnd end: UInt64) { self.toldEnd = max(self.toldEnd, end) }
    }

    private struct Batch: Sendable {
        let lsn: UInt64
        let ids: Range<Int>
    }

    private var entries: [Entry] = []
    private var shards: [ShardRef: Shard] = [:]
    private var pending: [Batch] = []
    private var firstPending = 0
    /// The last commit that a size cap took.
    private var capped: [StreamID: UInt64] = [:]
    package private(set) var acknowledged = 0
    package private(set) var observed = 0

    package init() {}

    /// The number that the next record must carry.
    package var nextID: Int { self.entries.count }

    // MARK: Puts

    /// Records were admitted at consecutive indexes, as one batch or a part of one.
    package mutating func admitted(
        _ records: [SimRecord], to shard: ShardRef, creationSecond: UInt64, shardFirstIndex: UInt64, at first: UInt64,
        arrivalMillis: Int64, bornMillis: Int64? = nil, lsn: UInt64
    ) throws(Violation) {
        let start = self.entries.count
        // Taken out while it changes, so that its slots are not copied.
        var state =
            self.shards.removeValue(forKey: shard)
            ?? Shard(creationSecond: creationSecond, firstIndex: shardFirstIndex, toldEnd: shardFirstIndex)
        guard state.creationSecond == creationSecond, state.firstIndex == shardFirstIndex else {
            throw Violation("\(shard) changed its first index or creation second")
        }
        guard first >= state.toldEnd else {
            throw Violation("\(shard) gives index \(first) again: up to \(state.toldEnd) they were told of")
        }
        let base = Int(first - state.firstIndex)
        guard base <= state.slots.count else {
            throw Violation(
                "\(shard) leaves a gap: index \(first) after \(state.firstIndex + UInt64(state.slots.count))")
        }
        for (offset, record) in records.enumerated() {
            precondition(record.id == self.entries.count, "record numbers count up")
            self.entries.append(
                Entry(
                    record: record, shard: shard, index: first + UInt64(offset), arrivalMillis: arrivalMillis,
                    bornMillis: min(arrivalMillis, bornMillis ?? arrivalMillis), lsn: lsn))
            if base + offset == state.slots.count { state.slots.append(Slot()) }
            state.slots[base + offset].candidates.append(record.id)
        }
        self.shards[shard] = state
        self.pending.append(Batch(lsn: lsn, ids: start..<self.entries.count))
    }

    /// A record was refused: nobody ever reads it.
    package mutating func refused(_ record: SimRecord) {
        precondition(record.id == self.entries.count, "record numbers count up")
        let nowhere = ShardRef(stream: StreamID(0), shard: ShardNumber(0))
        self.entries.append(
            Entry(record: record, shard: nowhere, index: 0, arrivalMillis: 0, bornMillis: 0, lsn: 0, fate: .refused))
    }

    /// Whether the record was told to be durable, or was read.
    package func isSettled(_ id: Int) -> Bool { self.entries[id].fate == .settled }

    /// Everything up to this LSN was told to be durable: its puts are acknowledged.
    package mutating func durable(_ lsn: UInt64) throws(Violation) {
        while self.firstPending < self.pending.count, self.pending[self.firstPending].lsn <= lsn {
            for id in self.pending[self.firstPending].ids {
                self.acknowledged += 1
                try self.settle(id)
            }
            self.firstPending += 1
        }
    }

    /// The process ended or a write failed: what was not acknowledged is there or not, nobody knows.
    package mutating func lostTrack() {
        for batch in self.pending[self.firstPending...] {
            for id in batch.ids { self.entries[id].fate = .unknown }
        }
        self.pending.removeAll()
        self.firstPending = 0
    }

    private mutating func settle(_ id: Int) throws(Violation) {
        let entry = self.entries[id]
        guard entry.fate != .settled else { return }
        guard let position = self.shards[entry.shard]?.position(entry.index) else { return }
        if let other = self.shards[entry.shard]?.slots[position].settled {
            throw Violation("\(entry.shard) has record \(id) and record \(other), both at index \(entry.index)")
        }
        self.shards[entry.shard]?.slots[position] = Slot(candidates: [id], settled: id)
        self.shards[entry.shard]?.raise(toldEnd: entry.index + 1)
        self.entries[id].fate = .settled
    }

    // MARK: Reads

    /// A record was read.
    package mutating func read(_ view: RecordView, of shard: ShardRef, at index: UInt64, arrivalMillis: Int64)
        throws(Violation)
    {
        self.observed += 1
        guard let id = SimRecord.id(in: view.data), id < self.entries.count else {
            throw Violation("\(shard) returns at index \(index) a record that nobody put")
        }
        let entry = self.entries[id]
        guard entry.fate != .refused else { throw Violation("\(shard) holds record \(id), which was refused") }
        guard entry.record.matches(view) else {
            throw Violation("\(shard) returns at index \(index) other bytes than those of record \(id)")
        }
        guard entry.shard == shard, entry.index == index, entry.arrivalMillis == arrivalMillis else {
            throw Violation(
                "record \(id) was put to \(entry.shard) at index \(entry.index), arrival \(entry.arrivalMillis), "
                    + "and is read from \(shard) at \(index), arrival \(arrivalMillis)")
        }
        guard entry.fate != .pending else {
            throw Violation("record \(id), index \(index) of \(shard), is read before it is durable")
        }
        if let position = self.shards[shard]?.position(index),
            let settled = self.shards[shard]?.slots[position].settled,
            settled != id
        {
            throw Violation("\(shard) returns at index \(index) record \(id); it was told to be record \(settled)")
        }
        try self.settle(id)
    }

    /// A reader was told that the shard ends, for now, at this index.
    package mutating func toldEnd(_ end: UInt64, of shard: ShardRef) throws(Violation) {
        guard let state = self.shards[shard] else { return }
        guard end >= state.toldEnd else {
            throw Violation("\(shard) ends at \(end); it was told to end at \(state.toldEnd)")
        }
        self.shards[shard]?.toldEnd = end
    }

    /// Everything that is visible of a shard was read, `indexes`. What arrived at or after `visibleFrom` must be there,
    /// what arrived before `hiddenBefore` must not, and of what a size cap took up to the commit `capped` either.
    package func audited(
        _ shard: ShardRef, indexes: Range<UInt64>, visibleFrom: Int64, hiddenBefore: Int64, capped: UInt64 = 0
    ) throws(Violation) {
        guard let state = self.shards[shard] else { return }
        for (position, slot) in state.slots.enumerated() {
            guard let id = slot.settled else { continue }
            let index = state.firstIndex + UInt64(position)
            let arrival = self.entries[id].arrivalMillis
            if indexes.contains(index) {
                guard arrival >= hiddenBefore else {
                    throw Violation(
                        "record \(id), index \(index) of \(shard), arrived at \(arrival) and is hidden before "
                            + "\(hiddenBefore), but it is read")
                }
            } else if arrival >= visibleFrom, self.entries[id].lsn > capped {
                throw Violation(
                    "record \(id), index \(index) of \(shard), was acknowledged or read before and is gone: "
                        + "\(indexes.lowerBound)..<\(indexes.upperBound) can be read")
            }
        }
    }

    /// Everything that is visible of a shard was read, `indexes`. What was born at or after `bornFrom`, by the truth
    /// and by no clock of the node, must be there, unless a size cap took it, up to the commit `capped`.
    package func mustShow(
        _ shard: ShardRef, indexes: Range<UInt64>, bornFrom: Int64, capped: UInt64
    ) throws(Violation) {
        guard let state = self.shards[shard] else { return }
        for (position, slot) in state.slots.enumerated() {
            guard let id = slot.settled, self.entries[id].bornMillis >= bornFrom, self.entries[id].lsn > capped,
                !indexes.contains(state.firstIndex + UInt64(position))
            else { continue }
            throw Violation(
                "record \(id), index \(state.firstIndex + UInt64(position)) of \(shard), came at "
                    + "\(self.entries[id].bornMillis) and is kept from \(bornFrom) on, by the true time, and is gone "
                    + "although the clock is right: \(indexes.lowerBound)..<\(indexes.upperBound) can be read")
        }
    }

    /// The size cap of a stream has taken what lies up to the commit `lsn`. When that is more than before, it must have
    /// left `least` bytes of what was put behind it.
    package mutating func sizeCap(of stream: StreamID, tookUpTo lsn: UInt64, leaving least: Int64) throws(Violation) {
        guard lsn > self.capped.updateValue(lsn, forKey: stream) ?? 0 else { return }
        // A record's frame and key, and those of its group when it is alone in it.
        let overhead = 256
        let left = self.entries.reduce(0) {
            $0 + ($1.lsn > lsn && $1.shard.stream == stream ? Int64($1.record.length + overhead) : 0)
        }
        guard left >= least else {
            throw Violation("the size cap of \(stream) left \(left) of the newest bytes, and must leave \(least)")
        }
    }

    /// The shards of which anybody was told something.
    package var knownShards: [ShardRef] {
        self.shards.keys.sorted { ($0.stream, $0.shard) < ($1.stream, $1.shard) }
    }

    /// A process began with these shards: what nobody was told of may never have been.
    package mutating func begin(with exists: (ShardRef) -> Bool) {
        for (ref, shard) in self.shards where shard.toldEnd == shard.firstIndex && !exists(ref) {
            self.shards[ref] = nil
        }
    }

    /// A reader asked for what arrived at or after `millis` and was sent to `index`.
    package func soughtTime(
        _ millis: Int64, of shard: ShardRef, got index: UInt64, visibleFrom: Int64, capped: UInt64 = 0
    ) throws(Violation) {
        guard let state = self.shards[shard] else { return }
        for (position, slot) in state.slots.enumerated() {
            guard let id = slot.settled else { continue }
            let at = state.firstIndex + UInt64(position)
            let arrival = self.entries[id].arrivalMillis
            if at < index, arrival >= max(millis, visibleFrom), self.entries[id].lsn > capped {
                throw Violation(
                    "a reader of \(shard) from \(millis) ms is sent to \(index); \(at) arrived at \(arrival)")
            }
            if at == index, arrival < millis {
                throw Violation(
                    "a reader of \(shard) from \(millis) ms is sent to \(index), which arrived at \(arrival)")
            }
        }
    }

    /// The stream was deleted, as somebody wanted: nothing is expected of it any more.
    package mutating func forget(_ stream: StreamID) {
        for shard in self.knownShards where shard.stream == stream { self.shards[shard] = nil }
    }

    // MARK: Order

    /// Whether the records of each partition key stand in the order in which they were put: their shard's creation
    /// second and index rise, as sequence numbers do along a lineage.
    package func checkOrder() throws(Violation) {
        struct Last { let id: Int, second: UInt64, index: UInt64, shard: ShardRef }
        struct Key: Hashable { let stream: StreamID, key: Int }
        var last: [Key: Last] = [:]
        for (id, entry) in self.entries.enumerated() where entry.fate == .settled {
            guard let shard = self.shards[entry.shard] else { continue }
            let key = Key(stream: entry.shard.stream, key: entry.record.key)
            let now = Last(id: id, second: shard.creationSecond, index: entry.index, shard: entry.shard)
            if let before = last[key], (before.second, before.index) >= (now.second, now.index) {
                throw Violation(
                    "\(entry.record.partitionKey): record \(before.id) stands at \(before.shard), "
                        + "second \(before.second), index \(before.index); record \(now.id), put later, at "
                        + "\(now.shard), second \(now.second), index \(now.index)")
            }
            last[key] = now
        }
    }
}
