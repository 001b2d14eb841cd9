// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

extension Simulation {
    private var streams: [StreamState] { self.core.catalog.streams(after: nil, limit: .max) }

    // MARK: Puts

    /// A client puts records of a few keys: grouped by shard by itself, or routed by the server.
    func put() throws(Violation) {
        guard !self.streams.isEmpty else { return try self.create() }
        let stream = self.random.pick(self.streams)
        let count = self.random.within(1...self.plan.recordsMax)
        let way = self.random.below(3)
        guard way > 0 else { return try self.putRouted(count, to: stream) }
        let staged = way == 1
        var groups: [(shard: ShardNumber, keys: [Int])] = []
        for _ in 0..<count {
            let key = self.random.below(self.plan.keys)
            let shard = stream.map.shard(for: HashKey(partitionKey: "key-\(key)")).number
            if let position = groups.firstIndex(where: { $0.shard == shard }) {
                groups[position].keys.append(key)
            } else {
                groups.append((shard, [key]))
            }
        }
        for group in groups {
            try self.put(group.keys, to: ShardRef(stream: stream.id, shard: group.shard), staged: staged)
        }
    }

    /// The server routes each record; all lie in one commit.
    private func putRouted(_ count: Int, to stream: StreamState) throws(Violation) {
        let open = self.core.openShards(of: stream)
        let outcome = RoutedOutcome()
        var builder = BatchBodyBuilder()
        var records: [SimRecord] = []
        var lengths: [Int] = []
        for _ in 0..<count {
            let record = SimRecord(
                id: self.checker.nextID + records.count, key: self.random.below(self.plan.keys),
                length: self.recordLength())
            let before = builder.recordsLength
            record.append(to: &builder)
            lengths.append(builder.recordsLength - before)
            records.append(record)
        }
        let body = builder.finish()
        let result: Result<LSN, WeirError> = body.withUnsafeBytes { raw in
            var position = BatchBody.headerBytes
            var routed: [RoutedRecord] = []
            for (record, length) in zip(records, lengths) {
                let shard = stream.map.position(of: record.hashKey)
                routed.append(
                    RoutedRecord(
                        bytes: raw.baseAddress! + position, length: UInt32(length), payload: UInt32(length), hash: 0,
                        shard: Int32(shard)))
                position += length
            }
            do throws(WeirError) {
                return .success(
                    try self.core.appendRouted(
                        routed, count: count, bytes: position - BatchBody.headerBytes, to: open, outcome: outcome,
                        nowMillis: self.now))
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success(let lsn): try self.admit(records, routed: outcome, to: stream, lsn)
        case .failure(let error): try self.refused(error, stream.id.description)
        }
    }

    private func admit(
        _ records: [SimRecord], routed outcome: RoutedOutcome, to stream: StreamState, _ lsn: LSN
    ) throws(Violation) {
        var taken = [UInt64](repeating: 0, count: outcome.entries.count)
        self.trace.note("put \(records.count) routed to \(stream.id), \(lsn)")
        for (place, record) in records.enumerated() {
            let number = Int(outcome.recordEntries[place])
            let entry = outcome.entries[number]
            let ref = ShardRef(stream: stream.id, shard: ShardNumber(entry.shard))
            guard let shard = self.core.shard(ref), shard.creationSecond == entry.creationSecond else {
                throw Violation("a routed put names \(ref), which the log does not know so")
            }
            try self.checker.admitted(
                [record], to: ref, creationSecond: shard.creationSecond, shardFirstIndex: shard.firstIndex,
                at: entry.firstIndex + taken[number], arrivalMillis: entry.arrivalMillis, bornMillis: self.truth,
                lsn: lsn.rawValue)
            taken[number] += 1
        }
        for (entry, count) in zip(outcome.entries, taken) where UInt64(entry.count) != count {
            throw Violation("a routed put counts \(entry.count) records for a shard that took \(count)")
        }
    }

    private func refused(_ error: WeirError, _ what: String) throws(Violation) {
        self.trace.note("put to \(what) refused: \(error)")
        guard [.unavailable, .storageFull].contains(error.code) else {
            throw Violation("a put to \(what) is refused: \(error)")
        }
        if error.code == .storageFull { self.tally.full += 1 }
    }

    private func put(_ keys: [Int], to ref: ShardRef, staged: Bool) throws(Violation) {
        guard let shard = self.core.shard(ref) else {
            throw Violation("\(ref) is in the shard map, and the log does not know it")
        }
        var builder = BatchBodyBuilder()
        var records: [SimRecord] = []
        for key in keys {
            let length = self.recordLength()
            records.append(SimRecord(id: self.checker.nextID + records.count, key: key, length: length))
            records[records.count - 1].append(to: &builder)
        }
        let body = builder.finish()
        let result: Result<Appended, WeirError> = body.withUnsafeBytes { raw in
            do throws(WeirError) {
                if staged {
                    return .success(
                        try self.core.appendRecords(
                            shard, records: raw.slice(BatchBody.headerBytes, raw.count - BatchBody.headerBytes),
                            count: records.count, nowMillis: self.now))
                }
                return .success(
                    try self.core.append(shard, body: raw, count: records.count, nowMillis: self.now))
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success(let appended):
            self.trace.note(
                "put \(records.count) \(staged ? "staged" : "grouped"), \(body.count) bytes, to \(ref) at "
                    + "\(appended.firstIndex), \(appended.lsn)")
            try self.checker.admitted(
                records, to: ref, creationSecond: shard.creationSecond, shardFirstIndex: shard.firstIndex,
                at: appended.firstIndex, arrivalMillis: appended.arrivalMillis, bornMillis: self.truth,
                lsn: appended.lsn.rawValue)
        case .failure(let error): try self.refused(error, ref.description)
        }
    }

    // MARK: Reads

    func read() throws(Violation) {
        guard let ref = self.anyShard() else { return }
        let end = self.core.shard(ref)?.durableEnd ?? 0
        let drawn = UInt64(self.random.below(Int(end) + 3))
        // One that is going has its end elsewhere.
        let index = self.core.shard(ref) == nil ? 0 : drawn
        guard index <= end else { return try self.readBeyondEnd(ref, from: index) }
        let result = try self.readOnce(
            ref, from: index, maxBytes: self.random.pick([1, 500, 10_000, 1 << 20]),
            maxRecords: self.random.pick([1, 3, 10_000]))
        guard let result else { return }
        self.trace.note(
            "read \(ref) from \(index): \(result.firstIndex)..<\(result.nextIndex) of \(result.durableEnd), "
                + "\(result.missed) missed\(result.endOfShard == nil ? "" : ", its end")")
        guard result.recordCount > 0 || result.nextIndex >= result.durableEnd else {
            throw Violation("a reader of \(ref) gets nothing at \(result.nextIndex) of \(result.durableEnd)")
        }
        if self.breakage == .showsTooEarly, let shard = self.core.shard(ref) {
            try self.checker.toldEnd(shard.nextIndex, of: ref)
        }
        for child in result.endOfShard ?? []
        where self.told.shard(ShardRef(stream: ref.stream, shard: child.number)) != child {
            guard self.told.shard(ShardRef(stream: ref.stream, shard: child.number)) != nil else { continue }
            throw Violation("the end of \(ref) names \(child.number) in a state that is not durable")
        }
    }

    private func readBeyondEnd(_ ref: ShardRef, from index: UInt64) throws(Violation) {
        let request = ReadRequest(shard: ref, fromIndex: index, maxRecords: 1, maxBytes: 1, nowMillis: self.now)
        guard case .success = self.readNow(request) else { return }
        throw Violation("a read of \(ref) begins at index \(index), beyond its end")
    }

    private func anyShard() -> ShardRef? {
        let streams = self.told.streams(after: nil, limit: .max) + self.streams
        guard !streams.isEmpty else { return nil }
        let stream = self.random.pick(streams)
        return ShardRef(stream: stream.id, shard: self.random.pick(stream.shards.map(\.number)))
    }

    func resolve() throws(Violation) {
        guard let ref = self.anyShard(), let stream = self.told.stream(ref.stream), let shard = self.told.shard(ref),
            let state = self.core.shard(ref)
        else { return }
        let visibleFrom = self.visibleFrom(stream)
        let faults = self.faults
        func get(_ type: ShardIteratorType) throws(Violation) -> UInt64? {
            switch self.resolveNow(type, in: ref, nowMillis: self.now) {
            case .success(let index): return index
            case .failure(let error):
                if self.faults > faults || error.code == .streamDeleted { return nil }
                throw Violation("an iterator of \(ref) is refused: \(error)")
            }
        }
        switch self.random.below(3) {
        case 0:
            guard let index = try get(.latest) else { return }
            try self.checker.toldEnd(index, of: ref)
        case 1:
            guard let index = try get(.trimHorizon) else { return }
            try self.checker.soughtTime(0, of: ref, got: index, visibleFrom: visibleFrom, capped: stream.cappedPosition)
            // What expired, was trimmed or fell to a cap is missed by nobody who begins behind it.
            if let read = try self.readOnce(ref, from: index, maxBytes: 1), read.missed > 0 {
                throw Violation(
                    "a reader of \(ref) from the trim horizon is told that it missed \(read.missed) records")
            }
        default:
            let age = Int64(self.random.below(Int(max(1, self.now - shard.createdAtMillis)) + 1000))
            let millis = max(0, self.now - age)
            guard let index = try get(.atTimestamp(millis)) else { return }
            try self.checker.soughtTime(
                millis, of: ref, got: index, visibleFrom: visibleFrom, capped: stream.cappedPosition)
            guard index <= state.durableEnd else { throw Violation("\(ref) has no index \(index) yet") }
        }
    }

    // MARK: Commands

    func command() throws(Violation) {
        guard let stream = self.streams.isEmpty ? nil : self.random.pick(self.streams) else { return try self.create() }
        let open = stream.map.shards
        switch self.random.below(20) {
        case 0...1: try self.create()
        case 2:
            self.wantedDeleted.insert(stream.id)
            try self.submit(.deleteStream(stream.id))
        case 3...6: try self.submit(.splitShard(stream.id, self.random.pick(open).number, at: nil))
        case 7...9:
            guard open.count > 1 else { return }
            let position = self.random.below(open.count - 1)
            try self.submit(.mergeShards(stream.id, open[position].number, open[position + 1].number))
        case 10...11: try self.submit(.rescale(stream.id, to: self.random.within(1...8)))
        case 12...13:
            let hours = Int64(self.random.within(1...5))
            try self.submit(.updateStream(stream.id, StreamChanges(retentionMillis: hours * 3_600_000)))
        case 14...15:
            let before = self.now - Int64(self.random.below(1_800_000))
            try self.submit(.trimStream(stream.id, beforeMillis: before))
        case 16...17:
            let cap: Int64?? = self.random.chance(1, of: 3) ? .some(nil) : .some(Int64(1 << 20))
            try self.submit(.updateStream(stream.id, StreamChanges(maxBytes: cap)))
        default: try self.submit(.rescale(stream.id, to: open.count))
        }
    }

    private func create() throws(Violation) {
        self.nextName += 1
        guard let name = try? StreamName("stream-\(self.nextName % 7)") else { return }
        let settings = StreamSettings(
            retentionMillis: Int64(self.random.within(1...3)) * 3_600_000,
            maxBytes: self.random.chance(1, of: 3) || self.plan.hasCaps ? 1 << 20 : nil, limits: .open)
        try self.submit(.createStream(name: name, shards: self.random.within(1...4), settings: settings))
    }

    func submit(_ command: CatalogCommand) throws(Violation) {
        let before = self.leasesBefore
        defer { self.noteLeases(since: before) }
        do throws(WeirError) {
            self.core.watchClock(self.moment)
            self.noteGivenUp(command)
            let submitted = try self.core.submit(command, nowMillis: self.now)
            self.trace.note("\(command): \(submitted.events.count) events, \(submitted.lsn)")
            if submitted.events.contains(where: \.changesRouting) { self.tally.reshards += 1 }
        } catch {
            self.trace.note("\(command) refused: \(error)")
            guard ![.internalFailure, .damaged].contains(error.code) else { throw Violation("\(command): \(error)") }
        }
        self.noteCatalog()
    }
}
