// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirConsumer
import WeirDelivery
import WeirJSON

/// How records stand in files.
enum DeliveryFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// The data and a newline.
    case lines
    /// One object a line, as `weir get --json` prints it.
    case json
    /// The data and nothing else.
    case raw

    var form: RecordForm {
        switch self {
        case .lines: .data(delimiter: [UInt8(ascii: "\n")])
        case .raw: .data(delimiter: [])
        case .json: Self.objects
        }
    }

    private static let objects = RecordForm { records, output in
        let bytes = OutputBytes(capacity: 64 << 10)
        var printer = RecordPrinter(.json)
        for record in records {
            var key = record.partitionKey
            key.withUTF8 { key in
                record.withData { data in
                    printer.writeObject(
                        record.sequenceNumber, subSequence: record.subSequence,
                        arrivalMillis: record.approximateArrivalMillis, key: UnsafeRawBufferPointer(key), data: data,
                        to: bytes)
                }
            }
            bytes.append(byte: UInt8(ascii: "\n"))
        }
        output.append(contentsOf: bytes.raw)
    }
}
