// SPDX-License-Identifier: Apache-2.0
import WeirEngine
import WeirModel
import WeirProtocol

/// What a server does with puts, as a plain model: open shards that split and merge, random throttling, the rule of
/// ordered puts, commits that fail. Takes and gives bytes of the real forms.
struct ModelServer {
    struct Shard {
        let number: ShardNumber
        let range: HashKeyRange
        let ancestors: [ShardNumber]
        var isOpen = true
        /// Ids of the stored records by index; `nil` where a failed commit left a hole.
        var records: [UInt64?] = []
    }

    /// A stored copy of a record.
    struct Copy: Hashable {
        let id: UInt64
        let shard: ShardNumber
        let index: UInt64
        /// Counts all copies, so also across shards.
        let order: Int
    }

    /// Bad luck; all off when the simulation winds down.
    struct Faults {
        var throttleOneIn = 4
        var poisonOneIn = 0
        var refuseWholeOneIn = 20
        /// A server that forgets the rule of ordered puts.
        var forgetsOrder = false
    }

    /// A put that was carried out and not answered.
    struct Pending {
        let correlation: UInt64
        let copies: [Copy]
        let sequence: UInt64
        let entries: [PutEntry]
        let routed: [Int]
        /// Cannot be lost any more: a later one was answered, and what is durable is so in order.
        var isDurable = false

        var storesSomething: Bool { !self.copies.isEmpty }
    }

    static let stream = StreamID(7)
    private(set) var shards: [Shard] = []
    private(set) var mapVersion: UInt64 = 1
    private(set) var pending: [Pending] = []
    private(set) var copies: [Copy] = []
    private var ordered = OrderedPuts()
    private var copyCount = 0
    var faults = Faults()
    /// Versions of the map so far, for stale answers.
    private(set) var maps: [ShardMap] = []

    init(shards count: Int) {
        for (number, range) in HashKeyRange.tiling(count).enumerated() {
            self.shards.append(Shard(number: ShardNumber(UInt32(number)), range: range, ancestors: []))
        }
        self.rememberMap()
    }

    // MARK: Shards

    private var open: [Shard] { self.shards.filter(\.isOpen).sorted { $0.range.lower < $1.range.lower } }

    private mutating func rememberMap() {
        self.maps.append(
            ShardMap(
                stream: Self.stream, version: self.mapVersion,
                open: self.open.map {
                    ShardDescription(
                        number: $0.number, range: $0.range, parents: [], creationSecond: UInt64($0.number.rawValue),
                        firstIndex: 0, createdAtMillis: 0, closed: nil)
                }))
    }

    mutating func split(using dice: inout SeededGenerator) {
        let shard = self.open[dice.below(self.open.count)]
        guard self.open.count < 40, shard.range.upper.value - shard.range.lower.value > 8 else { return }
        let middle = shard.range.lower.value + (shard.range.upper.value - shard.range.lower.value) / 2
        self.replace(
            [shard],
            by: [
                HashKeyRange(shard.range.lower, HashKey(middle)),
                HashKeyRange(HashKey(middle + 1), shard.range.upper),
            ])
    }

    mutating func merge(using dice: inout SeededGenerator) {
        guard self.open.count > 1 else { return }
        let position = dice.below(self.open.count - 1)
        let (low, high) = (self.open[position], self.open[position + 1])
        self.replace([low, high], by: [HashKeyRange(low.range.lower, high.range.upper)])
    }

    private mutating func replace(_ parents: [Shard], by ranges: [HashKeyRange]) {
        for parent in parents { self.shards[Int(parent.number.rawValue)].isOpen = false }
        let ancestors = Set(parents.flatMap { $0.ancestors + [$0.number] }).sorted()
        for range in ranges {
            self.shards.append(
                Shard(number: ShardNumber(UInt32(self.shards.count)), range: range, ancestors: ancestors))
        }
        self.mapVersion += 1
        self.rememberMap()
    }

    // MARK: Puts

    /// A new connection: what was under way on the older one is gone for good.
    mutating func connect() {
        self.ordered = OrderedPuts()
        self.pending = []
    }

