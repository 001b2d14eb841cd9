// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

/// What an answer to GetRecords, or a push, holds.
struct ReadOut {
    struct Record: Hashable {
        let index: UInt64
        let key: String
        let data: String
        let dataBytes: Int
    }

    let header: RecordsHeader
    let records: [Record]
    /// Records in the batches, also those outside of what was asked for.
    let sentRecords: Int
    let subscription: UInt32?

    init(_ frame: RawClient.Frame) throws {
        if let error = frame.error { throw error }
        if frame.type == .subscriptionEnded { throw try frame.decode(SubscriptionEnded.self).error }
        let isPush = frame.type == .recordsPush
        var records: [Record] = []
        var sent = 0
        (self.header, self.subscription) = try frame.payload.withUnsafeBytes { raw in
            let push = isPush ? try RecordsPushView(payload: raw) : nil
            let view = try push?.records ?? RecordsView(payload: raw)
            try view.forEachRecord { index, _, record in
                records.append(
                    Record(
                        index: index, key: String(decoding: record.key, as: UTF8.self),
                        data: String(decoding: record.data.prefix(100), as: UTF8.self),
                        dataBytes: record.data.count))
            }
            var batches = view.batches
            while let batch = try batches.next() { sent += batch.placement.count }
            return (view.header, push?.subscription)
        }
        self.records = records
        self.sentRecords = sent
    }
}

extension RawClient {
    func iterator(
        _ stream: StreamID, _ shard: UInt32 = 0, _ start: ShardIteratorType = .trimHorizon
    ) throws -> [UInt8] {
        try self.call(
            GetShardIterator(stream: stream, shard: ShardNumber(shard), start: start), GetShardIteratorAnswer.self
        ).iterator
    }

    func read(
        _ iterator: [UInt8], limit: Int = Limits.getRecordsMax, maxBytes: Int = Limits.getBytesMax, wait: Int = 0
    ) throws -> ReadOut {
        try ReadOut(
            self.ask(
                GetRecords(
                    iterator: iterator, limit: UInt32(limit), maxBytes: UInt32(maxBytes), waitMillis: UInt32(wait))))
    }

    /// Everything from the trim horizon to the tip or the end of the shard.
    func readAll(_ stream: StreamID, _ shard: UInt32 = 0) throws -> [ReadOut.Record] {
        var records: [ReadOut.Record] = []
        var iterator: [UInt8]? = try self.iterator(stream, shard)
        while let next = iterator {
            let answer = try self.read(next)
            records += answer.records
            iterator = answer.records.isEmpty ? nil : answer.header.nextIterator
        }
        return records
    }

    func subscribe(
        _ stream: StreamID, _ shard: UInt32 = 0, _ start: ReadStart = .iterator(.trimHorizon),
        credit: UInt32 = 1 << 30
    ) throws -> UInt32 {
        try self.call(
            Subscribe(stream: stream, shard: ShardNumber(shard), start: start, creditBytes: credit),
            SubscribeAnswer.self
        ).subscription
    }

    func records() throws -> ReadOut { try ReadOut(self.push()) }
}
