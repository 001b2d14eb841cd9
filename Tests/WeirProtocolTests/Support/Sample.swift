// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

/// A whole frame with a name, and how to read it: what is decoded comes back as a frame, written from the decoded value
/// alone, so that equal frames mean an equal value. The same names stand in `docs/wire-protocol.md`.
struct Sample: Sendable, CustomStringConvertible {
    let name: String
    let frame: [UInt8]
    let recode: @Sendable (UnsafeRawBufferPointer) throws(MalformedBytes) -> [UInt8]

    var payload: [UInt8] { Array(self.frame.dropFirst(FrameHeader.bytes)) }
    var description: String { self.name }

    init(
        _ name: String, _ frame: [UInt8],
        recode: @escaping @Sendable (UnsafeRawBufferPointer) throws(MalformedBytes) -> [UInt8]
    ) {
        self.name = name
        self.frame = frame
        self.recode = recode
    }

    /// A message as the payload of a frame.
    init<Message: WireMessage>(_ name: String, _ message: Message, _ type: FrameType, correlation: UInt64) {
        self.init(name, message.frame(type, correlation: correlation)) { payload throws(MalformedBytes) in
            try Message(payload: payload).frame(type, correlation: correlation)
        }
    }

    init<Request: WireRequest>(_ name: String, _ request: Request, correlation: UInt64) {
        self.init(name, request, Request.type, correlation: correlation)
    }

    init<Push: WirePush>(_ name: String, push: Push) {
        self.init(name, push, Push.type, correlation: 0)
    }

    /// A frame that is given, read as a put.
    init(_ name: String, put frame: [UInt8], correlation: UInt64) {
        self.init(name, frame) { payload throws(MalformedBytes) in
            let view = try PutRecordsView(payload: payload)
            var writer = PutRecordsWriter(view.header)
            for group in view.groups { writer.append(shard: group.shard, body: group.body) }
            return writer.finish(correlation: correlation)
        }
    }

    init(_ name: String, putAnswer frame: [UInt8], correlation: UInt64) {
        self.init(name, frame) { payload throws(MalformedBytes) in
            let view = try PutRecordsAnswerView(payload: payload)
            var writer = PutRecordsAnswerWriter(
                mapVersion: view.mapVersion, entries: view.entryCount, records: view.recordCount)
            for position in 0..<view.entryCount { writer.append(view[position]) }
            for record in 0..<view.recordCount { writer.appendRecord(inEntry: view.entryPosition(ofRecord: record)) }
            return writer.finish(correlation: correlation)
        }
    }

    init(_ name: String, records frame: [UInt8], correlation: UInt64) {
        self.init(name, frame) { payload throws(MalformedBytes) in
            let view = try RecordsView(payload: payload)
            return try view.header.answerHead(correlation: correlation) + view.rewrittenBatches()
        }
    }

    init(_ name: String, recordsPush frame: [UInt8]) {
        self.init(name, frame) { payload throws(MalformedBytes) in
            let view = try RecordsPushView(payload: payload)
            return try view.records.header.pushHead(subscription: view.subscription) + view.records.rewrittenBatches()
        }
    }
}

extension RecordsView {
    /// The batches, written again from their placements and records.
    fileprivate func rewrittenBatches() throws(MalformedBytes) -> [UInt8] {
        var bytes: [UInt8] = []
        var batches = self.batches
        while let batch = try batches.next() {
            bytes += Samples.placed(batch.placement, Array(batch.body))
        }
        try self.forEachRecord { _, _, _ in }
        return bytes
    }
}