    /// Carries out the put in `frame`. Returns an answer when there is one at once; otherwise it is pending.
    mutating func receive(_ frame: [UInt8], using dice: inout SeededGenerator) throws -> (UInt64, [UInt8])? {
        try frame.withUnsafeBytes { raw in
            let header = try FrameHeader(reading: raw)
            let put = try PutRecordsView(payload: raw.slice(FrameHeader.bytes, header.length))
            if self.faults.refuseWholeOneIn > 0, dice.oneIn(self.faults.refuseWholeOneIn) {
                self.ordered.skipped()
                let error = WeirError(
                    .unavailable, "no memory", verdict: .init(maybeStored: false, retry: .after(millis: 1)))
                return (header.correlation, ErrorAnswer(error: error).frame(correlation: header.correlation))
            }
            try self.ordered.begin(sequence: put.header.sequence, seenThrough: put.header.seenThrough)
            var round = Round()
            for group in put.groups {
                if let shard = group.shard {
                    try self.putGroup(shard, group.body, put.header, &round, using: &dice)
                } else {
                    try self.putRouted(group.body, put.header, &round, using: &dice)
                }
            }
            self.copies += round.copies
            self.pending.append(
                Pending(
                    correlation: header.correlation, copies: round.copies, sequence: put.header.sequence,
                    entries: round.entries, routed: round.routed))
            return nil
        }
    }

    private struct Round {
        var copies: [Copy] = []
        var entries: [PutEntry] = []
        var routed: [Int] = []
    }

    private func id(of record: RecordView) -> UInt64 { record.data.integer(UInt64.self, at: 0) }

    private mutating func putGroup(
        _ number: ShardNumber, _ body: UnsafeRawBufferPointer, _ put: PutRecords.Header, _ round: inout Round,
        using dice: inout SeededGenerator
    ) throws {
        let header = try BatchBody.header(of: body)
        guard BatchBody.checksumMatches(body, header) else { throw MalformedBytes("a checksum does not match") }
        var cursor = RecordCursor(records: body.slice(BatchBody.headerBytes, header.recordsLength))
        var ids: [UInt64] = []
        var fits = self.shards[Int(number.rawValue)].isOpen
        while let record = try cursor.next() {
            ids.append(self.id(of: record))
            fits = fits && self.shards[Int(number.rawValue)].range.contains(HashKey(hashing: record.key))
        }
        guard ids.count == header.count else { throw MalformedBytes("a batch with a wrong count") }
        guard fits else { return self.refuse(number, ids.count, .wrongShard, put, &round) }
        self.admit(number, ids, put, &round, using: &dice)
    }

    private mutating func admit(
        _ number: ShardNumber, _ ids: [UInt64], _ put: PutRecords.Header, _ round: inout Round,
        using dice: inout SeededGenerator
    ) {
        let shard = self.shards[Int(number.rawValue)]
        guard
            self.faults.forgetsOrder
                || self.ordered.mayAdmit(
                    ShardRef(stream: Self.stream, shard: number), sequence: put.sequence, seenThrough: put.seenThrough,
                    ancestors: { shard.ancestors })
        else { return self.refuse(number, ids.count, .behind, put, &round) }
        if self.faults.poisonOneIn > 0, dice.oneIn(self.faults.poisonOneIn) {
            return self.refuse(number, ids.count, .recordTooLarge, put, &round)
        }
        var admitted = ids.count
        if self.faults.throttleOneIn > 0, dice.oneIn(self.faults.throttleOneIn) { admitted = dice.below(ids.count + 1) }
        if admitted > 0 {
            let first = UInt64(shard.records.count)
            for (offset, id) in ids[..<admitted].enumerated() {
                round.copies.append(self.copy(id, number, first + UInt64(offset)))
            }
            self.shards[Int(number.rawValue)].records += ids[..<admitted].map { $0 }
            round.entries.append(
                PutEntry(
                    shard: number, count: UInt32(admitted),
                    outcome: .stored(
                        .init(
                            firstIndex: first, arrivalMillis: 1_000_000,
                            shardCreationSecond: UInt64(number.rawValue)))))
        }
        if admitted < ids.count {
            let code: WeirError.Code = dice.oneIn(5) ? .storageFull : .throughputExceeded
            let verdict = WeirError.Verdict(maybeStored: false, retry: .after(millis: UInt32(dice.below(5))))
            self.ordered.refused(ShardRef(stream: Self.stream, shard: number), sequence: put.sequence)
            round.entries.append(
                PutEntry(shard: number, count: UInt32(ids.count - admitted), refused: code, verdict: verdict))
        }
    }

