// SPDX-License-Identifier: Apache-2.0
import WeirJSON
import WeirModel

/// `--json`, `--raw`, or neither.
package enum RecordFormat: Sendable {
    /// Shard, sequence number, key and data, with a tab between them; what would disturb a terminal is escaped.
    case people
    /// One object a line, as `weir put --from-json` reads it.
    case json
    /// The data and a newline.
    case raw
}

/// Writes records in one format.
struct RecordPrinter: ~Copyable {
    let format: RecordFormat
    private var sequence = SequenceDigits()

    init(_ format: RecordFormat) {
        self.format = format
    }

    mutating func write(
        _ number: SequenceNumber, arrivalMillis: Int64, key: UnsafeRawBufferPointer, data: UnsafeRawBufferPointer,
        to output: OutputBytes
    ) {
        switch self.format {
        case .raw:
            output.append(data)
        case .json:
            self.writeObject(number, arrivalMillis: arrivalMillis, key: key, data: data, to: output)
        case .people:
            RecordJSON.append(shard: number.shard.rawValue, to: output)
            output.append(byte: UInt8(ascii: "\t"))
            self.sequence.append(number, to: output)
            output.append(byte: UInt8(ascii: "\t"))
            output.append(visible: key)
            output.append(byte: UInt8(ascii: "\t"))
            output.append(visible: data)
        }
        output.append(byte: UInt8(ascii: "\n"))
    }

    /// One JSON object, without the end of a line. `subSequence`: of a record that came packed with others into one.
    mutating func writeObject(
        _ number: SequenceNumber, subSequence: UInt64? = nil, arrivalMillis: Int64, key: UnsafeRawBufferPointer,
        data: UnsafeRawBufferPointer, to output: OutputBytes
    ) {
        RecordJSON.append(
            shard: number.shard.rawValue, sequenceNumber: self.sequence.text(of: number), subSequence: subSequence,
            key: key, arrivalMillis: arrivalMillis, data: data, to: output)
    }
}

extension SequenceDigits {
    mutating func append(_ number: SequenceNumber, to output: OutputBytes) { output.append(self.text(of: number)) }
}

extension OutputBytes {
    /// Text for a terminal: control characters and bytes that are not UTF-8 as `\n`, `\x1b`.
    func append(visible bytes: UnsafeRawBufferPointer) {
        if bytes.allSatisfy({ $0 >= 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\\") }) {
            self.append(bytes)
            return
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            for byte in bytes { self.append(visible: byte) }
            return
        }
        for scalar in text.unicodeScalars {
            if scalar.isASCII {
                self.append(visible: UInt8(scalar.value))
            } else if scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format {
                for byte in String(scalar).utf8 { self.append(visible: byte) }
            } else {
                self.append(text: String(scalar))
            }
        }
    }

    private func append(visible byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\\"): self.append("\\\\")
        case UInt8(ascii: "\n"): self.append("\\n")
        case UInt8(ascii: "\r"): self.append("\\r")
        case UInt8(ascii: "\t"): self.append("\\t")
        case 0x20..<0x7f: self.append(byte: byte)
        default:
            self.append("\\x")
            self.append(hex: byte)
        }
    }
}
