// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Asks how the node is. No payload.
package struct Status: WireCall {
    package typealias Answer = StatusAnswer
    package static let type = FrameType.status

    package init() {}

    package func encode(into writer: inout ByteWriter) {}
    package init(reading reader: inout ByteReader) throws(MalformedBytes) {}
}

/// Numbers and texts by name, so that a server can say more without a new version.
///
/// ```
/// u16 n, n x (text name | i64 value) | u16 n, n x (text name | text value)
/// ```
package struct StatusAnswer: WireMessage {
    package struct Number: Hashable, Sendable {
        package let name: String
        package let value: Int64

        package init(_ name: String, _ value: Int64) {
            self.name = name
            self.value = value
        }
    }

    package struct Text: Hashable, Sendable {
        package let name: String
        package let value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package let numbers: [Number]
    package let texts: [Text]

    package init(numbers: [Number], texts: [Text]) {
        self.numbers = Array(numbers.prefix(Wire.statusEntriesMax))
        self.texts = Array(texts.prefix(Wire.statusEntriesMax))
    }

    package subscript(number: KnownNumber) -> Int64? {
        self.numbers.first { $0.name == number.rawValue }?.value
    }

    package subscript(text: KnownText) -> String? {
        self.texts.first { $0.name == text.rawValue }?.value
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(UInt16(clamping: self.numbers.count))
        for number in self.numbers {
            writer.write(number.name)
            writer.write(number.value)
        }
        writer.write(UInt16(clamping: self.texts.count))
        for text in self.texts {
            writer.write(text.name)
            writer.write(text.value)
        }
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let numbers = try reader.readCount(UInt16.self, max: Wire.statusEntriesMax, elementBytes: 10)
        self.numbers = try reader.readList(numbers) { reader throws(MalformedBytes) in
            Number(try reader.readString(), try reader.read())
        }
        let texts = try reader.readCount(UInt16.self, max: Wire.statusEntriesMax, elementBytes: 4)
        self.texts = try reader.readList(texts) { reader throws(MalformedBytes) in
            Text(try reader.readString(), try reader.readString())
        }
    }
}

extension StatusAnswer {
    /// The names that people and scripts rely on.
    package enum KnownNumber: String, CaseIterable, Sendable {
        case uptimeMillis = "uptime-ms"
        case streams
        case openShards = "open-shards"
        case connections
        /// Counted since the start of the process, as the next three are.
        case recordsIn = "records-in"
        case bytesIn = "bytes-in"
        case recordsOut = "records-out"
        case bytesOut = "bytes-out"
        /// Everything up to this position of the log survives a power cut.
        case durableLSN = "durable-lsn"
        case logBytes = "log-bytes"
        case logBytesMax = "log-bytes-max"
        case freeDiskBytes = "free-disk-bytes"
        case fsyncP50Micros = "fsync-p50-us"
        case fsyncP99Micros = "fsync-p99-us"
        case residentBytes = "resident-bytes"
    }

    package enum KnownText: String, CaseIterable, Sendable {
        case version
        case dataDirectory = "data-dir"
        /// How the log is written: `direct` or `buffered`.
        case writeMode = "write-mode"
    }
}
