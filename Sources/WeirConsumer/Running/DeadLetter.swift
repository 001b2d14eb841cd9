// SPDX-License-Identifier: Apache-2.0
import WeirJSON
import WeirModel

/// What is put into the dead-letter stream: one JSON object, under the partition key of the record.
struct DeadLetter: Sendable {
    /// Longer causes are cut here, in bytes.
    static let causeBytesMax = 4096

    let record: UserRecord
    let application: ApplicationName
    let worker: WorkerID
    let attempts: Int
    let cause: String

    /// The record's own, so that letters of one key stay in order. An aggregate can hold keys that no stream takes.
    var key: String {
        let key = self.record.partitionKey
        return Limits.partitionKeyCharacters.contains(key.count) ? key : "\(self.record.sequenceNumber)"
    }

    var json: [UInt8] {
        let record = self.record.record
        let output = OutputBytes(capacity: Base64.encodedLength(record.data.count) + 1024)
        var writer = JSONWriter(output)
        writer.beginObject()
        writer.raw { output in
            Self.with("\(record.sequenceNumber)", record.partitionKey) { number, key in
                RecordJSON.appendHead(
                    shard: record.shard.rawValue, sequenceNumber: number, subSequence: self.record.subSequence,
                    key: key, explicitHashKey: record.explicitHashKey.map { "\($0)" },
                    arrivalMillis: record.approximateArrivalMillis, to: output)
            }
        }
        writer.name("application")
        writer.string("\(self.application)")
        writer.name("worker")
        writer.string("\(self.worker)")
        writer.name("attempts")
        writer.integer(Int64(self.attempts))
        writer.name("cause")
        writer.string(Self.cut(self.cause))
        writer.name("data")
        record.data.withUnsafeBytes { writer.base64($0) }
        writer.endObject()
        return [UInt8](output.raw)
    }

    private static func with(
        _ first: String, _ second: String, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
    ) {
        var (first, second) = (first, second)
        first.withUTF8 { first in
            second.withUTF8 { second in body(UnsafeRawBufferPointer(first), UnsafeRawBufferPointer(second)) }
        }
    }

    private static func cut(_ text: String) -> String {
        guard text.utf8.count > Self.causeBytesMax else { return text }
        return String(decoding: text.utf8.prefix(Self.causeBytesMax), as: UTF8.self)
    }
}
