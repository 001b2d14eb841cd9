// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// One line of `weir tail --json` or `weir get --json`: exactly the members that the program promises, in its order.
package struct RecordLine: Hashable, Sendable {
    package let sequenceNumber: SequenceNumber
    package let partitionKey: String
    package let arrivalMillis: Int64
    package let data: [UInt8]

    package var place: Place { Place(shard: self.sequenceNumber.shard, index: self.sequenceNumber.index) }

    /// Reads a line of records whose keys need no escapes; quick, because there are many.
    package init(_ line: borrowing Span<UInt8>) throws {
        var scanner = LineScanner(line.withUnsafeBufferPointer { Array($0) })
        let shard = try scanner.text("{\"shardId\":\"")
        let number = try scanner.text("\",\"sequenceNumber\":\"")
        self.partitionKey = try scanner.text("\",\"partitionKey\":\"")
        let seconds = try scanner.text("\",\"approximateArrivalTimestamp\":", until: UInt8(ascii: ","))
        let letters = try scanner.slice("\"data\":\"")
        try scanner.expectEnd("\"}")
        self.sequenceNumber = try SequenceNumber(parsing: number)
        self.arrivalMillis = Int64((try require(Double(seconds), "no time: \(seconds)") * 1000).rounded())
        self.data = try Self.decodeBase64(letters)
        try require(
            shard == self.sequenceNumber.shard.description, "\(shard) stands beside a number of another shard")
    }

    package static func decodeBase64(_ letters: ArraySlice<UInt8>) throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(letters.count / 4 * 3)
        var bits: UInt32 = 0
        var have = 0
        let digits = letters.prefix { $0 != UInt8(ascii: "=") }
        for letter in digits {
            bits = bits << 6 | (try Self.value(letter))
            have += 6
            if have >= 8 {
                have -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(have)))
            }
        }
        let padding = letters.count - digits.count
        try require(
            letters.count % 4 == 0 && padding == (3 - bytes.count % 3) % 3
                && letters.suffix(padding).allSatisfy { $0 == 61 },
            "not padded base64: \(String(decoding: letters.prefix(200), as: UTF8.self))")
        return bytes
    }

    private static func value(_ letter: UInt8) throws -> UInt32 {
        switch letter {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(letter - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(letter - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(letter - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: throw HarnessError("a letter \(letter) in base64")
        }
    }
}

private struct LineScanner {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private func failed() -> HarnessError {
        HarnessError("not the line of a record: \(String(decoding: self.bytes.prefix(400), as: UTF8.self))")
    }

    /// What stands behind `name` up to the `end`, which is left for the next name unless it is a comma.
    mutating func slice(_ name: StaticString, until end: UInt8 = UInt8(ascii: "\"")) throws -> ArraySlice<UInt8> {
        try self.skip(name)
        guard let stop = self.bytes[self.position...].firstIndex(of: end) else { throw self.failed() }
        defer { self.position = end == UInt8(ascii: ",") ? stop + 1 : stop }
        return self.bytes[self.position..<stop]
    }

    mutating func text(_ name: StaticString, until end: UInt8 = UInt8(ascii: "\"")) throws -> String {
        let slice = try self.slice(name, until: end)
        guard !slice.contains(UInt8(ascii: "\\")) else { throw self.failed() }
        return String(decoding: slice, as: UTF8.self)
    }

    private mutating func skip(_ name: StaticString) throws {
        for offset in 0..<name.utf8CodeUnitCount {
            guard self.position < self.bytes.count, self.bytes[self.position] == name.utf8Start[offset] else {
                throw self.failed()
            }
            self.position += 1
        }
    }

    mutating func expectEnd(_ name: StaticString) throws {
        try self.skip(name)
        guard self.position == self.bytes.count else { throw self.failed() }
    }
}