    private mutating func copy(_ id: UInt64, _ shard: ShardNumber, _ index: UInt64) -> Copy {
        self.copyCount += 1
        return Copy(id: id, shard: shard, index: index, order: self.copyCount)
    }

    private mutating func refuse(
        _ number: ShardNumber, _ count: Int, _ code: WeirError.Code, _ put: PutRecords.Header, _ round: inout Round
    ) {
        self.ordered.refused(ShardRef(stream: Self.stream, shard: number), sequence: put.sequence)
        round.entries.append(PutEntry(shard: number, count: UInt32(count), refused: code))
    }

    private mutating func putRouted(
        _ body: UnsafeRawBufferPointer, _ put: PutRecords.Header, _ round: inout Round,
        using dice: inout SeededGenerator
    ) throws {
        let header = try BatchBody.header(of: body)
        var cursor = RecordCursor(records: body.slice(BatchBody.headerBytes, header.recordsLength))
        var members: [ShardNumber: [Int]] = [:]
        var ids: [UInt64] = []
        while let record = try cursor.next() {
            let key = record.explicitHashKey ?? HashKey(hashing: record.key)
            guard let shard = self.open.first(where: { $0.range.contains(key) }) else {
                throw MalformedBytes("no shard takes a key")
            }
            members[shard.number, default: []].append(ids.count)
            ids.append(self.id(of: record))
        }
        round.routed = [Int](repeating: 0, count: ids.count)
        for (number, positions) in members.sorted(by: { $0.key < $1.key }) {
            let firstEntry = round.entries.count
            self.admit(number, positions.map { ids[$0] }, put, &round, using: &dice)
            var next = 0
            for entry in firstEntry..<round.entries.count {
                for _ in 0..<round.entries[entry].count {
                    round.routed[positions[next]] = entry
                    next += 1
                }
            }
        }
    }

    // MARK: Answers

    /// Answers the pending put at `position`.
    mutating func answer(_ position: Int) -> (UInt64, [UInt8]) {
        let put = self.pending.remove(at: position)
        for earlier in 0..<position { self.pending[earlier].isDurable = true }
        var writer = PutRecordsAnswerWriter(
            mapVersion: self.mapVersion, entries: put.entries.count, records: put.routed.count)
        for entry in put.entries { writer.append(entry) }
        for entry in put.routed { writer.appendRecord(inEntry: entry) }
        return (put.correlation, writer.finish(correlation: put.correlation))
    }

    /// A commit fails: of the pending puts the first few are stored all the same, the others are not; all are answered
    /// with an unknown outcome.
    mutating func failCommit(using dice: inout SeededGenerator) -> [(UInt64, [UInt8])] {
        let durable = self.pending.prefix { $0.isDurable }.count
        let kept = durable + dice.below(self.pending.count - durable + 1)
        var answers: [(UInt64, [UInt8])] = []
        for (position, put) in self.pending.enumerated() where position >= durable {
            if position >= kept {
                for copy in put.copies {
                    self.shards[Int(copy.shard.rawValue)].records[Int(copy.index)] = nil
                }
                let lost = Set(put.copies)
                self.copies.removeAll { lost.contains($0) }
            }
            var writer = PutRecordsAnswerWriter(
                mapVersion: self.mapVersion, entries: put.entries.count, records: put.routed.count)
            for entry in put.entries {
                guard case .stored = entry.outcome else {
                    writer.append(entry)
                    continue
                }
                self.ordered.refused(ShardRef(stream: Self.stream, shard: entry.shard), sequence: put.sequence)
                writer.append(PutEntry(shard: entry.shard, count: entry.count, refused: .outcomeUnknown))
            }
            for entry in put.routed { writer.appendRecord(inEntry: entry) }
            answers.append((put.correlation, writer.finish(correlation: put.correlation)))
        }
        self.pending.removeSubrange(durable...)
        return answers
    }
}
