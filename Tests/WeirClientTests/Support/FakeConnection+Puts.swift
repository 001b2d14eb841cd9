// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

@testable import WeirClient

extension FakeConnection {
    func put(_ payload: UnsafeRawBufferPointer, _ correlation: UInt64) throws(WeirError) {
        let put: PutRecordsView
        do {
            put = try PutRecordsView(payload: payload)
        } catch {
            throw WeirError(.malformedRequest, error.description)
        }
        let (ask, number) = self.node.state.withLock { state in
            state.putCount += 1
            if put.isRoutedByServer { state.routedPuts += 1 } else { state.groupedPuts += 1 }
            return (state.script, state.putCount)
        }
        let script = ask(number)
        var admit = Int.max
        var retryAfter: UInt32 = 1
        switch script {
        case .refuse(let error):
            self.state.withLock { $0.ordered.skipped() }
            throw error
        case .throttle(let count, let millis): (admit, retryAfter) = (count, millis)
        case .cut(storing: false): return self.way.close()
        case .store, .silence, .wrongAnswer, .cut: break
        }
        let header = put.header
        if header.sequence > 0 {
            var refusal: WeirError?
            self.state.withLock { state in
                do throws(WeirError) {
                    try state.ordered.begin(sequence: header.sequence, seenThrough: header.seenThrough)
                } catch {
                    refusal = error
                }
            }
            if let refusal { throw refusal }
        }
        var answer = Answer()
        for group in put.groups {
            let records = Self.records(of: group.body)
            for (shard, positions) in self.targets(group.shard, records, header.stream) {
                let bytes = positions.map { records[$0].bytes }
                self.admit(shard, bytes, header, admit: admit, retryAfter: retryAfter, into: &answer)
                if group.shard == nil { answer.assign(positions) }
            }
        }
        switch script {
        case .cut: self.way.close()
        case .silence: break
        case .wrongAnswer: self.send(Ping.answerFrame(PingAnswer(serverTimeMillis: 5000), correlation: correlation))
        default:
            let version = self.node.state.withLock { $0.streams[header.stream]?.description.mapVersion ?? 0 }
            var writer = PutRecordsAnswerWriter(
                mapVersion: version, entries: answer.entries.count, records: answer.routed.count)
            for entry in answer.entries { writer.append(entry) }
            for record in 0..<answer.routed.count { writer.appendRecord(inEntry: answer.routed[record] ?? 0) }
            self.send(writer.finish(correlation: correlation))
        }
        for connection in self.node.state.withLock({ $0.connections }) { connection.pushAll() }
    }

    struct Answer {
        var entries: [PutEntry] = []
        var routed: [Int: Int] = [:]
        private var firstEntry = 0

        /// The records at `positions` are in the entries that came since the last call.
        mutating func assign(_ positions: [Int]) {
            var left = positions[...]
            for entry in self.firstEntry..<self.entries.count {
                for position in left.prefix(Int(self.entries[entry].count)) { self.routed[position] = entry }
                left = left.dropFirst(Int(self.entries[entry].count))
            }
            self.firstEntry = self.entries.count
        }
    }

    private struct FakeRecord {
        let hash: HashKey
        let bytes: [UInt8]
    }

    private static func records(of body: UnsafeRawBufferPointer) -> [FakeRecord] {
        var records: [FakeRecord] = []
        var cursor = RecordCursor(records: body.slice(BatchBody.headerBytes, body.count - BatchBody.headerBytes))
        while let record = try? cursor.next() {
            records.append(
                FakeRecord(
                    hash: record.explicitHashKey ?? HashKey(hashing: record.key), bytes: [UInt8](record.bytes)))
        }
        return records
    }

    /// Positions of the records by shard.
    private func targets(
        _ shard: ShardNumber?, _ records: [FakeRecord], _ stream: StreamID
    ) -> [(ShardNumber, [Int])] {
        if let shard { return [(shard, Array(records.indices))] }
        let shards = self.node.state.withLock { $0.streams[stream]?.shards.map(\.description) ?? [] }
        var targets: [ShardNumber: [Int]] = [:]
        for (position, record) in records.enumerated() {
            if let shard = shards.first(where: { $0.isOpen && $0.range.contains(record.hash) }) {
                targets[shard.number, default: []].append(position)
            }
        }
        return targets.sorted { $0.key < $1.key }
    }

    private func admit(
        _ number: ShardNumber, _ records: [[UInt8]], _ put: PutRecords.Header, admit: Int, retryAfter: UInt32,
        into answer: inout Answer
    ) {
        func refuse(_ count: Int, _ code: WeirError.Code, _ verdict: WeirError.Verdict? = nil) {
            self.state.withLock { $0.ordered.refused(ShardRef(stream: put.stream, shard: number), sequence: put.sequence) }
            answer.entries.append(PutEntry(shard: number, count: UInt32(count), refused: code, verdict: verdict))
        }
        let stream = self.node.state.withLock { $0.streams[put.stream] }
        guard let stream, !stream.isDeleted else { return refuse(records.count, .streamDeleted) }
        guard stream.shards[Int(number.rawValue)].description.isOpen else { return refuse(records.count, .wrongShard) }
        let mayAdmit = self.state.withLock {
            $0.ordered.mayAdmit(
                ShardRef(stream: put.stream, shard: number), sequence: put.sequence, seenThrough: put.seenThrough,
                ancestors: { stream.shards[Int(number.rawValue)].description.parents })
        }
        guard mayAdmit else { return refuse(records.count, .behind) }
        let stored = records.prefix(admit)
        if !stored.isEmpty { answer.entries.append(self.store(Array(stored), put.stream, number)) }
        if stored.count < records.count {
            refuse(
                records.count - stored.count, .throughputExceeded,
                .init(maybeStored: false, retry: .after(millis: retryAfter)))
        }
    }

    private func store(_ records: [[UInt8]], _ id: StreamID, _ number: ShardNumber) -> PutEntry {
        var builder = BatchBodyBuilder()
        for record in records { record.withUnsafeBytes { builder.append(record: $0) } }
        let body = builder.finish()
        return self.node.state.withLock { state in
            guard var shard = state.streams[id]?.shards[Int(number.rawValue)] else {
                return PutEntry(shard: number, count: UInt32(records.count), refused: .streamDeleted)
            }
            let placement = Placement(
                stream: id, shard: number, firstIndex: shard.endIndex, count: records.count, arrivalMillis: 5000,
                bodyLength: body.count)
            var bytes = [UInt8](repeating: 0, count: Placement.bytes)
            bytes.withUnsafeMutableBytes { placement.write(to: $0) }
            shard.batches.append((placement, bytes + body))
            shard.endIndex = placement.endIndex
            state.streams[id]?.shards[Int(number.rawValue)] = shard
            return PutEntry(
                shard: number, count: UInt32(records.count),
                outcome: .stored(
                    .init(
                        firstIndex: placement.firstIndex, arrivalMillis: 5000,
                        shardCreationSecond: shard.description.creationSecond)))
        }
    }
}
