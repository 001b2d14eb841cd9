// SPDX-License-Identifier: Apache-2.0
import WeirConsumer
import WeirJSON
import WeirModel

/// How records stand in files.
package struct RecordForm: Sendable {
    /// Appends records.
    package let append: @Sendable (ArraySlice<UserRecord>, inout [UInt8]) -> Void

    package init(_ append: @escaping @Sendable (ArraySlice<UserRecord>, inout [UInt8]) -> Void) {
        self.append = append
    }

    /// The data, and `delimiter` behind it.
    package static func data(delimiter: [UInt8]) -> RecordForm {
        RecordForm { records, output in
            for record in records {
                record.withData { output.append(contentsOf: $0) }
                output.append(contentsOf: delimiter)
            }
        }
    }

    /// One JSON object a line, as `weir get --json` prints it.
    package static let objects = RecordForm { records, output in
        let bytes = OutputBytes(capacity: 64 << 10)
        var digits = SequenceDigits()
        for record in records {
            let number = record.sequenceNumber
            var key = record.partitionKey
            key.withUTF8 { key in
                record.withData { data in
                    RecordJSON.append(
                        shard: number.shard.rawValue, sequenceNumber: digits.text(of: number),
                        subSequence: record.subSequence, key: UnsafeRawBufferPointer(key),
                        arrivalMillis: record.approximateArrivalMillis, data: data, to: bytes)
                }
            }
            bytes.append(byte: UInt8(ascii: "\n"))
        }
        output.append(contentsOf: bytes.raw)
    }

    /// The forms by the names that people use.
    package enum Name: String, Hashable, Sendable, CaseIterable {
        /// The data and a newline.
        case lines
        /// One object a line, as `weir get --json` prints it.
        case json
        /// The data and nothing else.
        case raw

        package var form: RecordForm {
            switch self {
            case .lines: .data(delimiter: [UInt8(ascii: "\n")])
            case .raw: .data(delimiter: [])
            case .json: .objects
            }
        }
    }
}
