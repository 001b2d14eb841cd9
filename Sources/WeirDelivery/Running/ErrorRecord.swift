// SPDX-License-Identifier: Apache-2.0
import WeirConsumer
import WeirJSON
import WeirModel

/// How records stand in files of the error prefix.
package enum ErrorForm: String, Hashable, Sendable, CaseIterable {
    /// One JSON object a line, as Firehose writes it: what was wrong, and the record in base64.
    case json
    /// As all others.
    case raw
}

/// Why a record is in a file of the error prefix.
package struct RecordFailure: Hashable, Sendable {
    package let code: String
    /// A sentence.
    package let message: String
    package let attempts: Int

    package init(code: String, message: String, attempts: Int = 1) {
        self.code = code
        self.message = message
        self.attempts = attempts
    }

    /// `nil`: it has all fields.
    init?(_ partition: PrefixPattern.Partition) {
        guard let field = partition.missing else { return nil }
        self.init(
            code: "DynamicPartitioning.MetadataExtractionFailed",
            message: "the record is no JSON object with a text, a number, true or false of 1 to "
                + "\(PrefixPattern.valueBytesMax) bytes at \(field.text)")
    }
}

extension RecordForm {
    /// `now`: the time of day, in milliseconds since 1970.
    static func errors(_ failure: RecordFailure, now: Int64) -> RecordForm {
        RecordForm { records, output in
            let bytes = OutputBytes(capacity: 4 << 10)
            for record in records { Self.append(record, failure, now, to: bytes) }
            output.append(contentsOf: bytes.raw)
        }
    }

    private static func append(
        _ record: UserRecord, _ failure: RecordFailure, _ now: Int64, to output: OutputBytes
    ) {
        var writer = JSONWriter(output)
        writer.beginObject()
        writer.name("attemptsMade")
        writer.integer(Int64(failure.attempts))
        writer.name("arrivalTimestamp")
        writer.integer(record.approximateArrivalMillis)
        writer.name("errorCode")
        writer.string(failure.code)
        writer.name("errorMessage")
        writer.string(failure.message)
        writer.name("attemptEndingTimestamp")
        writer.integer(now)
        writer.name("rawData")
        record.withData { writer.base64($0) }
        writer.name("shardId")
        writer.string("\(record.shard)")
        writer.name("sequenceNumber")
        writer.string("\(record.sequenceNumber)")
        if let subSequence = record.subSequence {
            writer.name("subSequenceNumber")
            writer.integer(subSequence)
        }
        writer.name("partitionKey")
        writer.string(record.partitionKey)
        if let hashKey = record.record.explicitHashKey {
            writer.name("explicitHashKey")
            writer.string("\(hashKey)")
        }
        writer.endObject()
        output.append(byte: UInt8(ascii: "\n"))
    }
}
