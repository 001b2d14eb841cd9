// SPDX-License-Identifier: Apache-2.0
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
        var text = JSONText()
        text.member("shardId", string: "\(record.shard)")
        text.member("sequenceNumber", string: "\(record.sequenceNumber)")
        if let subSequence = self.record.subSequence { text.member("subSequenceNumber", number: "\(subSequence)") }
        text.member("partitionKey", string: record.partitionKey)
        if let hashKey = record.explicitHashKey { text.member("explicitHashKey", string: "\(hashKey)") }
        text.member("approximateArrivalTimestamp", number: JSONText.seconds(record.approximateArrivalMillis))
        text.member("application", string: "\(self.application)")
        text.member("worker", string: "\(self.worker)")
        text.member("attempts", number: "\(self.attempts)")
        text.member("cause", string: Self.cut(self.cause))
        text.member("data", base64: record.data)
        return text.object
    }

    private static func cut(_ text: String) -> String {
        guard text.utf8.count > Self.causeBytesMax else { return text }
        return String(decoding: text.utf8.prefix(Self.causeBytesMax), as: UTF8.self)
    }
}

/// Writes one JSON object, member by member.
struct JSONText: Sendable {
    private var bytes: [UInt8] = [UInt8(ascii: "{")]

    var object: [UInt8] { self.bytes + [UInt8(ascii: "}")] }

    private mutating func name(_ name: String) {
        if self.bytes.count > 1 { self.bytes.append(UInt8(ascii: ",")) }
        self.string(name)
        self.bytes.append(UInt8(ascii: ":"))
    }

    mutating func member(_ name: String, string: String) {
        self.name(name)
        self.string(string)
    }

    mutating func member(_ name: String, number: String) {
        self.name(name)
        self.bytes += number.utf8
    }

    mutating func member(_ name: String, base64 data: [UInt8]) {
        self.name(name)
        self.bytes.append(UInt8(ascii: "\""))
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        self.bytes.reserveCapacity(self.bytes.count + (data.count + 2) / 3 * 4 + 2)
        for start in stride(from: 0, to: data.count, by: 3) {
            let count = min(3, data.count - start)
            var bits = UInt32(data[start]) << 16
            if count > 1 { bits |= UInt32(data[start + 1]) << 8 }
            if count > 2 { bits |= UInt32(data[start + 2]) }
            for position in 0..<4 {
                let letter = alphabet[Int(bits >> UInt32(18 - 6 * position)) & 63]
                self.bytes.append(position <= count ? letter : UInt8(ascii: "="))
            }
        }
        self.bytes.append(UInt8(ascii: "\""))
    }

    private mutating func string(_ text: String) {
        let hex = Array("0123456789abcdef".utf8)
        self.bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): self.bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20, 0x7f: self.bytes += Array("\\u00".utf8) + [hex[Int(byte >> 4)], hex[Int(byte & 15)]]
            default: self.bytes.append(byte)
            }
        }
        self.bytes.append(UInt8(ascii: "\""))
    }

    /// Milliseconds since 1970 as the seconds that Kinesis gives for a time.
    static func seconds(_ millis: Int64) -> String {
        let part = String(1000 + millis.magnitude % 1000).dropFirst()
        return (millis < 0 ? "-" : "") + "\(millis.magnitude / 1000).\(part)"
    }
}
